"""Phase II on other labels: which ones, and the upper bound that needs given ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.baselines import self_training
from studio.clip.backbone import Backbone
from studio.coft.events import Checkpoint, Finished, SeedSet, Step, Warned
from studio.coft.fit import fit as coft_fit
from studio.coft.given import REJECTED, UNKNOWN
from studio.coft.judge import TrainingSet
from studio.coft.task import Task
from studio.errors import RunError
from studio.settings import Settings
from tests.baselines.conftest import QUICK, arguments, only
from tests.coft.conftest import Canvases

Data = list[TrainingSet]


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> Data:
    """What the towers are trained on, filled by a run."""
    noted: Data = []
    real = self_training.fine_tune

    def fine_tune(task: Task, **options: Any) -> Any:
        noted.extend(options["data"])
        return real(task, **options)

    monkeypatch.setattr(self_training, "fine_tune", fine_tune)
    return noted


def test_all_zero_shot_labels_are_learned_by_both_towers(vit: Backbone, trained_on: Data) -> None:
    made = arguments(vit, Canvases(30), noise=1.0)
    events = list(self_training.fit(Task(**made, settings=Settings(**QUICK))))
    assert len(trained_on) == 2
    for indices, labels, weights in trained_on:
        assert (weights == 1).all()
        assert indices.tolist() == list(range(30))
        assert torch.equal(labels, events[0].labels)
    assert {step.phase for step in events if isinstance(step, Step)} == {2}
    assert only(events, Checkpoint).meta["models"] == 2
    assert only(events, Finished).stage == "phase2"


def test_the_seeds_are_those_of_coft(vit: Backbone, trained_on: Data) -> None:
    made = arguments(vit, Canvases(30), noise=1.0)
    settings = Settings(**QUICK | {"prior_correction": 0.5, "seed_selection": "argmax_topk"})
    list(self_training.fit_seeds(Task(**made, settings=settings)))
    of_coft = next(e for e in coft_fit(Task(**made, settings=settings)) if isinstance(e, SeedSet))
    for indices, labels, weights in trained_on:
        assert (weights == 1).all()
        assert torch.equal(indices, of_coft.indices)
        assert torch.equal(labels, of_coft.labels)


def test_fine_tuning_is_that_of_coft_when_the_labels_are(vit: Backbone) -> None:
    made, given = arguments(vit, Canvases(30)), torch.arange(30) % 3
    settings = Settings(**QUICK | {"monitor_images": 0})
    of_coft = list(coft_fit(Task(**made, settings=settings, given=given)))
    supervised = list(self_training.fit_supervised(Task(**made, settings=settings, given=given)))
    ours, theirs = (
        next(e for e in events if isinstance(e, Checkpoint) and e.name == "classifier").tensors
        for events in (supervised, of_coft)
    )
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_supervised_learns_what_is_given_and_nothing_else(vit: Backbone, trained_on: Data) -> None:
    given = torch.full((30,), UNKNOWN)
    given[:6] = torch.tensor([2, 2, 1, 1, 2, 1])
    given[9] = REJECTED
    made = arguments(vit, Canvases(30))
    events = list(
        self_training.fit_supervised(Task(**made, settings=Settings(**QUICK), given=given))
    )
    for indices, labels, weights in trained_on:
        assert (weights == 1).all()
        assert indices.tolist() == list(range(6))
        assert torch.equal(labels, given[:6])
    assert "1 class of 3 has no given label" in only(events, Warned).message


@pytest.mark.parametrize("given", [None, [UNKNOWN] * 30, [REJECTED] * 30])
def test_supervised_refuses_to_work_without_given_labels(
    vit: Backbone, given: list[int] | None
) -> None:
    labels = None if given is None else torch.tensor(given)
    work = self_training.fit_supervised(
        Task(**arguments(vit, Canvases(30)), settings=Settings(**QUICK), given=labels)
    )
    with pytest.raises(RunError, match="--corrections FILE"):
        next(work)


def test_without_phase_two_there_is_only_zero_shot(vit: Backbone) -> None:
    made = arguments(vit, Canvases(30))
    settings = Settings(**QUICK | {"phase2_epochs": 0})
    finished = only(list(self_training.fit(Task(**made, settings=settings))), Finished)
    assert finished.stage == "zero-shot"
