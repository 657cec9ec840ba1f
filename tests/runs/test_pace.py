from __future__ import annotations

import pytest
import torch

from studio.coft.events import Progress, Step, Warned, ZeroShot
from studio.runs.pace import Pace
from tests.runs.conftest import Clock


def step(phase: int, model: int, number: int, *, steps: int = 100) -> Step:
    return Step(phase, model, number, steps, 1, 1, 0.5, 0.1)


def test_events_without_progress_change_nothing(clock: Clock):
    pace = Pace(last_phase=2, clock=clock)
    assert pace.update(Warned("x")) is None
    assert pace.update(ZeroShot(torch.zeros(1), torch.zeros(1))) is None


def test_no_rate_is_told_from_the_first_moments(clock: Clock):
    pace = Pace(last_phase=2, clock=clock)
    fields = pace.update(Progress("judging", 1, 1000))
    clock.now += 0.5
    fields = pace.update(Progress("judging", 500, 1000))
    assert fields is not None
    assert fields["rate"] is None
    assert fields["progress"] == {"done": 500, "total": 1000, "label": "images"}


def test_the_stage_has_an_estimate_before_the_run_has(clock: Clock):
    pace = Pace(last_phase=2, clock=clock)
    fields = None
    for number in range(1, 41):
        for model in (0, 1):
            clock.now += 0.1
            fields = pace.update(step(1, model, number))
    assert fields is not None
    assert fields["progress"] == {"done": 80, "total": 200, "label": "steps"}
    assert fields["rate"] == pytest.approx(10)
    assert fields["stage_eta_seconds"] == pytest.approx(12)
    assert fields["eta_seconds"] is None


def test_a_model_that_has_not_begun_is_reckoned_with(clock: Clock):
    pace = Pace(last_phase=2, clock=clock)
    fields = pace.update(step(2, 0, 50))
    assert fields is not None
    assert fields["progress"]["total"] == 200


def test_the_last_phase_tells_the_end_with_the_labelling_that_follows(clock: Clock):
    pace = Pace(last_phase=2, clock=clock)
    pace.update(step(1, 0, 100))
    for done in (50, 100):
        clock.now += 15
        pace.update(Progress("judging", done, 100))
    fields = None
    for number in range(1, 41):
        fields = pace.update(step(2, 0, number))
        clock.now += 0.1
    assert fields is not None
    assert fields["stage_eta_seconds"] == pytest.approx(16)
    assert fields["eta_seconds"] == pytest.approx(16 + 30)


def test_the_rate_is_that_of_the_last_seconds(clock: Clock):
    pace = Pace(last_phase=None, clock=clock)
    fields = None
    for done in range(0, 600):
        clock.now += 0.1 if done < 300 else 0.5
        fields = pace.update(Progress("encoding", done, 1000))
    assert fields is not None
    assert fields["rate"] == pytest.approx(2, rel=0.05)
    assert fields["eta_seconds"] is None


def test_a_method_with_one_model_is_not_waited_for_a_second(clock: Clock):
    fields = Pace(last_phase=None, models=1, clock=clock).update(step(1, 0, 50))
    assert fields is not None
    assert fields["progress"] == {"done": 50, "total": 100, "label": "steps"}
    fields = Pace(last_phase=None, clock=clock).update(step(1, 0, 50))
    assert fields is not None
    assert fields["progress"] == {"done": 50, "total": 200, "label": "steps"}
