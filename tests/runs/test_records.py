from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
import torch

import studio.coft.events as e
from studio.coft.events import Monitor, Progress, SeedSet, Step, Warned
from studio.errors import RunError
from studio.runs.measured import Combined
from studio.runs.records import STEP_INTERVAL_S, Recorder, decode, kind_of
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


L, P = torch.tensor([[0, 1], [1, 1]]), torch.tensor([[0.25, 0.5], [0.75, 1.0]])
EVENTS = [
    Progress("judging", 1, 9),
    Warned("few seeds"),
    e.ZeroShot(L[0], P[0]),
    SeedSet(L[0], L[1], (1, 1), 2, 0),
    SeedSet(L[0], L[1], (1, 1)),
    Step(1, 0, 3, 9, 1, 3, 0.5, 0.1, {"l1": 0.25}),
    Monitor(2, 1, 3, L[0], L, 0.5, 0.75),
    e.Judged(L, P, P, P > 0.5, P, 2),
    e.Checkpoint("classifier", {"models.0.a": P, "models.1.b": L}, {"kind": "x"}),
    e.Checkpoint("phase1", {"models.0.a": P}, {}),
    e.Finished(L[0], P[0], P[0], L, P, P[0] > 0.3, L, P, "phase2", True),
]


@pytest.mark.parametrize("event", EVENTS, ids=[kind_of(event) for event in EVENTS])
def test_what_was_recorded_is_read_back(event: Any, run: Run, clock: Clock):
    """Each event of a fit, field by field: one that got lost or changed would be seen here."""
    recorder = Recorder(run, clock=clock)
    recorder.record(event)
    recorder.flush()
    (line,) = written(run, kind_of(event))
    again = decode(line, run=run)
    assert isinstance(again, type(event))
    for field in dataclasses.fields(event):
        before, after = getattr(event, field.name), getattr(again, field.name)
        if isinstance(before, torch.Tensor):
            assert torch.equal(before, after)
        elif field.name == "tensors":
            assert before.keys() == after.keys()
            assert all(torch.equal(before[name], after[name]) for name in before)
        else:
            assert after == before


def test_what_is_no_number_in_json_comes_back_as_such(run: Run, clock: Clock):
    recorder = Recorder(run, clock=clock)
    recorder.record(dataclasses.replace(step(1), loss=float("nan")))
    (line,) = written(run, "step")
    assert line["loss"] is None
    assert decode(line).loss != decode(line).loss


def test_tensors_that_are_not_there_are_an_error_that_says_so(run: Run):
    Recorder(run).write("combined", {}, {"score": P[0]})
    (line,) = written(run, "combined")
    assert torch.equal(decode(line, run=run).score, P[0])
    assert isinstance(decode(line), Combined)
    with pytest.raises(RunError, match="kind combined has no score"):
        decode(line).score  # noqa: B018


def test_events_are_read_without_torch():
    code = (
        "import sys; from studio.runs.records import decode; "
        "print(decode({'kind': 'progress', 'stage': 'x', 'done': 1, 'total': 2}).done, "
        "'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]
