"""Learning a text context on images with pseudo-labels: CoOp on a frozen model (Zhou et al., 2022).

What UPL, FPL, IFPL and GRIP share. The optimiser is that of Phase I, so that what is compared is
the choice of labels: SGD at `phase1_lr` = 0.1 is FPL's and GRIP's own rate, and what UPL's 0.002
comes to on the embedded model, for a step moves the logits by rate / tau^2 (1 / tau is 100 with
CLIP and 15 there). The budget is Phase I's too: its epochs, batches and floor on steps.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from studio.baselines.shipping import watch
from studio.clip.encode import moved, to_pixels
from studio.clip.precision import autocast
from studio.clip.scaling import LossScaler
from studio.coft.epochs import Epochs
from studio.coft.events import Event, Progress, Step
from studio.coft.losses import positive_loss
from studio.coft.optim import build_optimizer, generator_of
from studio.coft.phase1 import MONITORED_EPOCHS
from studio.coft.prompts import PromptTemplate
from studio.coft.task import Task
from studio.coft.views import random_views, training_size


class FrozenViews:
    """Unit features of random views of the images; the tower is frozen, so they can be cached.

    `phase1_views` of each image are made when it is first asked for; 0: a fresh view each time.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        count, (images, width) = task.settings.phase1_views, task.features.shape
        self._cached = torch.zeros(count, images if count else 0, width)
        self._made = torch.zeros(images, dtype=torch.bool)
        self._generator = generator_of(task.settings, "views", 0)

    def prepare(self, indices: Tensor) -> Iterator[Progress]:
        """Make the views of those of the images (n,) that lack them, unless the user stops."""
        missing = indices[~self._made[indices]]
        total = len(self._cached) * len(missing)
        batch = self._task.backbone.forward_batch
        for number, views in enumerate(self._cached):
            for start in range(0, len(missing), batch):
                if self._task.stop():
                    return
                part = missing[start : start + batch]
                views[part] = self._fresh(part, self._generator).cpu()
                yield Progress("seed views", number * len(missing) + start + len(part), total)
        self._made[missing] = True

    def pick(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """(B, d) one view of each image (B,), on the model's device."""
        if not len(self._cached):
            return self._fresh(indices, generator)
        which = torch.randint(len(self._cached), indices.shape, generator=generator)
        return moved(self._cached[which, indices], self._task.backbone.device)

    def _fresh(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        task, backbone = self._task, self._task.backbone
        views = random_views(
            task.images.batch(indices.tolist()),
            size=training_size(backbone, task.settings.phase1_resolution),
            crop_scale=task.settings.crop_scale,
            generator=generator,
        )
        with torch.no_grad(), autocast(backbone.device, backbone.visual):
            features = backbone.visual(to_pixels(moved(views, backbone.device), backbone))
        return task.space.images(features.float())


@dataclass(frozen=True)
class Count:
    """How far a method with several trainings is, so that its curves go on.

    steps, epochs: done before this training; trainings: left, this one included.
    """

    steps: int = 0
    epochs: int = 0
    trainings: int = 1


@dataclass(frozen=True)
class Context:
    """A learned context. texts: (C, d) unit class vectors; count: what comes after it."""

    texts: Tensor
    count: Count


def learn_context(
    task: Task,
    template: PromptTemplate,
    views: FrozenViews,
    indices: Tensor,
    labels: Tensor,
    *,
    number: int,
    count: Count,
) -> Generator[Event, None, Context | None]:
    """Train a fresh context on images (n,) with labels (n,), by cross-entropy.

    number: from 1, of this training; each draws its start, order and views from streams of its own.
    Returns None when the user stopped before the first step.
    """
    settings = task.settings
    draw, shuffle = (
        generator_of(settings, purpose, 1, round_number=number) for purpose in ("views", "shuffle")
    )
    shape: tuple[int, ...] = (template.n_ctx, template.width)
    if settings.class_specific_context:
        shape = (len(template.tokens), *shape)
    init = generator_of(settings, "init", 0, round_number=number)
    start = settings.ctx_init_std * torch.randn(shape, generator=init)
    context = nn.Parameter(start.to(task.backbone.device))
    taken = Epochs(labels, settings, round_number=number)
    per_epoch = math.ceil(taken.size / settings.phase1_batch)
    if not per_epoch:
        return None
    epochs = max(settings.phase1_epochs, math.ceil(settings.phase1_min_steps / per_epoch))
    yield from taken.told("Training", epochs)
    optimizer, schedule = build_optimizer(
        [{"params": [context], "lr": settings.phase1_lr}],
        kind=settings.phase1_optimizer,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        steps=epochs * per_epoch,
    )

    def texts() -> Tensor:
        with autocast(task.backbone.device, task.backbone.visual):
            features = template.encode(context)
        return task.space.texts(features)

    def clip() -> None:
        if settings.phase1_clip:
            nn.utils.clip_grad_norm_([context], settings.phase1_clip)

    scaler = LossScaler(task.backbone.device, task.backbone.visual)
    done = 0
    all_steps = count.steps + epochs * per_epoch * count.trainings
    all_epochs = count.epochs + epochs * count.trainings
    every = math.ceil(epochs / MONITORED_EPOCHS)
    for epoch in range(1, epochs + 1):
        order = taken.order(epoch, shuffle)
        for part in order.split(settings.phase1_batch):
            if task.stop():
                after = Count(count.steps + done, count.epochs + epoch, count.trainings - 1)
                return Context(texts().detach(), after) if done else None
            pictures = views.pick(indices[part], draw)
            wanted = moved(labels[part], pictures.device)
            loss = positive_loss(pictures @ texts().T, wanted, scale=task.space.scale)
            rate = float(schedule.get_last_lr()[0])
            optimizer.zero_grad(set_to_none=True)
            scaler.backward(loss)
            scaler.step(optimizer, clip)
            schedule.step()
            done += 1
            value = float(loss.detach())
            yield Step(
                1,
                0,
                count.steps + done,
                all_steps,
                count.epochs + epoch,
                all_epochs,
                value,
                rate,
                {"l1": value},
            )
        if len(task.monitor) and epoch % every == 0:
            probabilities = task.probabilities(texts().detach())[task.monitor]
            yield watch(task, probabilities, phase=1, epoch=count.epochs + epoch, epochs=all_epochs)
    after = Count(count.steps + done, count.epochs + epochs, count.trainings - 1)
    return Context(texts().detach(), after)
