"""Learning a text context on a frozen model."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from studio.baselines.contexts import Count, FrozenViews, learn_context
from studio.clip.backbone import Backbone
from studio.coft.events import Monitor, Progress, Step
from studio.coft.prompts import PromptTemplate
from tests.baselines.conftest import task_of
from tests.coft.conftest import NAMES, Canvases, drained


def test_views_are_made_once_and_only_of_the_images_asked_for(convnet: Backbone) -> None:
    images = Canvases(12)
    views = FrozenViews(task_of(convnet, images, phase1_views=2))
    done = list(views.prepare(torch.tensor([3, 5])))
    assert [event.done for event in done if isinstance(event, Progress)] == [2, 4]
    assert images.calls == [3, 5, 3, 5]
    list(views.prepare(torch.tensor([5, 3, 7])))
    assert images.calls == [3, 5, 3, 5, 7, 7]
    draw = torch.Generator().manual_seed(0)
    picked = torch.stack([views.pick(torch.tensor([3, 7]), draw) for _ in range(20)])
    assert len(images.calls) == 6
    torch.testing.assert_close(picked.norm(dim=-1), torch.ones(20, 2))
    assert len(picked[:, 0].unique(dim=0)) == 2  # both views of image 3 come up
    assert not torch.isclose(picked[:, 0], picked[:, 1]).all(-1).any()


def test_without_kept_views_each_visit_is_a_fresh_one(convnet: Backbone) -> None:
    images = Canvases(12)
    views = FrozenViews(task_of(convnet, images, phase1_views=0))
    assert not list(views.prepare(torch.arange(12)))
    draw = torch.Generator().manual_seed(0)
    first, second = (views.pick(torch.tensor([3]), draw) for _ in range(2))
    assert images.calls == [3, 3]
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("class_specific", [False, True])
def test_a_context_learns_its_labels_and_nothing_else_moves(
    vit: Backbone, class_specific: bool
) -> None:
    model = dataclasses.replace(vit, center=True)
    before = {key: tensor.clone() for key, tensor in vit.model.state_dict().items()}
    task = task_of(
        model, Canvases(30), texts=True, phase1_epochs=12, class_specific_context=class_specific
    )
    template = PromptTemplate(model, NAMES, n_ctx=4)
    views = FrozenViews(task)
    list(views.prepare(torch.arange(30)))
    labels = torch.arange(30) % 3
    learned, events = drained(
        learn_context(task, template, views, torch.arange(30), labels, number=1, count=Count())
    )
    losses = [event.loss for event in events if isinstance(event, Step)]
    assert sum(losses[-8:]) < 0.5 * sum(losses[:8])
    right = task.probabilities(learned.texts).argmax(1) == labels
    assert right.float().mean() > 0.8 > (task.start.event().labels == labels).float().mean()
    assert sum(isinstance(event, Monitor) for event in events) == 6
    assert learned.count == Count(steps=len(losses), epochs=12, trainings=0)
    for key, tensor in vit.model.state_dict().items():
        assert torch.equal(tensor, before[key]), key


def test_trainings_count_on_and_start_differently(convnet: Backbone) -> None:
    task = task_of(convnet, Canvases(12))
    template = PromptTemplate(convnet, NAMES, n_ctx=4)
    views, labels = FrozenViews(task), torch.arange(12) % 3
    list(views.prepare(torch.arange(12)))
    same = (task, template, views, torch.arange(12), labels)
    first, _ = drained(learn_context(*same, number=1, count=Count(trainings=2)))
    steps = [
        event
        for event in learn_context(*same, number=2, count=first.count)
        if isinstance(event, Step)
    ]
    assert first.count == Count(steps=4, epochs=2, trainings=1)
    assert [(step.step, step.steps) for step in steps] == [(5, 8), (6, 8), (7, 8), (8, 8)]
    assert [(step.epoch, step.epochs) for step in steps] == [(3, 4), (3, 4), (4, 4), (4, 4)]
    again, _ = drained(learn_context(*same, number=1, count=Count(trainings=2)))
    other, _ = drained(learn_context(*same, number=2, count=Count(trainings=2)))
    assert torch.equal(first.texts, again.texts)
    assert not torch.allclose(first.texts, other.texts)
