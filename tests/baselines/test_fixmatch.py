"""FixMatch: what the student learns, and how slowly the teacher follows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from studio.baselines import fixmatch
from studio.clip.backbone import Backbone
from studio.coft.classifier import Tower
from studio.coft.events import Checkpoint, Event, Step
from studio.coft.task import Task
from studio.settings import Settings
from tests.baselines.conftest import QUICK, arguments, only
from tests.coft.conftest import Canvases


class Fixed(nn.Module):
    """A tower that says the same whatever it sees."""

    def __init__(self, probabilities: list[list[float]]) -> None:
        super().__init__()
        self.visual = nn.Identity()
        self.logits = torch.tensor(probabilities).log()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.logits


def run(backbone: Backbone, given: torch.Tensor | None = None, **changes: Any) -> list[Event]:
    settings = Settings(**QUICK | {"weight_decay": 0.0, "phase2_lr": 0.01} | changes)
    return list(
        fixmatch.fit(Task(**arguments(backbone, Canvases(30)), settings=settings, given=given))
    )


def test_a_label_is_learned_from_the_threshold_on_or_when_it_was_given() -> None:
    teacher = Fixed([[0.7, 0.3], [0.6, 0.4], [0.4, 0.6], [0.2, 0.8]])
    labels, accepted = fixmatch._labels(
        teacher, torch.zeros(4, 3, 2, 2), torch.tensor([-1, -1, 0, -2]), threshold=0.65
    )
    assert labels.tolist() == [0, 0, 0, 1]
    assert accepted.tolist() == [True, False, True, True]


def test_nothing_moves_when_no_label_reaches_the_threshold(vit: Backbone) -> None:
    events = run(vit, fixmatch_threshold=1.0, fixmatch_momentum=0.0)
    assert all(event.loss == 0 for event in events if isinstance(event, Step))
    shipped = only(events, Checkpoint).tensors
    for name, tensor in vit.visual.state_dict().items():
        if f"models.0.visual.{name}" in shipped:
            assert torch.equal(shipped[f"models.0.visual.{name}"], tensor), name
    given = torch.full((30,), -1)
    given[2] = 0
    moved = only(run(vit, given, fixmatch_threshold=1.0, fixmatch_momentum=0.0), Checkpoint)
    assert any(not torch.equal(tensor, shipped[name]) for name, tensor in moved.tensors.items())


def test_the_loss_is_a_mean_over_all_images_not_only_the_learned_ones(vit: Backbone) -> None:
    given = torch.full((30,), -1)
    given[2] = 0
    changes = {"phase2_batch": 30, "fixmatch_threshold": 1.0, "phase2_lr": 1e-30}
    first = next(event for event in run(vit, given, **changes) if isinstance(event, Step))
    given[:] = 0
    every = next(event for event in run(vit, given, **changes) if isinstance(event, Step))
    assert 0 < first.loss < every.loss / 5


def test_the_shipped_teacher_is_a_mean_of_students_that_forgets_as_set(
    vit: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    students: list[torch.Tensor] = []
    real = fixmatch._train

    def noted(task: Any, student: Tower, teacher: Tower, epochs: int, *learned: Any) -> Any:
        assert epochs == 2  # twice Phase II's
        students[:] = [student.head.weight.detach().clone()]
        for event in real(task, student, teacher, epochs, *learned):
            if isinstance(event, Step):
                students.append(student.head.weight.detach().clone())
            yield event

    monkeypatch.setattr(fixmatch, "_train", noted)

    def shipped(momentum: float) -> torch.Tensor:
        return only(run(vit, fixmatch_momentum=momentum), Checkpoint).tensors[
            "models.0.head.weight"
        ]

    torch.testing.assert_close(shipped(1.0), torch.stack(students).mean(0))
    assert len(students) == 5
    assert not torch.allclose(students[0], students[-1])
    assert torch.equal(shipped(0.0), students[-1])
    half = students[0]
    for student in students[1:]:
        half = half.lerp(student, 0.5)
    torch.testing.assert_close(shipped(0.5), half)


def test_it_starts_from_the_class_texts_whatever_head_is_set(vit: Backbone) -> None:
    made = arguments(vit, Canvases(30))
    heads = []
    for head in ("random", "text"):
        settings = Settings(**QUICK | {"head_init": head, "phase2_lr": 1e-30, "weight_decay": 0.0})
        (shipped,) = [
            e for e in fixmatch.fit(Task(**made, settings=settings)) if isinstance(e, Checkpoint)
        ]
        heads.append(shipped.tensors["models.0.head.weight"])
    assert torch.equal(*heads)
