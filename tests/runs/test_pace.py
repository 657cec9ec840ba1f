from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.coft.events import Progress, Step, Warned, ZeroShot
from studio.runs.pace import (
    CHECKING,
    ENCODING,
    LABELLING,
    LEARNING,
    TRAINING,
    WEIGHTS,
    Pace,
    rounded,
    step_text,
    steps_of,
)
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


def test_a_stage_has_its_own_estimate(clock: Clock):
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


def test_a_model_that_has_not_begun_is_reckoned_with(clock: Clock):
    pace = Pace(last_phase=2, clock=clock)
    fields = pace.update(step(2, 0, 50))
    assert fields is not None
    assert fields["progress"]["total"] == 200


def test_the_steps_follow_from_the_method_and_its_settings():
    assert steps_of(2)[2:] == (LEARNING, CHECKING, TRAINING, LABELLING)
    assert steps_of(1)[2:] == (LEARNING, CHECKING, LABELLING)
    assert steps_of(None)[2:] == ("training", LABELLING)
    for last_phase in (2, 1, None):
        assert set(steps_of(last_phase)) <= set(WEIGHTS)
    assert sum(WEIGHTS[name] for name in steps_of(2)) == 100


def at(fields: dict[str, Any] | None) -> str:
    assert fields is not None
    return step_text(fields)


def test_a_run_says_in_plain_words_which_step_it_is_at(clock: Clock):
    pace = Pace(last_phase=2, clock=clock)
    assert at(pace.stage("loading the model")) == "step 1 of 6: reading images"
    assert at(pace.update(Progress("reading images", 1, 9))) == "step 1 of 6: reading images"
    assert at(pace.update(Progress("encoding images", 1, 9))) == "step 2 of 6: encoding images"
    more = pace.update(Progress("reading images for Phase II", 1, 9))
    assert at(more) == "step 2 of 6: encoding images", "it went back"
    third = "step 3 of 6: learning which labels are clean (Phase I)"
    assert at(pace.update(Progress("seed views", 1, 9))) == third
    assert at(pace.update(step(1, 0, 1))) == third
    assert at(pace.update(Progress("labelling together", 0, 9))) == third
    for model in (0, 1):
        pace.update(step(1, model, 100))
    assert at(pace.update(Progress("judging", 1, 9))) == "step 4 of 6: checking each other's labels"
    assert at(pace.update(step(2, 0, 1))) == "step 5 of 6: training the classifier (Phase II)"
    assert at(pace.update(Progress("labelling", 1, 9))) == "step 6 of 6: labelling all images"
    assert at(pace.stage("measuring on the test images")) == "step 6 of 6: labelling all images"
    assert step_text({"step_name": None}) == ""


def test_rounds_of_phase_one_are_one_step_with_the_checks_between_them(clock: Clock):
    pace = Pace(last_phase=2, clock=clock)
    for model in (0, 1):
        fields = pace.update(step(1, model, 50))  # the end of the first of two rounds
    fields = pace.update(Progress("judging", 9, 9))
    assert fields is not None
    assert fields["step_name"] == LEARNING
    for model in (0, 1):
        pace.update(step(1, model, 100))
    fields = pace.update(Progress("judging", 1, 9))
    assert fields is not None
    assert fields["step_name"] == CHECKING


def test_a_baseline_has_one_step_of_training(clock: Clock):
    pace = Pace(last_phase=None, models=1, clock=clock)
    for event, name in (
        (step(1, 0, 1), "training"), (Progress("judging", 1, 2), "training"),
        (step(2, 0, 1), "training"), (Progress("labelling", 1, 2), LABELLING),
        (step(2, 0, 2), LABELLING),
    ):  # fmt: skip
        fields = pace.update(event)
        assert fields is not None
        assert fields["step_name"] == name
        assert fields["steps"] == 4


def play(pace: Pace, clock: Clock, *, slower: float = 1.0) -> list[tuple[float, dict[str, Any]]]:
    """A whole run, each step as long as its weight says in seconds, times `slower`."""
    told = []

    def tell(event: Any) -> None:
        fields = pace.update(event)
        assert fields is not None
        told.append((clock.now, fields))

    for name, of in (("reading images", "reading images"), ("encoding images", ENCODING)):
        for done in range(1, 11):
            clock.now += slower * WEIGHTS[of] / 10
            tell(Progress(name, done, 10))
    for phase, of, stage, then in (
        (1, LEARNING, "judging", CHECKING), (2, TRAINING, "labelling", LABELLING)
    ):  # fmt: skip
        for number in range(1, 101):
            clock.now += slower * WEIGHTS[of] / 100
            for model in (0, 1):
                tell(step(phase, model, number))
        for done in range(1, 11):
            clock.now += slower * WEIGHTS[then] / 10
            tell(Progress(stage, done, 10))
    return told


@pytest.mark.parametrize("slower", [1.0, 7.0])
def test_the_end_of_the_whole_run_is_guessed_from_the_pace_so_far(clock: Clock, slower: float):
    began = clock.now
    told = play(Pace(last_phase=2, clock=clock), clock, slower=slower)
    whole = clock.now - began
    shares = [fields["fraction"] for _, fields in told]
    assert shares == sorted(shares), "a bar that went back"
    assert all(0 <= share <= 1 for share in shares)
    assert shares[-1] == 1
    guesses = [(now, f) for now, f in told if f["eta_seconds"] is not None and now > began + 5]
    assert len(guesses) > len(told) / 2
    for now, fields in guesses:
        left = began + whole - now
        assert fields["eta_seconds"] == pytest.approx(left, rel=0.35, abs=60)
        assert fields["fraction"] == pytest.approx((now - began) / whole, abs=0.12)


def test_what_came_from_the_cache_says_nothing_of_the_rest(clock: Clock):
    pace = Pace(last_phase=2, clock=clock)
    for stage in ("reading images", "encoding images"):
        for done in (1, 9):
            clock.now += 0.1
            fields = pace.update(Progress(stage, done, 9))
    assert fields is not None
    assert fields["eta_seconds"] is None
    for number in range(1, 11):
        clock.now += 1.0
        for model in (0, 1):
            fields = pace.update(step(1, model, number))
    assert fields is not None
    # 100 s of Phase I, 90 of them to come; what follows weighs 53 where that weighs 40.
    assert fields["eta_seconds"] == rounded(90 + 100 * 53 / 40)


def test_labelling_takes_as_long_as_checking_did(clock: Clock):
    pace = Pace(last_phase=2, clock=clock)
    for model in (0, 1):
        pace.update(step(1, model, 100))
    for done in (50, 100):
        clock.now += 150
        pace.update(Progress("judging", done, 100))
    fields = None
    for number in range(1, 41):
        for model in (0, 1):
            fields = pace.update(step(2, model, number))
        clock.now += 0.1
    assert fields is not None
    assert fields["stage_eta_seconds"] == pytest.approx(6, rel=0.1)
    assert fields["eta_seconds"] == rounded(6 + 300)


def test_a_guess_is_not_shown_as_if_it_were_exact():
    assert [rounded(s) for s in (0.2, 14, 47, 61, 100, 1799, 4000, 8000)] == [
        10, 10, 50, 60, 120, 1800, 3900, 7200
    ]  # fmt: skip


def test_the_rate_is_that_of_the_last_seconds(clock: Clock):
    pace = Pace(last_phase=None, clock=clock)
    fields = None
    for done in range(0, 600):
        clock.now += 0.1 if done < 300 else 0.5
        fields = pace.update(Progress("encoding", done, 1000))
    assert fields is not None
    assert fields["rate"] == pytest.approx(2, rel=0.05)


def test_a_method_with_one_model_is_not_waited_for_a_second(clock: Clock):
    fields = Pace(last_phase=None, models=1, clock=clock).update(step(1, 0, 50))
    assert fields is not None
    assert fields["progress"] == {"done": 50, "total": 100, "label": "steps"}
    fields = Pace(last_phase=None, clock=clock).update(step(1, 0, 50))
    assert fields is not None
    assert fields["progress"] == {"done": 50, "total": 200, "label": "steps"}
