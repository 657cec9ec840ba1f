"""`import studio`: a run from Python."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import studio
from studio.api import fitting
from studio.api.asked import asked
from studio.coft import events
from studio.runs.store import RunStore

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"red_square": "scarlet box", "green_circle": "green circle", "blue_line": "blue line"}


@pytest.fixture(scope="module")
def fitted(
    tmp_path_factory: pytest.TempPathFactory, image_folder: Path, tiny_model: Path,
    quick_settings: dict[str, Any],
) -> studio.Run:  # fmt: skip
    place = tmp_path_factory.mktemp("api")
    return studio.fit(
        image_folder, classes=NAMES, model=str(tiny_model), settings=quick_settings, seed=3,
        out=place / "runs" / "shapes", cache=place / "cache", progress=False,
    )  # fmt: skip


def test_importing_is_instant_and_promises_what_it_has() -> None:
    slow = {"torch", "numpy", "gradio", "PIL", "sklearn", "open_clip"}
    code = f"import sys, studio; print({slow} & set(sys.modules)); studio.fit; studio.Run"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
    assert {name for name in studio.__all__ if getattr(studio, name) is None} == set()
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        studio.train  # type: ignore[attr-defined]  # noqa: B018


def test_a_run_has_typed_labels_in_the_order_of_its_images(fitted: studio.Run) -> None:
    labels = fitted.labels
    assert len(labels) == 36
    assert labels["path"] == RunStore(fitted.path.parent).get("shapes").images()["images"]
    assert set(labels["label"]) <= set(NAMES.values())
    assert all(isinstance(value, bool) for value in labels["clean"])
    assert all(0 <= value <= 1 for value in labels["clean_probability"])
    assert fitted.result.seed == 3
    assert fitted.result.clean_fraction == pytest.approx(sum(labels["clean"]) / 36)
    assert fitted.path.name == fitted.id == "shapes"
    assert fitted.state == "finished"
    estimate = fitted.estimate
    assert estimate is not None
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_a_run_that_was_put_somewhere_is_listed_with_the_others(fitted: studio.Run) -> None:
    store = RunStore(fitted.path.parent)
    assert "shapes" in [info.id for info in store.list()]
    assert studio.load(fitted.path).id == studio.load("shapes", runs=store.root).id == "shapes"
    with pytest.raises(studio.StudioError, match="there already"):
        studio.fit(like=fitted, out=fitted.path)
    with pytest.raises(studio.StudioError, match="cannot be a run's name"):
        studio.fit(like=fitted, out=fitted.path.parent / "a run")


def test_noisy_images_come_worst_first_and_corrected_ones_do_not(fitted: studio.Run) -> None:
    worst = fitted.noisy(5)
    scores = worst["combined_score"]
    assert scores == sorted(fitted.labels["combined_score"])[:5]
    first, second = worst["path"][:2]
    fitted.correct({first: "blue line", second: None})
    rows = {row["path"]: row for row in fitted.labels}
    assert (rows[first]["label"], rows[first]["correction"]) == ("blue line", "relabelled")
    assert (rows[second]["clean"], rows[second]["correction"]) == (False, "rejected")
    assert not {first, second} & set(fitted.noisy(36)["path"])
    with pytest.raises(studio.StudioError, match="no such class"):
        fitted.correct({first: "a cat"})


def test_like_takes_everything_that_is_not_said_otherwise(
    fitted: studio.Run, tmp_path: Path
) -> None:
    folder = fitting.folder_of(fitted)
    request = asked(None, cache=tmp_path, like=folder)
    assert request.settings.seed == 3
    assert request.settings.to_dict() == fitted.result.settings
    assert request.class_names == tuple(NAMES.values())
    changed = asked(None, cache=tmp_path, like=folder, settings={"seed": 7}, method="zero-shot")
    assert (changed.settings.seed, changed.settings.k) == (7, request.settings.k)
    assert changed.method == "zero-shot"


def test_corrections_of_a_run_are_taken_as_given(fitted: studio.Run, tmp_path: Path) -> None:
    path = fitted.labels["path"][7]
    fitted.correct({path: "blue line"})
    again = studio.fit(
        like=fitted, corrections=fitted, method="zero-shot", out=tmp_path / "again",
        cache=fitted.path.parent.parent / "cache", progress=False,
    )  # fmt: skip
    row = next(row for row in again.labels if row["path"] == path)
    assert (row["label"], row["correction"]) == ("blue line", "relabelled")
    assert again.result.given_labels == sum(c == "relabelled" for c in fitted.labels["correction"])


def test_other_images_are_labelled_as_by_the_command(
    fitted: studio.Run, image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from studio.cli import main

    cache = fitted.path.parent.parent / "cache"
    table = fitted.predict(image_folder, cache=cache, progress=False)
    assert capsys.readouterr().err == ""
    out = tmp_path / "labels.csv"
    assert main(
        ["predict", str(fitted.path), str(image_folder), "--out", str(out), "--cache", str(cache)]
    ) == 0  # fmt: skip
    assert table.save(tmp_path / "mine.csv").read_text() == out.read_text()
    assert "refused red_square/broken.png" in capsys.readouterr().err


def test_predictions_say_the_likeliest_classes_and_the_nearest_training_images(
    fitted: studio.Run, image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = fitted.path.parent.parent / "cache"
    others = tmp_path / "others"
    others.mkdir()
    shutil.copy(image_folder / "blue_line" / "3.png", others / "new.png")
    plain = fitted.predict(others, cache=cache, progress=False)
    assert plain.columns == ("path", "label", "confidence")
    before = {file.name for file in (cache / "features").rglob("*.safetensors")}
    (row,) = fitted.predict(others, likeliest=3, nearest=2, cache=cache, progress=False)
    assert row["likeliest"][0] == (row["label"], row["confidence"])
    assert sum(share for _, share in row["likeliest"]) == pytest.approx(1, abs=1e-4)
    assert len(row["nearest"]) == 2
    assert row["nearest"][0] == ("blue_line/3.png", pytest.approx(1, abs=1e-4))
    assert {file.name for file in (cache / "features").rglob("*.safetensors")} == before
    table = fitted.predict(others, likeliest=1, nearest=1, cache=cache, progress=False)
    text = table.save(tmp_path / "rich.csv").read_text().splitlines()
    assert text[0] == "path,label,confidence,likeliest,nearest"
    assert text[1].endswith("blue_line/3.png 1.000000")
    assert "blue_line/3.png" in repr(table)


def test_without_its_images_a_run_still_predicts(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    copy = shutil.copytree(image_folder, tmp_path / "copy")
    run = studio.fit(
        copy, model=str(tiny_model), method="upl", settings={**quick_settings, "upl_prompts": 1},
        out=tmp_path / "run", cache=tmp_path / "cache", progress=False,
    )  # fmt: skip
    shutil.rmtree(copy)
    table = run.predict(image_folder, nearest=3, cache=tmp_path / "cache")
    assert len(table) == 36
    assert table["nearest"] == [[]] * 36
    assert "Without the training images" in capsys.readouterr().err


def test_events_can_be_followed_to_the_end(fitted: studio.Run, tmp_path: Path) -> None:
    cache = fitted.path.parent.parent / "cache"
    stream = studio.stream(like=fitted, out=tmp_path / "followed", cache=cache)
    seen = list(stream)
    assert isinstance(seen[-1], events.Finished)
    assert {"ZeroShot", "SeedSet", "Step", "Judged", "Monitor"} <= {type(e).__name__ for e in seen}
    assert stream.run.labels["label"] == [
        stream.run.class_names[label] for label in seen[-1].labels.tolist()
    ]


def test_leaving_the_events_early_keeps_what_was_learned(
    fitted: studio.Run, tmp_path: Path
) -> None:
    cache = fitted.path.parent.parent / "cache"
    with studio.stream(like=fitted, out=tmp_path / "left", cache=cache) as stream:
        for event in stream:
            if isinstance(event, events.Judged):
                break
    assert stream.run.state == "stopped"
    assert len(stream.run.labels) == 36
    again = studio.resume(stream.run, cache=cache, progress=False)
    assert (again.id, again.state) == (stream.run.id, "finished")
    for column in ("model_1_label", "model_2_label"):  # whatever was corrected since
        assert again.labels[column] == fitted.labels[column], "as if it had never been left"
    with pytest.raises(studio.StudioError, match="nothing left to do"):
        studio.resume(again.path)


def test_what_goes_wrong_later_is_raised_by_the_iteration(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "no.jpg").write_bytes(b"no image")
    stream = studio.stream(folder, out=tmp_path / "run", cache=tmp_path / "cache")
    with pytest.raises(studio.StudioError, match="image"):
        list(stream)
    assert list(stream) == []
    assert stream.run.state == "failed"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"folder": None}, "Give a folder"),
        ({"classes": ["cat"]}, "at least two class names"),
        ({"classes": __file__}, "is a file, not a class name"),
        ({"classes": ["a cat", "a_cat", "dog"]}, "'a cat' and 'a_cat' are the same"),
        ({"classes": ["cat", ""]}, "none of them is empty"),
        ({"settings": {"k": "many"}}, "k must be a whole number"),
        ({"settings": {"k": None}}, "cannot be None"),
        ({"settings": {"seed": 1}, "seed": 2}, "seed once"),
        ({"method": "guess"}, "guess"),
        ({"corrections": "nowhere.csv"}, "is no file"),
        ({"like": "nowhere"}, "no run 'nowhere'"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(
    options: dict[str, Any], line: str, image_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(studio.StudioError, match=line) as caught:
        studio.fit(**{"folder": image_folder, "out": tmp_path / "run", **options})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_every_example_of_the_document_runs(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """In order, in one place, with a small model and quick settings in place of the defaults."""
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 5
    monkeypatch.chdir(tmp_path)
    shutil.copytree(image_folder, "photos")
    shutil.copytree(image_folder, "more_photos")
    quick = {"model": str(tiny_model), "settings": quick_settings}

    def small(function: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            return function(*args, **(options if "like" in options else {**quick, **options}))

        return call

    monkeypatch.setattr(studio, "fit", small(fitting.fit), raising=False)
    monkeypatch.setattr(studio, "stream", small(fitting.stream), raising=False)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    assert len(names["again"].labels) == len(names["table"]) == 36
    assert names["again"].result.given_labels == 1
