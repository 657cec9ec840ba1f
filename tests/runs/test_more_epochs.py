"""Why a run counts more epochs than its settings say."""

from __future__ import annotations

from typing import Any

import pytest

from studio.coft.events import Step
from studio.runs.more_epochs import more_epochs
from studio.settings import Settings


def step(*, phase: int = 1, model: int = 0, number: int = 1, epochs: int, each: int = 2) -> Step:
    return Step(phase, model, number, epochs * each, 1, epochs, 0.5, 0.1)


def test_whoever_set_the_epochs_is_told_why_there_are_more():
    told = more_epochs(step(epochs=30), Settings(phase1_epochs=2))
    assert "30 epochs, not 2 (phase1_epochs)" in told
    assert "an epoch is 2 steps, and it makes at least 60" in told
    assert "phase1_min_steps=0" in told
    assert "1 step," in more_epochs(step(epochs=60, each=1), Settings(phase1_epochs=2))


@pytest.mark.parametrize(
    ("event", "settings"),
    [
        (step(epochs=30), {}),  # nobody has set another number
        (step(epochs=40), {"phase1_epochs": 40}),
        (step(epochs=2), {"phase1_epochs": 2, "phase1_min_steps": 0}),
        (step(epochs=30, number=2), {"phase1_epochs": 2}),
        (step(epochs=30, model=1), {"phase1_epochs": 2}),
        (step(epochs=30, phase=2), {"phase1_epochs": 2}),
        (step(epochs=10, each=30), {"phase1_epochs": 2}),  # five trainings of two epochs
    ],
)
def test_nothing_is_said_twice_or_without_need(event: Step, settings: dict[str, Any]):
    assert more_epochs(event, Settings(**settings)) == ""
