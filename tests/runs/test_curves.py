from __future__ import annotations

from typing import Any

import pytest

from studio.runs.curves import Curves
from studio.runs.records import decode


def step(phase: int, model: int, number: int, loss: float, epoch: int = 1) -> dict[str, Any]:
    return {
        "kind": "step", "phase": phase, "model": model, "step": number, "steps": 10,
        "epoch": epoch, "epochs": 2, "loss": loss, "learning_rate": 0.1,
    }  # fmt: skip


def monitor(phase: int, epoch: int, agreement: float, clean: float) -> dict[str, Any]:
    return {
        "kind": "monitor", "phase": phase, "epoch": epoch, "epochs": 2,
        "agreement": agreement, "clean_fraction": clean,
    }  # fmt: skip


def score(stage: str, accuracy: float | None, **more: Any) -> dict[str, Any]:
    return {"kind": "score", "stage": stage, "accuracy": accuracy, **more}


def collect(*events: dict[str, Any]) -> Curves:
    curves = Curves(run="a")
    for event in events:
        curves.add(decode(event))
    return curves


WHOLE = [
    score("zero-shot", 0.5),
    score("seed", 0.9),
    step(1, 0, 1, 4.0), step(1, 1, 1, 5.0), step(1, 0, 2, 3.0, 2), step(1, 1, 2, 3.5, 2),
    monitor(1, 1, 0.6, 0.7), monitor(1, 2, 0.8, 0.75),
    score("judged", 0.6, clean_precision=0.8),
    step(2, 0, 1, 2.0), step(2, 1, 1, 1.0),
    monitor(2, 1, 0.9, 0.75), score("monitor", 0.65, phase=2, epoch=1),
    score("finished", 0.7, clean_precision=0.9),
]  # fmt: skip


def estimate(stage: str, accuracy: float, **more: Any) -> dict[str, Any]:
    ends = {"low": accuracy - 0.1, "high": accuracy + 0.1, "source": "so"}
    return {"kind": "estimate", "stage": stage, "accuracy": accuracy, "z": 4.0, **ends, **more}


ESTIMATED = [
    estimate("zero-shot", 0.5),
    monitor(1, 1, 0.6, 0.7), estimate("monitor", 0.6, phase=1, epoch=1),
    estimate("judged", 0.62),
    monitor(2, 1, 0.9, 0.75), estimate("monitor", 0.7, phase=2, epoch=1),
    estimate("finished", 0.8), estimate("clean", 0.9),  # the last of some of the labels only
]  # fmt: skip
"""As a folder without truth has them."""


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "step"}, {"kind": "step", "phase": "x"}, {}, {"kind": ["step"]},
        {"kind": "monitor", "phase": 1, "epoch": 1, "epochs": 2, "agreement": "much"},
        {"kind": "score", "accuracy": {}}, step(1, 0, 1, float("nan")), {"kind": "later version"},
    ],
)  # fmt: skip
def test_lines_that_make_no_sense_are_passed_over(line: dict[str, Any]) -> None:
    curves = collect(line)
    assert (curves.loss, curves.scores, curves.epochs) == ({}, [], [])
    assert curves.seen == 1


def test_estimates_stand_at_their_epochs() -> None:
    curves = collect(*ESTIMATED)
    found = [(point.place, point.found.estimate.accuracy) for point in curves.estimates]
    assert found == [(0.0, 0.5), (1.0, 0.6), (1.0, 0.62), (3.0, 0.7), (3.0, 0.8)]
    assert [point.found.stage for point in curves.estimates][:2] == ["zero-shot", "monitor"]
