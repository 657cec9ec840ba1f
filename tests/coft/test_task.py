"""The argument of all methods."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.clip.backbone import Backbone
from studio.coft.given import NO_SEED, NONE, REJECTED, UNKNOWN
from studio.coft.start import ZeroShotStart
from studio.coft.student import Student
from studio.coft.task import Task
from studio.errors import FolderError
from studio.settings import Settings
from tests.coft.conftest import NAMES, Canvases, Inputs, random_task


def task_of(backbone: Backbone, count: int, **more: Any) -> Task:
    features = torch.randn(count, 16, generator=torch.Generator().manual_seed(1))
    vectors = torch.randn(3, 16, generator=torch.Generator().manual_seed(2))
    return Task(
        backbone=backbone, images=Canvases(count), features=features, class_vectors=vectors,
        class_names=NAMES, settings=Settings(monitor_images=4), **more,
    )  # fmt: skip


def test_given_labels_stand_among_a_methods_own_and_rejected_images_are_left_out(
    vit: Backbone,
) -> None:
    given = torch.full((6,), UNKNOWN)
    given[1], given[4] = 2, REJECTED
    task = task_of(vit, 6, given=given)
    indices, labels = task.labelled(torch.zeros(6, dtype=torch.int64))
    assert indices.tolist() == [0, 1, 2, 3, 5]
    assert labels.tolist() == [0, 2, 0, 0, 0]
    assert task.pool.tolist() == [0, 1, 2, 3, 5]


def test_without_labels_of_others_there_are_none_and_wrong_ones_are_refused(vit: Backbone) -> None:
    task = task_of(vit, 6)
    assert task.given.tolist() == task.claims.tolist() == [UNKNOWN] * 6
    assert task.pool.tolist() == list(range(6))
    for name in ("given", "judged", "claims"):
        with pytest.raises(ValueError, match="6 images"):
            task_of(vit, 6, **{name: torch.zeros(5, dtype=torch.int64)})


def test_a_judges_answers_are_evidence_where_no_person_spoke(vit: Backbone) -> None:
    given = torch.tensor([2, REJECTED, UNKNOWN, UNKNOWN, UNKNOWN])
    judged = torch.tensor([1, 1, 1, NONE, UNKNOWN])
    task = task_of(vit, 5, given=given, judged=judged, trust=torch.tensor([1, 0, 0.5, 0.3, 1]))
    assert task.given.tolist() == [2, REJECTED, UNKNOWN, NO_SEED, UNKNOWN], "an order was taken"
    assert task.evidence.labels.tolist() == [2, REJECTED, 1, NONE, UNKNOWN]
    assert task.evidence.trust.tolist() == pytest.approx([1, 0, 0.5, 0.3, 1])
    assert task_of(vit, 5, judged=judged, trust=0.7).evidence.trust.tolist() == pytest.approx(
        [0.7] * 5
    )


def test_a_task_needs_two_classes(vit: Backbone) -> None:
    with pytest.raises(FolderError, match="two classes"):
        Task(
            backbone=vit, images=Canvases(6), features=torch.zeros(6, 16), settings=Settings(),
            class_vectors=torch.zeros(1, 16), class_names=NAMES[:1],
        )  # fmt: skip


def test_a_task_costs_nothing_until_something_is_asked_of_it(
    vit: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = ZeroShotStart.of, []

    def counted(*args: Any) -> ZeroShotStart:
        calls.append(1)
        return real(*args)

    monkeypatch.setattr(ZeroShotStart, "of", counted)
    task = random_task(vit, Canvases(6))
    assert not task.images.calls
    other = task.with_settings(seed=3)
    assert calls == []
    assert task.start is task.start
    assert task.space.scale == vit.logit_scale
    assert other.start is other.start
    assert len(calls) == 2  # each once


def test_other_settings_leave_the_task_as_it_was(vit: Backbone) -> None:
    task = task_of(vit, 30)
    before, start = task.monitor, task.start
    other = task.with_settings(seed=5, monitor_images=7)
    assert (task.settings.seed, task.settings.monitor_images) == (0, 4)
    assert len(other.monitor) == 7
    assert torch.equal(task.monitor, before)
    assert other.start is start
    assert (task.anchor, task.with_settings(anchor=3.0).anchor) == (Settings().anchor, 3.0)
    assert before.tolist() == sorted(set(before.tolist()))


def test_phase_two_fine_tunes_the_backbone_or_the_model_that_was_named(
    vit: Backbone, convnet: Backbone, inputs: Inputs
) -> None:
    task = task_of(vit, 6)
    assert task.student.backbone is vit
    assert task.student.features is task.features
    images = Canvases(6)
    arguments = inputs(convnet, images)
    student = Student(convnet, images, arguments["features"], arguments["class_vectors"])
    assert task_of(vit, 6, student=student).student is student
