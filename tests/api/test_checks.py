"""How many labels are right, from few checked images: in Python and on the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import studio
from studio.api.checks import share_right, to_check
from studio.cli import main
from studio.errors import RunError
from studio.runs.outcome import Outcome
from studio.runs.outcome_of import zero_shot_outcome

NAMES = ("cat", "dog")


@pytest.fixture
def outcome() -> Outcome:
    """A hundred images in the order of their confidence, of which each fourth is a cat."""
    confidence = np.linspace(0.5, 1, 100, dtype=np.float32)
    labels = (np.arange(100) % 4 > 0).astype(np.int64)
    paths = tuple(f"{i}.jpg" for i in range(100))
    return zero_shot_outcome(paths=paths, class_names=NAMES, labels=labels, confidence=confidence)


def answered(outcome: Outcome, number: int, *, wrong: int) -> dict[str, str]:
    rows = to_check(outcome, number)
    return {
        row["path"]: "bird" if place < wrong else row["pseudo-label"].upper()
        for place, row in enumerate(rows)
    }


def test_a_share_with_its_interval(outcome: Outcome) -> None:
    share = share_right(outcome, answered(outcome, 40, wrong=10))
    assert share.checks == 40
    assert share.low < 0.75 < share.high
    assert abs(share.value - 0.75) < 0.08
    assert share.with_more(10) < share.high - share.low


def test_only_images_that_were_drawn_first_count(outcome: Outcome) -> None:
    said = answered(outcome, 40, wrong=0)
    for path in to_check(outcome, 30)["path"][20:]:
        del said[path]
    assert share_right(outcome, said).checks == 20, "those after a gap were chosen by somebody"
    before = to_check(outcome, 10)["path"]
    assert share_right(outcome, said, before=before).checks == 10, "the labels were told these"
    with pytest.raises(RunError, match="--out FILE"):
        share_right(outcome, {to_check(outcome, 9)["path"][8]: "cat"})


def test_a_list_is_written_filled_in_and_read(
    image_folder: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = studio.fit(
        image_folder, model=str(tiny_model), method="zero-shot", out=tmp_path / "runs" / "a",
        cache=tmp_path / "cache", progress=False,
    )  # fmt: skip
    out, runs = tmp_path / "checks.csv", ["--runs", str(tmp_path / "runs")]
    assert main(["checks", run.id, *runs, "--number", "12", "--out", str(out)]) == 0
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert not any(row["label"] for row in rows)
    for row in rows:
        row["label"] = Path(row["path"]).parent.name.replace("_", " ")
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    capsys.readouterr()
    assert main(["checks", run.id, *runs, "--answers", str(out)]) == 0
    told = capsys.readouterr().out
    assert "from 12 checked images" in told
    assert "10 more would narrow that" in told
    right = sum(row["label"] == row["pseudo-label"] for row in rows)
    assert run.accuracy(out).low <= right / 12 <= run.accuracy(out).high
    assert main(["checks", run.id, *runs]) == 2, "nobody has corrected anything"
    run.correct({row["path"]: row["label"] for row in rows})
    assert run.accuracy().checks == 12


def test_images_that_were_answered_before_are_not_drawn(outcome: Outcome) -> None:
    before = set(to_check(outcome, 100)["path"][:80:2])
    rows = to_check(outcome, 40, before=before)
    assert not set(rows["path"]) & before
    said = {row["path"]: row["pseudo-label"] for row in rows}
    share = share_right(outcome, said, before=before)
    assert (share.checks, share.left_out) == (40, 40)
    assert len(to_check(outcome, 100, before=before)) == 60
    with pytest.raises(RunError, match="All images were answered before"):
        to_check(outcome, 10, before=outcome.paths)
