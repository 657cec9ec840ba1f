from __future__ import annotations

from typing import Any

import torch

from studio.coft.events import Monitor, Progress, SeedSet, Step, Warned
from studio.runs.records import STEP_INTERVAL_S, Recorder, kind_of
from studio.runs.run import Run
from tests.runs.conftest import Clock


def step(
    number: int, *, per_epoch: int = 10, epochs: int = 3, model: int = 0, phase: int = 1
) -> Step:
    epoch = (number - 1) // per_epoch + 1
    return Step(phase, model, number, per_epoch * epochs, epoch, epochs, 0.5, 0.1, {"l1": 0.25})


def written(run: Run, kind: str) -> list[dict[str, Any]]:
    return [event for event in run.events()[0] if event["kind"] == kind]


def test_kinds_are_snake_case():
    assert kind_of(SeedSet(torch.zeros(1), torch.zeros(1), (1,))) == "seed_set"


def test_scalars_stand_in_the_line_and_tensors_in_a_file(run: Run, clock: Clock):
    recorder = Recorder(run, clock=clock)
    monitor = Monitor(1, 2, 3, torch.tensor([4, 5]), torch.tensor([[0, 1], [1, 1]]), 0.5, 0.75)
    recorder.record(monitor)
    recorder.record(SeedSet(torch.tensor([7]), torch.tensor([1]), (0, 1)))
    (line,) = written(run, "monitor")
    assert (line["phase"], line["epoch"], line["agreement"]) == (1, 2, 0.5)
    assert "labels" not in line
    assert run.arrays(line["arrays"])["labels"].tolist() == [[0, 1], [1, 1]]
    assert written(run, "seed_set")[0]["per_class"] == [0, 1]


def test_quick_steps_are_thinned_out_but_every_epochs_ends_are_kept(run: Run, clock: Clock):
    recorder = Recorder(run, clock=clock)
    for number in range(1, 31):
        clock.now += STEP_INTERVAL_S / 100
        recorder.record(step(number))
    recorder.flush()
    assert [line["step"] for line in written(run, "step")] == [1, 10, 11, 20, 21, 30]
    assert written(run, "step")[0]["parts"] == {"l1": 0.25}


def test_slow_steps_are_all_kept(run: Run, clock: Clock):
    recorder = Recorder(run, clock=clock)
    for number in range(1, 6):
        clock.now += STEP_INTERVAL_S * 1.01
        recorder.record(step(number))
    assert [line["step"] for line in written(run, "step")] == [1, 2, 3, 4, 5]


def test_models_and_phases_are_thinned_out_each_for_itself(run: Run, clock: Clock):
    recorder = Recorder(run, clock=clock)
    for model in (0, 1):
        for number in (1, 2):
            recorder.record(step(number, model=model))
    recorder.record(step(1, phase=2))
    recorder.flush()
    steps = [(line["phase"], line["model"], line["step"]) for line in written(run, "step")]
    assert sorted(steps) == [(1, 0, 1), (1, 0, 2), (1, 1, 1), (1, 1, 2), (2, 0, 1)]


def test_a_step_held_back_is_written_before_what_follows_it(run: Run, clock: Clock):
    recorder = Recorder(run, clock=clock)
    recorder.record(step(1))
    recorder.record(step(2))
    recorder.record(Warned("epoch over"))
    lines = run.events()[0]
    assert [line["kind"] for line in lines] == ["step", "step", "warned"]


def test_of_progress_the_ends_of_a_stage_are_kept(run: Run, clock: Clock):
    recorder = Recorder(run, clock=clock)
    for stage in ("judging", "labelling"):
        for done in range(1, 101):
            recorder.record(Progress(stage, done, 100))
    kept = [(line["stage"], line["done"]) for line in written(run, "progress")]
    assert kept == [("judging", 1), ("judging", 100), ("labelling", 1), ("labelling", 100)]
