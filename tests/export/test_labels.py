"""Labels and models that leave the studio, and the documented way to use them without it."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.clip.backbone import Backbone, build_model
from studio.coft.classifier import Classifier, Tower, without_projection
from studio.errors import FolderError, ModelError, RunError
from studio.export import labels_csv, predict
from studio.images.canvases import prepare
from studio.images.resize import CROP, Resize
from studio.runs.job import run_job
from studio.runs.model import load_classifier, save_model
from studio.runs.request import JobRequest, create_run
from studio.runs.store import Run, RunStore
from studio.settings import Settings

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


def test_a_run_without_labels_has_no_csv(tmp_path: Path):
    run = RunStore(tmp_path / "runs").create(name="n", method="coft", model="m", folder="/f")
    run.set_status(state="failed")
    with pytest.raises(RunError, match="no final labels"):
        labels_csv(run, tmp_path / "labels.csv")
    with pytest.raises(RunError, match="no trained classifier"):
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


TRANSFORMER = {"image_size": 32, "patch_size": 16, "width": 64, "layers": 2, "head_width": 32}
CONVOLUTIONAL = {
    "timm_model_name": "tf_efficientnet_lite0", "timm_model_pretrained": False,
    "timm_pool": "avg", "timm_proj": "linear", "image_size": 64,
}  # fmt: skip


SQUASH = Resize("squash", "bilinear")


@pytest.mark.slow
@pytest.mark.parametrize("vision", [TRANSFORMER, CONVOLUTIONAL], ids=["open_clip", "timm"])
@pytest.mark.parametrize(
    ("head_input", "resize"), [("pre_proj", CROP), ("post_proj", CROP), ("post_proj", SQUASH)]
)
def test_the_documented_snippet_agrees_with_predict(
    vision: dict[str, Any],
    head_input: str,
    resize: Resize,
    image_folder: Path,
    tmp_path: Path,
    cache_dir: Path,
):
    """docs/export.md: plain open_clip, torch, safetensors and Pillow."""
    text = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    imports = ("import ", "from ")
    code = [line for line in snippet.splitlines() if line and not line.startswith(imports)]
    assert len(code) <= 11
    assert "studio" not in snippet

    write_model(tmp_path / "model", vision, head_input, resize)
    shipped = load_classifier(tmp_path / "model", device="cpu")
    found, canvases = prepare(image_folder, cache_dir=cache_dir, resize=resize)
    shutil.copy(image_folder / found.images[7].path, tmp_path / "photo.jpg")
    expected = shipped.probabilities(canvases.batch([7]))[0].numpy()
    assert expected.max() - expected.min() > 0.05, "all alike: nothing would be compared"

    ran = subprocess.run(
        [sys.executable, "-c", snippet + "\nprint(probabilities.tolist())"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    name, numbers = ran.stdout.splitlines()
    assert np.abs(np.array(json.loads(numbers)) - expected).max() < 0.01
    assert name == f"class {expected.argmax()}"


def write_model(folder: Path, vision: dict[str, Any], head_input: str, resize: Resize) -> None:
    """A model folder as a run writes it, with random weights."""
    torch.manual_seed(0)
    text = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
    config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    visual = build_model(config).visual
    assert isinstance(visual, torch.nn.Module)
    if head_input == "pre_proj":
        visual, projection = without_projection(visual)
        assert projection is not None
    half, size = (0.5, 0.5, 0.5), vision["image_size"]
    visual.eval()
    width = visual(torch.zeros(1, 3, size, size)).shape[1]
    backbone = Backbone(
        name="random", model=torch.nn.Module(), tokenizer=torch.tensor, config=config,
        image_size=size, mean=half, std=half, template="{}", center=False,
        device=torch.device("cpu"), resize=resize,
    )  # fmt: skip
    head = torch.nn.Linear(width, 3)
    torch.nn.init.normal_(head.weight, std=4.0)
    classifier = Classifier([Tower(visual, head)], backbone)
    meta = classifier.meta(
        kind="fine-tuned", head_input=head_input, class_names=["class 0", "class 1", "class 2"]
    )
    save_model(folder, tensors=classifier.state(), meta=meta)
