"""Labels and models that leave the studio, and the documented way to use them without it."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from studio.api.suggesting import suggest_of
from studio.errors import FolderError, ModelError, RunError
from studio.export import labels_csv, predict
from studio.images.resize import CROP, Resize, square
from studio.runs.job import run_job
from studio.runs.model import load_classifier
from studio.runs.request import JobRequest, create_run
from studio.runs.store import Run, RunStore
from studio.settings import Settings
from tests.export.conftest import CONVOLUTIONAL, TRANSFORMER, write_model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export-cache")


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, image_folder: Path, tiny_model: Path,
    quick_settings: dict[str, Any], cache_dir: Path,
) -> Run:  # fmt: skip
    """A run of the method with a very small model."""
    folder = tmp_path_factory.mktemp("photos") / "set"
    shutil.copytree(image_folder, folder)
    (folder / "red_square" / "0.png").rename(folder / "=1+1.png")
    request = JobRequest(
        folder=folder,
        model=str(tiny_model),
        class_names=("red square", "green circle", "-blue, line"),
        settings=Settings(**quick_settings),
    )
    run = create_run(request, RunStore(tmp_path_factory.mktemp("runs")))
    run_job(request, run, cache_dir=cache_dir, stop=lambda: False)
    return run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_labels_csv_says_what_the_run_says(finished: Run, tmp_path: Path):
    rows = rows_of(labels_csv(finished, tmp_path / "labels.csv"))
    assert list(rows[0]) == [
        "path", "label", "clean_probability", "model_1_label", "model_2_label", "clean",
        "confidence", "combined_score", "of_none", "correction", "judged_label",
    ]  # fmt: skip
    assert len({float(row["combined_score"]) for row in rows}) > 1
    (event,) = [event for event in finished.events()[0] if event["kind"] == "finished"]
    arrays = finished.arrays(event["arrays"])
    assert len(rows) == len(finished.images()["images"]) == 36
    (combined,) = [event for event in finished.events()[0] if event["kind"] == "combined"]
    score = finished.arrays(combined["arrays"])["score"]
    names = finished.info.class_names
    for row, path, label, (first, second), clean, kept, sure, own in zip(
        rows, finished.images()["images"], arrays["labels"].tolist(),
        arrays["model_labels"].T.tolist(), arrays["clean_probability"].tolist(),
        arrays["clean"].tolist(), arrays["confidence"].tolist(), score.tolist(), strict=True,
    ):  # fmt: skip
        assert row["path"].removeprefix("./") == path
        assert row["label"].lstrip("'") == names[label]
        assert row["model_1_label"].lstrip("'") == names[first]
        assert row["model_2_label"].lstrip("'") == names[second]
        assert float(row["clean_probability"]) == pytest.approx(clean, abs=1e-6)
        assert float(row["confidence"]) == pytest.approx(sure, abs=1e-6)
        assert float(row["combined_score"]) == pytest.approx(own, abs=1e-6)
        assert row["clean"] == ("true" if kept else "false")


def test_no_cell_is_a_formula_and_every_path_still_leads_to_its_file(finished: Run, tmp_path: Path):
    rows = rows_of(labels_csv(finished, tmp_path / "labels.csv"))
    for row in rows:
        assert not any(row[column].startswith(("=", "+", "-", "@")) for column in row)
        assert (Path(finished.info.folder) / row["path"]).is_file()
    assert "./=1+1.png" in {row["path"] for row in rows}


def test_a_csv_that_cannot_be_written_is_an_error_of_the_user(finished: Run, tmp_path: Path):
    with pytest.raises(RunError, match="cannot write"):
        labels_csv(finished, tmp_path / "missing" / "labels.csv")


@pytest.mark.parametrize(
    ("state", "method", "request_kept", "says"),
    [
        ("running", "coft", True, "wait for its end"),
        ("failed", "coft", True, "it is failed; python -m studio fit --resume {id} goes on"),
        ("interrupted", "coft", False, "it is interrupted and cannot go on, for the version"),
        ("interrupted", "grip", True, "cannot go on, for the method grip keeps no checkpoints"),
        ("stopped", "coft", True, "it is stopped; python -m studio fit --resume {id} goes on"),
    ],
)
def test_a_run_without_labels_has_no_csv_and_says_what_to_do(
    tmp_path: Path, state: str, method: str, request_kept: bool, says: str
):
    store = RunStore(tmp_path / "runs")
    more = {"request": {}} if request_kept else {}
    run = store.create(name="n", method=method, model="m", folder="/f", **more)
    run.set_status(state=state)
    said = re.escape(says.format(id=run.id))
    with pytest.raises(RunError, match=f"no final labels: .*{said}"):
        labels_csv(run, tmp_path / "labels.csv")
    with pytest.raises(RunError, match=f"no trained classifier: .*{said}"):
        predict(run, tmp_path, tmp_path / "out.csv", cache_dir=tmp_path)
    with pytest.raises(RunError, match=f"no labels yet: .*{said}"):
        suggest_of(run, "3", cache=tmp_path, begin=lambda _: None, stop=lambda: False)
    run.set_status(state="failed")
    (run.path / "run.json").write_text("[")
    for work in (
        lambda: labels_csv(run, tmp_path / "labels.csv"),
        lambda: predict(run, tmp_path, tmp_path / "out.csv", cache_dir=tmp_path),
    ):
        with pytest.raises(RunError, match="is damaged: "):
            work()


def test_a_finished_run_without_a_model_says_so(tmp_path: Path):
    run = RunStore(tmp_path / "runs").create(name="n", method="zero-shot", model="m", folder="/f")
    run.set_status(state="finished")
    with pytest.raises(RunError, match=f"{run.id} has no model to label other images with"):
        predict(run, tmp_path, tmp_path / "out.csv", cache_dir=tmp_path)


def test_predicting_the_fitted_folder_gives_the_runs_labels(
    finished: Run, tmp_path: Path, cache_dir: Path
):
    out = tmp_path / "predicted.csv"
    heard: list[tuple[str, int, int]] = []
    done = predict(
        finished,
        Path(finished.info.folder),
        out,
        cache_dir=cache_dir,
        progress=lambda stage, done, total: heard.append((stage, done, total)),
    )
    assert heard[-1] == ("labelling", 36, 36)
    assert (len(done.paths), len(done.refused)) == (36, 1)
    assert done.refused[0].path.endswith("broken.png")
    told = {row["path"]: row for row in rows_of(labels_csv(finished, tmp_path / "labels.csv"))}
    for row in rows_of(out):
        assert row["label"] == told[row["path"]]["label"]
        confidence = float(told[row["path"]]["confidence"])
        assert float(row["confidence"]) == pytest.approx(confidence, abs=1e-4)


def test_predict_refuses_a_folder_that_is_not_there(finished: Run, tmp_path: Path):
    with pytest.raises(FolderError):
        predict(finished, tmp_path / "missing", tmp_path / "out.csv", cache_dir=tmp_path)


def test_damaged_models_are_refused_in_one_line(finished: Run, tmp_path: Path):
    with pytest.raises(ModelError, match="holds no classifier"):
        load_classifier(tmp_path)
    for name in ("classifier-1.safetensors", "model.json"):
        folder = tmp_path / name
        shutil.copytree(finished.path / "model", folder)
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ModelError):
            load_classifier(folder)


def test_a_model_of_a_later_format_is_refused(finished: Run, tmp_path: Path):
    shutil.copytree(finished.path / "model", tmp_path / "model")
    meta = json.loads((tmp_path / "model" / "model.json").read_text())
    (tmp_path / "model" / "model.json").write_text(json.dumps({**meta, "format": 99}))
    with pytest.raises(ModelError, match="this version"):
        load_classifier(tmp_path / "model")


SQUASH = Resize("squash", "bilinear")


def photos(folder: Path) -> list[Path]:
    """Pictures that a plain resize gets wrong: large ones, turned ones, transparent ones."""
    seed = np.random.default_rng(0)
    colours = Image.fromarray(seed.integers(0, 256, (9, 7, 3), np.uint8))
    large = colours.resize((1700, 2300), Image.Resampling.BICUBIC)
    turned = Image.Exif()
    turned[0x0112] = 6
    clear = colours.resize((90, 61)).convert("RGBA")
    clear.putalpha(Image.fromarray(seed.integers(0, 256, (61, 90), np.uint8)))
    large.save(folder / "turned.jpg", exif=turned)
    clear.save(folder / "clear.png")
    colours.resize((300, 40)).convert("P").save(folder / "wide.png")
    return sorted(folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("vision", [TRANSFORMER, CONVOLUTIONAL], ids=["open_clip", "timm"])
@pytest.mark.parametrize(
    ("head_input", "resize"), [("pre_proj", CROP), ("post_proj", CROP), ("post_proj", SQUASH)]
)
def test_the_documented_snippet_agrees_with_predict(
    vision: dict[str, Any],
    head_input: str,
    resize: Resize,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """docs/export.md: plain open_clip, torch, safetensors and Pillow."""
    text = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert "studio" not in snippet

    write_model(tmp_path / "model", vision, head_input=head_input, resize=resize)
    shipped = load_classifier(tmp_path / "model", device="cpu")
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    seen = []
    for file in photos(tmp_path / "photos"):
        pixels = torch.from_numpy(square(file, size=224, resize=resize))
        expected = shipped.probabilities(pixels[None])[0].numpy()
        shutil.copy(file, "photo.jpg")
        found: dict[str, Any] = {}
        exec(snippet, found)
        assert capsys.readouterr().out.strip() == f"class {expected.argmax()}"
        assert np.abs(found["probabilities"].numpy() - expected).max() < 1e-4, file.name
        seen.append(expected)
    assert np.ptp(seen, axis=0).max() > 0.02, "all alike: nothing would be compared"
