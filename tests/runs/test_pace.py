from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.coft.events import Progress, SeedSet, Step, Warned, ZeroShot
from studio.runs.costs import TRAINED as TRAINED_PASSES
from studio.runs.costs import Costs
from studio.runs.pace import (
    CHECKING,
    LABELLING,
    LEARNING,
    TRAINING,
    WEIGHTS,
    Pace,
    rounded,
    step_text,
    steps_of,
)
from studio.settings import Settings
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
    assert steps_of(None, trains=False)[2:] == (LABELLING,)
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
    for stage in ("comparing names", "looking for images of none of the classes"):
        fields = Pace(last_phase=2).update(Progress(stage, 1, 9))
        assert fields is not None
        assert at(fields) == "step 2 of 6: encoding images", "nothing is learned yet"
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


RECORDED = Path(__file__).parent / "recorded"
"""Two whole runs of CoFT with the defaults on one CPU core, 1,110 pets and 224 paintings, with test
images: [seconds, stage or phase.model, done, total] of each event."""
Told = list[tuple[float, dict[str, Any]]]


def play(name: str, clock: Clock, *, cached: bool = False, slower: float = 1) -> tuple[Told, float]:
    """What is told (seconds, fields) during a recorded run, and how long that took.

    cached: decoded images and features were there already.
    """
    lines = json.loads((RECORDED / f"{name}.json").read_text())
    pace, told, skipped, before = Pace(last_phase=2, clock=clock), [], 0.0, 0.0
    began = clock.now
    for seconds, what, done, total in lines:
        if cached and what.startswith(("reading", "encoding")):
            skipped += seconds - before
        before = seconds
        clock.now = began + slower * (seconds - skipped)
        if what == "seeds":
            event: Any = SeedSet(torch.zeros(total), torch.zeros(total), ())
        elif what[1] == ".":
            event = step(int(what[0]), int(what[2]), done, steps=total)
        else:
            event = Progress(what, done, total)
        if what != "end" and (fields := pace.update(event)) is not None:
            told.append((clock.now - began, fields))
    return told, clock.now - began


@pytest.mark.parametrize("name", ["pets", "art"])
@pytest.mark.parametrize("how", [{}, {"cached": True}, {"slower": 7.0}, {"slower": 0.2}])
def test_the_time_left_is_told_within_a_factor_of_two(clock: Clock, name: str, how: dict[str, Any]):
    told, whole = play(name, clock, **how)
    late = [(now, fields["eta_seconds"]) for now, fields in told if now > 0.1 * whole]
    assert sum(eta is not None for _, eta in late) > 0.9 * len(late)
    for now, eta in late:
        if eta is not None and now < whole:
            left = whole - now
            near = left / 2 - 5 <= eta <= 2 * left + 10  # what is told is whole tens of seconds
            assert near, f"{eta} s left after {now:.0f} s of {whole:.0f}"
    early = [(whole - now, f["eta_seconds"]) for now, f in told if now <= 0.1 * whole]
    assert all(eta is None or left / 2 <= eta <= 2 * left for left, eta in early)


@pytest.mark.parametrize("name", ["pets", "art"])
def test_the_bar_is_where_the_run_is_and_never_goes_back(clock: Clock, name: str):
    told, whole = play(name, clock)
    shares = [fields["fraction"] for _, fields in told]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1, abs=0.1)
    assert max(abs(fields["fraction"] - now / whole) for now, fields in told) < 0.13


def test_nothing_is_told_while_it_may_be_wrong(clock: Clock):
    pace = Pace(last_phase=2, clock=clock)

    def tell(stage: str, seconds: float, images: int) -> float | None:
        pace.update(Progress(stage, images // 10, images))
        clock.now += seconds
        fields = pace.update(Progress(stage, images, images))
        assert fields is not None
        left: float | None = fields["eta_seconds"]
        return left

    # Decoding says nothing of what comes. Nor does encoding of few images: Phase I may take 3 or
    # 19 times as long. Of many images it is a small part.
    assert tell("reading images", 600, 300) is None
    assert tell("encoding images", 10, 300) is None
    pace = Pace(last_phase=2, clock=clock)
    assert tell("reading images", 600, 50_000) is None
    assert tell("encoding images", 1000, 50_000) is not None


def test_what_is_done_again_in_haste_says_nothing_of_the_rest(clock: Clock):
    pace = Pace(last_phase=2, models=1, clock=clock)
    pace.update(Progress("reading images", 500, 500))
    for number in range(1, 51):  # up to the checkpoint
        clock.now += 0.05
        pace.update(step(2, 0, number))
    pace.go_on()
    fields = None
    for number in range(51, 76):
        clock.now += 3
        fields = pace.update(step(2, 0, number))
    assert fields is not None
    # 25 of 100 steps took 75 s. They are 2.8 passes of an image, in two epochs; labelling is 1.8.
    assert fields["eta_seconds"] == rounded(75 + 300 * 1.8 / (2 * 2.8))


def test_each_round_is_timed_by_itself(clock: Clock):
    """All images are judged again after each; what lay between is no part of that."""
    pace, told = Pace(last_phase=2, models=1, clock=clock, settings=Settings(rounds=2)), []

    def stage(name: str, seconds: float) -> None:
        for done in range(0, 2001, 100):
            fields = pace.update(Progress(name, done, 2000))
            assert fields is not None
            told.append((clock.now, name, fields["eta_seconds"]))
            clock.now += seconds / 21

    stage("reading images", 5)
    stage("encoding images", 60)
    for first in (0, 50):
        stage("labelling together", 200)
        for number in range(1, 51):
            clock.now += 4
            pace.update(step(1, 0, first + number))
        stage("judging", 60)
    for number in range(1, 101):
        clock.now += 3.4
        pace.update(step(2, 0, number))
    stage("labelling", 108)
    for now, name, eta in told:
        if now > 400 and eta is not None:
            left = clock.now - now
            assert left / 2 - 10 <= eta <= 2 * left + 10, f"{eta} s left at {now:.0f} s, {name}"
    together = [eta for _, name, eta in told if name == "labelling together"][21:]
    assert together[3] - together[18] > 100, "what the stage itself still takes is left as well"


def test_a_baseline_tells_the_time_left_from_its_own_training(clock: Clock):
    pace = Pace(last_phase=None, models=1, clock=clock)
    fields = pace.update(Progress("encoding images", 100, 100))
    clock.now += 100
    fields = pace.update(Progress("encoding images", 100, 100))
    assert fields is not None
    assert fields["eta_seconds"] is None
    for number in range(1, 51):
        clock.now += 2
        fields = pace.update(step(1, 0, number))
    assert fields is not None
    assert 100 <= fields["eta_seconds"] <= 150


def test_what_trains_nothing_is_timed_by_its_labelling(clock: Clock):
    pace = Pace(last_phase=None, models=1, trains=False, clock=clock)
    pace.update(Progress("encoding images", 100, 100))
    fields = None
    for done in range(0, 60, 10):
        clock.now += 2
        fields = pace.update(Progress("labelling together", done, 100))
    assert fields is not None
    assert step_text(fields) == f"step 3 of 3: {LABELLING}"
    assert fields["eta_seconds"] == rounded(10)


def test_training_of_very_many_images_is_reckoned_with_as_it_will_be():
    """By what an epoch takes, and not by what there is."""
    large, cap = 1_281_167, 50_000
    costs = [Costs(Settings(), images=images) for images in (cap, large)]
    assert costs[0].phase2 == costs[1].phase2 == (2 * 2 * TRAINED_PASSES * cap,) * 2
    assert Costs(Settings(epoch_images=0), images=large).phase2[0] > 20 * costs[1].phase2[0]
    assert costs[1].judging[0] == pytest.approx(large / cap * costs[0].judging[0])
    of_seeds = [Costs(Settings(), seeds=seeds).phase1 for seeds in (cap, 2 * cap)]
    assert of_seeds[0] == of_seeds[1]


def test_a_guess_is_not_shown_as_if_it_were_exact():
    assert [rounded(s) for s in (0.2, 14, 47, 61, 104, 170, 1799, 4000, 8000)] == [
        10, 10, 50, 60, 100, 180, 1800, 3900, 7200
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
