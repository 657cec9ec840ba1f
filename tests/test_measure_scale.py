"""The measurement of how costs grow, run in small, and what it makes of its numbers."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from studio.coft.events import Warned
from tools import measure_scale
from tools.measure_scale import HERE, STEPS, Cost, breaking, expected, exponent, main, report


@pytest.mark.long
@pytest.mark.slow
def test_every_step_is_measured_in_small(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--tiny"]) == 0
    printed = capsys.readouterr().out
    rows = dict(re.findall(r"^\| ([a-z ]+) \| ((?:here|[\d-]).*) \|$", printed, re.MULTILINE))
    assert tuple(rows)[1:] == STEPS
    for step in STEPS:
        cells = rows[step].split(" | ")
        assert len(cells) == 5
        assert all(re.fullmatch(r"[\d,.]+ s, [\d,]+ MB", cell) for cell in (*cells[:2], *cells[3:]))
    assert "What breaks first, at " in printed


@pytest.mark.parametrize("step", ["labels of a round", "outcome"])
def test_a_step_of_a_fit_does_all_of_its_work(step: str) -> None:
    """In this process, so that one which can no longer be called is found in time."""
    work = measure_scale.prepared(step, measure_scale.Made.of(150, 5, 16), Path("nowhere"))
    assert work is not None
    done = work()
    assert isinstance(done, list)
    assert not [event for event in done if isinstance(event, Warned)], "the labels were given up"


def options(**changes: object) -> argparse.Namespace:
    values = {"sizes": [100, 1000], "classes": 5, "steps": ["seeds", "estimate"]}
    return argparse.Namespace(**{"limit_seconds": 60.0, "limit_gb": 1.0, **values, **changes})


def test_exponents_tell_what_is_to_come() -> None:
    power = exponent(2.0, 200.0, sizes=(100, 1000))
    assert power == pytest.approx(2)
    assert expected(200.0, power, at=1000, images=10_000) == pytest.approx(20_000)
    assert breaking(200.0, power, at=1000, limit=20_000) == pytest.approx(10_000)
    assert breaking(200.0, power, at=1000, limit=100) == 1000  # already
    assert breaking(200.0, 0.0, at=1000, limit=20_000) == float("inf")


def test_the_first_step_that_breaks_is_named_with_its_reason() -> None:
    found: measure_scale.Table = {
        (HERE, "seeds", 100): Cost(0.1, 2**20), (HERE, "seeds", 1000): Cost(1.0, 2**20),
        (HERE, "estimate", 100): Cost(0.1, 2**20), (HERE, "estimate", 1000): Cost(0.1, 100 * 2**20),
    }  # fmt: skip
    said = report(found, [HERE], options())
    # Memory with the square: 1 GB at 1000 * sqrt(10.24); seconds would take 60,000 images.
    assert "at 3,200 images with 5 classes: estimate: more than 1,073,741,824 bytes" in said
    assert "| seeds | 0.1 s, 1 MB | 1.0 s, 1 MB | 1.0, 0.0 | 1,000.0 s, 1 MB |" in said
    assert "seeds: more than 60 seconds" in report(found, [HERE], options(limit_gb=1e9))


def test_a_step_that_failed_is_what_breaks_first() -> None:
    found: measure_scale.Table = {
        (HERE, "seeds", 100): Cost(0.1, 2**20), (HERE, "seeds", 1000): "failed: MemoryError",
        (HERE, "estimate", 100): Cost(0.1, 2**20), (HERE, "estimate", 1000): Cost(0.2, 2**20),
    }  # fmt: skip
    assert "at 1,000 images with 5 classes: seeds: failed: MemoryError" in report(
        found, [HERE], options()
    )


def test_a_process_that_fails_says_why() -> None:
    wrong = argparse.Namespace(classes=0, width=-1)
    said = measure_scale.run("seeds", 5, measure_scale.ROOT, Path("nowhere"), wrong)
    assert isinstance(said, str)
    assert said.startswith("failed: ")
    assert "Error" in said
