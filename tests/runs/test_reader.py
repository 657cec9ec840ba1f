from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.files import write_json
from studio.runs.corrections import Corrections
from studio.runs.reader import RunReader
from studio.runs.store import Run, RunStore

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
    run.append(line if stage is None else {**line, "stage": stage, "stopped": False})


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


def read(run: Run) -> RunReader:
    reader = RunReader(run)
    reader.refresh()
    return reader


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
    assert second.labels.tolist() == [1] * N  # of the model that the other one judges better
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


def test_truth_is_that_of_the_runs_own_names_and_aliases(tmp_path: Path) -> None:
    made = RunStore(tmp_path / "runs").create(
        name="x", method="coft", model="embedded", folder="/photos", class_names=("cat", "dog"),
        aliases={"hund": "dog", "old name": "gone"},
    )  # fmt: skip
    paths = ["hund/1.jpg", "cat/2.jpg", "else/3.jpg", "old name/4.jpg", "5.jpg", "Dog/6.jpg"]
    write_json(made.path / "images.json", {"root": "/photos", "images": paths, "refused": []})
    zero_shot(made)
    judged(made)
    assert [o.truth for o in read(made).outcomes().values()] == [None, None]  # it is not known
    made.update_info(truth_known=True)
    for outcome in read(made).outcomes().values():
        assert outcome.truth is not None
        assert outcome.truth.tolist() == [1, 0, -1, -1, -1, 1]
    made.update_info(class_names=["fish", "bird"])
    assert read(made).outcomes()["phase1"].truth is None


def test_what_people_said_is_in_the_outcome_and_applied_on_demand(run: Run) -> None:
    finished(run, "phase2")
    reader = read(run)
    outcome = reader.outcome()
    assert outcome is not None
    assert outcome.final_labels is outcome.labels
    assert reader.latest("judged") is None
    assert reader.latest("finished").labels.tolist() == [0, 1] * 3
    assert reader.outcome() is outcome, "made anew without need"
    before = reader.mark
    said = Corrections.of(run)
    said.add("relabelled", {"0.jpg": "b"})
    said.add("accepted", {"1.jpg": "b"})
    said.add("rejected", {"2.jpg": ""})
    corrected = reader.outcome()
    assert corrected is not None
    assert reader.mark != before
    assert corrected.labels.tolist() == [0, 1] * 3  # the models' own stay
    assert corrected.final_labels.tolist() == [1, 1, 0, 1, 0, 1]
    assert corrected.clean.all()
    assert corrected.final_clean.tolist() == [True, True, False, True, True, True]
    assert corrected.clean_share == outcome.clean_share == 1.0
    assert set(corrected.corrections) == {"0.jpg", "1.jpg", "2.jpg"}
    assert corrected.final_labels is corrected.final_labels


def test_a_label_that_one_model_has_clean_is_taken_from_it(run: Run) -> None:
    """A filter may find the label noisy that is judged better; the image has a clean one."""
    labels = torch.tensor([[0] * N, [1] * N])
    probability = torch.tensor([[0.9] * N, [0.6] * N])
    clean = torch.tensor([[False] * N, [True] * 3 + [False] * 3])
    say(
        run, "judged", labels=labels, clean_probability=probability, clean=clean,
        own_clean_probability=probability, confidence=probability,
    )  # fmt: skip
    outcome = read(run).outcome()
    assert outcome is not None
    assert outcome.labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert outcome.clean_share == 0.5


def test_everything_a_run_says_is_read_once_and_by_any_number_of_threads(run: Run) -> None:
    judged(run)
    for n in range(200):
        run.append({"kind": "warned", "message": str(n)})
    run.append({"kind": "score", "stage": "judged", "accuracy": 0.5, "round": 1})
    run.append({"kind": "estimate", "stage": "zero-shot", "accuracy": 0.5, "low": 0.4, "high": 1.0})
    run.append({"kind": "knowledge", "level": "doubtful", "sentence": "s", "numbers": {"z": 2.5}})
    reader, seen = RunReader(run), []

    def work() -> None:
        reader.refresh()
        seen.append(reader.outcome())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reader.warnings == [str(n) for n in range(200)]
    assert len({id(outcome) for outcome in seen}) == 1
    assert [score.get("accuracy") for score in reader.scores] == [0.5]
    assert reader.estimates["zero-shot"].text() == "about 50 % (40 to 100 %)"
    assert reader.knowledge is not None
    assert reader.knowledge.numbers["z"] == 2.5


def test_tensors_are_read_when_they_are_asked_for(run: Run, monkeypatch: Any) -> None:
    judged(run)
    finished(run, "phase2")
    opened: list[str] = []
    arrays = Run.arrays
    monkeypatch.setattr(Run, "arrays", lambda self, name: opened.append(name) or arrays(self, name))
    reader = read(run)
    assert opened == []
    reader.outcome()
    reader.outcome()
    assert opened == ["arrays/finished-0000.safetensors"]


def test_labels_of_an_old_run_are_read(run: Run) -> None:
    share = torch.full((N,), 0.6)
    labels = torch.zeros(N, dtype=torch.int64)
    say(
        run, "finished", "phase2", labels=labels, confidence=share, clean_probability=share,
        kept=share > 0.5, model_labels=labels.expand(2, -1), top_labels=labels[:, None],
        model_clean_probability=share.expand(2, -1), top_probabilities=share[:, None],
    )  # fmt: skip
    outcome = read(run).final()
    assert outcome is not None
    assert outcome.clean.all()


def test_the_mark_changes_with_the_labels(run: Run) -> None:
    reader = RunReader(run)
    marks = [reader.mark]
    for step in (zero_shot, judged, judged):
        step(run)
        reader.refresh()
        marks.append(reader.mark)
    assert len(set(marks)) == 4


def test_a_run_that_was_renamed_is_called_so(run: Run) -> None:
    reader = read(run)
    run.rename("second try")
    reader.refresh()
    assert reader.info.name == "second try"
