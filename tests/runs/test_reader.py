from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from studio.runs.files import write_json
from studio.runs.store import Run, RunStore
from studio.runs.reader import RunReader

N = 6


@pytest.fixture
def run(tmp_path: Path) -> Run:
    store = RunStore(tmp_path / "runs")
    made = store.create(
        name="photos", method="coft", model="embedded", folder="/photos", class_names=("a", "b")
    )
    images = {"root": "/photos", "images": [f"{i}.jpg" for i in range(N)], "refused": []}
    write_json(made.path / "images.json", images)
    return made


def say(run: Run, kind: str, stage: str | None = None, **tensors: torch.Tensor) -> None:
    line = {"kind": kind, "arrays": run.write_arrays(kind, tensors)}
    run.append(line if stage is None else {**line, "stage": stage})


def zero_shot(run: Run) -> None:
    labels, confidence = torch.zeros(N, dtype=torch.int64), torch.linspace(0.1, 0.9, N)
    say(run, "zero_shot", labels=labels, confidence=confidence)


def judged(run: Run) -> None:
    labels = torch.stack([torch.zeros(N), torch.ones(N)]).long()
    clean = torch.stack([torch.full((N,), 0.2), torch.full((N,), 0.7)])
    say(
        run, "judged", labels=labels, clean_probability=clean, clean=clean > 0.5,
        own_clean_probability=clean, confidence=clean,
    )  # fmt: skip


def finished(run: Run, stage: str) -> None:
    labels = torch.arange(N) % 2
    share = torch.full((N,), 0.6)
    say(
        run, "finished", stage, labels=labels, confidence=share, clean_probability=share,
        clean=share > 0.5, model_labels=labels.expand(2, -1), top_labels=labels[:, None],
        model_clean_probability=share.expand(2, -1), top_probabilities=share[:, None],
    )  # fmt: skip


def test_the_labels_of_each_stage_come_as_far_as_there_are_any(run: Run) -> None:
    reader = RunReader(run)
    assert reader.outcomes() == {}
    seen = []
    for step in (zero_shot, judged, lambda r: finished(r, "phase2")):
        step(run)
        reader.refresh()
        seen.append(list(reader.outcomes()))
    assert seen == [["zero-shot"], ["zero-shot", "phase1"], ["zero-shot", "phase1", "final"]]
    first, second, last = reader.outcomes().values()
    assert first.labels.tolist() == [0] * N
    assert second.labels.tolist() == [1] * N  # of the model that is believed more
    assert last.labels.tolist() == [0, 1] * 3
    assert [o.paths for o in (first, second)] == [last.paths] * 2


def test_before_training_the_probability_of_the_label_stands_for_how_clean_it_is(run: Run) -> None:
    zero_shot(run)
    reader = RunReader(run)
    reader.refresh()
    outcome = reader.outcomes()["zero-shot"]
    assert np.array_equal(outcome.clean_probability, outcome.confidence)
    assert outcome.clean.tolist() == [False] * 3 + [True] * 3
    assert not outcome.disagree.any()
    assert reader.outcome() is None  # nothing was judged yet


@pytest.mark.parametrize("stage", ["zero-shot", "phase1"])
def test_a_run_that_ended_early_has_no_final_stage(run: Run, stage: str) -> None:
    zero_shot(run)
    finished(run, stage)
    reader = RunReader(run)
    reader.refresh()
    outcomes = reader.outcomes()
    assert "final" not in outcomes
    assert list(outcomes)[-1] == stage
    assert outcomes[stage].top_labels.shape == (N, 1)  # what the end said, not the beginning


def test_truth_is_in_all_stages_when_it_is_as_long_as_the_run(run: Run) -> None:
    zero_shot(run)
    judged(run)
    reader = RunReader(run)
    reader.refresh()
    truth = np.arange(N) - 1
    assert all(o.truth is truth for o in reader.outcomes(truth=truth).values())
    assert all(o.truth is None for o in reader.outcomes(truth=truth[:-1]).values())
    assert all(o.truth is None for o in reader.outcomes().values())


def test_the_mark_changes_with_the_labels(run: Run) -> None:
    reader = RunReader(run)
    marks = [reader.mark]
    for step in (zero_shot, judged, judged):
        step(run)
        reader.refresh()
        marks.append(reader.mark)
    assert len(set(marks)) == 4
