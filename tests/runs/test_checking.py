"""Labels that came with the images, from the table that is read to the one that is written."""

from __future__ import annotations

import csv
import dataclasses
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.coft.events import Finished, Judged
from studio.errors import RunError, SettingsError
from studio.runs.checking import CHECKED_FILE, check_labels, claimed, read_labels
from studio.runs.job import run_job
from studio.runs.request import JobRequest, create_run
from studio.runs.store import RunStore
from studio.settings import Settings


@pytest.fixture
def labels(image_folder: Path) -> dict[str, str]:
    """The sub-folders' names, every fourth one wrong; one of an image that cannot be read."""
    paths = sorted(str(p.relative_to(image_folder)) for p in image_folder.rglob("*.png"))
    paths.remove("red_square/broken.png")
    names = sorted({path.split("/")[0] for path in paths})
    draw = random.Random(0)
    return {
        path: draw.choice([n for n in names if n != path.split("/")[0]])
        if number % 4 == 0
        else path.split("/")[0]
        for number, path in enumerate(paths)
    } | {"red_square/broken.png": "red square"}


def test_labels_are_read_and_empty_ones_say_nothing(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("path,label\na.png,cat\nb.png,\nc.png,dog\n")
    assert read_labels(table) == {"a.png": "cat", "c.png": "dog"}
    table.write_text("path,label\na.png,\n")
    with pytest.raises(RunError, match="no labels to check"):
        read_labels(table)
    with pytest.raises(RunError):
        read_labels(tmp_path / "none.csv")


def test_claims_follow_the_images_and_strangers_are_refused() -> None:
    paths, names = ["a", "b", "c"], ["cat", "dog"]
    said = {"c": "CAT_", "a": "n02"}
    found = claimed(said, paths=paths, class_names=names, aliases={"n02": "dog"})
    assert (found[0].tolist(), found[1]) == ([1, -1, 0], "")
    with pytest.raises(RunError, match="labels to check name classes that are not in the list: ox"):
        claimed({"a": "ox"}, paths=paths, class_names=names)
    vector, warning = claimed({"a": "cat", "x": "cat"}, paths=paths, class_names=names)
    assert vector.tolist() == [0, -1, -1]
    assert warning.startswith("1 of the labels to check")
    assert warning.endswith("x")
    with pytest.raises(RunError, match="1 image of the labels to check, and none is in"):
        claimed({"x": "cat"}, paths=paths, class_names=names)


def test_a_run_checks_labels_and_writes_the_most_suspicious_first(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], labels: dict[str, str],
    tmp_path: Path,
) -> None:  # fmt: skip
    request = JobRequest(
        folder=image_folder, model=str(tiny_model), settings=Settings(**quick_settings),
        labels=labels,
    )  # fmt: skip
    store = RunStore(tmp_path / "runs")
    run = create_run(request, store)
    result = run_job(request, run, cache_dir=tmp_path / "cache", stop=lambda: False)
    with (run.path / CHECKED_FILE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    del labels["red_square/broken.png"]
    assert {row["path"]: row["label"].replace(" ", "_") for row in rows} == labels
    events, _ = run.events()
    assert any("broken.png" in event.get("message", "") for event in events)
    scores = [float(row["combined_score"]) for row in rows]
    assert scores == sorted(scores)
    clean = [row["clean"] == "true" for row in rows]
    checked = result.checked
    assert checked is not None
    assert checked.labels == len(labels) == 36
    assert checked.clean == pytest.approx(np.mean(clean))
    assert checked.accuracy == pytest.approx(0.75)
    right = [row["label"].replace(" ", "_") == row["path"].split("/")[0] for row in rows]
    ranks = [
        (a > b) + 0.5 * (a == b)
        for a, good in zip(scores, right, strict=True) if good
        for b, other in zip(scores, right, strict=True) if not other
    ]  # fmt: skip
    assert checked.combined_auroc == pytest.approx(np.mean(ranks), abs=1e-3)
    with pytest.raises(SettingsError, match=r"checked by coft and coft\+, not by zero-shot"):
        create_run(dataclasses.replace(request, method="zero-shot"), store)


def test_a_claim_that_a_person_corrected_is_not_clean(tmp_path: Path) -> None:
    """What the models said is about the correction, which stands in the claim's place."""
    claims, given = np.array([0, 1, 1, 0]), np.array([-1, 0, 1, -1])
    sure = torch.full((2, 4), 0.99)
    stand = torch.tensor([0, 0, 1, 0])
    judged = Judged(
        labels=stand.expand(2, -1), clean_probability=sure, own_clean_probability=sure,
        clean=torch.ones(2, 4, dtype=torch.bool), confidence=sure,
    )  # fmt: skip
    finished = Finished(
        labels=stand, confidence=sure[0], clean_probability=sure[0],
        model_labels=stand.expand(2, -1), model_clean_probability=sure,
        clean=torch.ones(4, dtype=torch.bool), top_labels=stand[:, None],
        top_probabilities=sure[0][:, None], stage="phase2", stopped=False,
    )  # fmt: skip
    found = check_labels(
        tmp_path, claims, judged=judged, finished=finished,
        features=np.eye(4, dtype=np.float32), paths=["a", "b", "c", "d"],
        class_names=["cat", "dog"], truth=None, given=given,
    )  # fmt: skip
    assert found.clean == 0.75
    with (tmp_path / CHECKED_FILE).open(encoding="utf-8", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert (rows["b"]["clean"], float(rows["b"]["clean_probability"])) == ("false", 0.0)
    assert (rows["c"]["clean"], float(rows["c"]["clean_probability"])) == ("true", 1.0)
    assert (rows["a"]["clean"], rows["b"]["suggested"]) == ("true", "cat")
