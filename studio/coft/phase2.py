"""Phase II, the training: both towers learn their clean labels (paper, Section 3.2.2)."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from studio.clip.encode import autocast, preprocess, to_pixels
from studio.coft.classifier import Tower
from studio.coft.contrast import MomentumContrast, key_views, queue_size
from studio.coft.events import Event, Monitor, Step
from studio.coft.judge import TrainingSet
from studio.coft.keeping import Batches, Part, restore, state_of
from studio.coft.optim import clip_gradient, generator_of, tower_optimizer
from studio.coft.task import Task
from studio.coft.views import random_views, training_size
from studio.settings import Settings

PHASE2 = "phase2"
"""The name of its part of a fit's state."""


def phase_two(
    task: Task, *, towers: Sequence[Tower], data: Sequence[TrainingSet], clean_fraction: float
) -> Iterator[Event]:
    """Fine-tune both towers, or one, in place, each on its own clean set.

    With `contrast_weight`, an epoch goes over all images: the classifier learns those of the clean
    set, momentum contrast all but those that a person rejected, and one view serves both losses
    [inferred: whether one batch does is not said].

    Args:
        task: settings, and the model and images of its student.
        towers: see `build_tower`.
        data: what each model learns.
        clean_fraction: shown beside the monitor, see `Monitor`.
    """
    settings, backbone = task.settings, task.student.backbone
    if settings.contrast_weight:
        data = [with_the_rest(own, pool=task.pool) for own in data]
    part = settings.micro_batch or backbone.forward_batch
    tuners = [
        _Tuner(tower, number, len(data[number].indices), settings, part=part)
        for number, tower in enumerate(towers)
    ]
    batches = Batches(settings.phase2_batch)
    kept = task.kept.taken(PHASE2)
    if kept is not None:
        batches.restore(kept["batches"])
        for tuner, own in zip(tuners, kept["tuners"], strict=True):
            tuner.restore(own)

    def part_of_state() -> Part:
        return {"batches": batches.state(), "tuners": [tuner.state() for tuner in tuners]}

    with task.kept.keeps(PHASE2, part_of_state):
        yield from task.kept.arrived(PHASE2)
        if (yield from _train(task, tuners, data, batches, clean_fraction)):
            return
        batches.over(settings.phase2_epochs)
        yield from task.ends(PHASE2, between=True)


def _train(
    task: Task,
    tuners: Sequence[_Tuner],
    data: Sequence[TrainingSet],
    batches: Batches,
    clean_fraction: float,
) -> Generator[Event, None, bool]:
    """The epochs of `phase_two` that are to come; whether the user stopped it."""
    settings, backbone, images = task.settings, task.student.backbone, task.student.images
    size = training_size(backbone, settings.phase2_resolution)
    for epoch in range(batches.epoch, settings.phase2_epochs + 1):
        for tuner in tuners:
            indices, labels, weights = data[tuner.number]
            order = partial(torch.randperm, len(indices), generator=tuner.generator)
            for batch in batches.of(epoch, tuner.number, order):
                if (yield from task.ends(PHASE2)):
                    return True
                canvases = images.batch(indices[batch].tolist())
                views = random_views(
                    canvases, size=size, crop_scale=settings.crop_scale, generator=tuner.generator
                )
                second = None
                if tuner.contrast:
                    second = key_views(canvases, size=size, generator=tuner.key_generator)
                    second = to_pixels(second.to(backbone.device), backbone)
                rate = tuner.rate
                loss, parts = tuner.step(
                    to_pixels(views.to(backbone.device), backbone),
                    labels[batch].to(backbone.device),
                    weights[batch].to(backbone.device),
                    second,
                )
                yield Step(
                    2,
                    tuner.number,
                    tuner.done,
                    tuner.steps,
                    epoch,
                    settings.phase2_epochs,
                    loss,
                    rate,
                    parts,
                )
        if len(task.monitor):
            yield _monitor(task, [tuner.tower for tuner in tuners], clean_fraction, epoch)
    return False


def with_the_rest(data: TrainingSet, *, pool: Tensor) -> TrainingSet:
    """The labelled images, and those of the pool (m,) besides, whose labels weigh nothing."""
    others = pool[~torch.isin(pool, data.indices)]
    rest = TrainingSet(others, torch.zeros_like(others), torch.zeros(len(others)))
    return TrainingSet(*map(torch.cat, zip(data, rest, strict=True)))


class _Tuner:
    """One tower with its optimiser and its own stream of randomness.

    A batch goes through it `part` images at a time, to save memory.
    """

    def __init__(
        self, tower: Tower, number: int, images: int, settings: Settings, *, part: int
    ) -> None:
        self.tower, self.number, self.settings, self._part = tower, number, settings, part
        self.generator = generator_of(settings, "phase2", number)
        self.key_generator = generator_of(settings, "contrast", number)
        self.contrast: MomentumContrast | None = None
        if settings.contrast_weight:
            self.contrast = MomentumContrast(
                tower.visual,
                size=queue_size(
                    images=images, batch=settings.phase2_batch, most=settings.contrast_queue
                ),
                momentum=settings.contrast_momentum,
                temperature=settings.contrast_temperature,
            )
        self.steps = math.ceil(images / settings.phase2_batch) * settings.phase2_epochs
        self.done = 0
        self._optimizer, self._schedule = tower_optimizer(tower, settings, steps=self.steps)

    def state(self) -> Part:
        """How its training stands."""
        part = {"done": self.done, **state_of(**self._training)}
        return part if self.contrast is None else {**part, "queue": self.contrast.queue}

    def restore(self, part: Part) -> None:
        """Go on from there."""
        self.done = int(part["done"])
        restore(part, **self._training)
        if self.contrast is not None and part["queue"] is not None:
            self.contrast.queue = part["queue"].to(self.tower.head.weight.device)

    @property
    def _training(self) -> dict[str, Any]:
        modules = {"tower": self.tower}
        slow = {} if self.contrast is None else {"contrast": self.contrast.encoder}
        return {
            "modules": {**modules, **slow},
            "optimizer": self._optimizer,
            "schedule": self._schedule,
            "generators": {"views": self.generator, "keys": self.key_generator},
        }

    @property
    def rate(self) -> float:
        """The encoder's learning rate at the next step."""
        return float(self._schedule.get_last_lr()[0])

    def step(
        self, pixels: Tensor, labels: Tensor, weights: Tensor, second: Tensor | None
    ) -> tuple[float, dict[str, float]]:
        """One step on the cross-entropy (paper, Eq. 7), plus gamma times the contrast (Eq. 10).

        pixels, second: (B, 3, S, S) two views of the same images, the second for contrast only;
        labels: (B,); weights: (B,) of the labels, 0 for images outside of the clean set.
        """
        # Shares of the batch, however little its labels weigh; nothing where all weigh nothing.
        share = weights / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
        parts = {"ce": 0.0} | ({"contrast": 0.0} if self.contrast else {})
        keys: list[Tensor] = []
        self._optimizer.zero_grad(set_to_none=True)
        for start in range(0, len(pixels), self._part):
            own = slice(start, start + self._part)
            with autocast(pixels.device):
                features = self.tower.visual(pixels[own])
                logits = self.tower.logits(features)
                if self.contrast and second is not None:
                    keys.append(self.contrast.keys(second[own]))
            losses = cross_entropy(
                logits,
                labels[own],
                label_smoothing=self.settings.label_smoothing,
                reduction="none",
            )
            loss = (share[own] * losses).sum()
            parts["ce"] += float(loss.detach())
            if self.contrast and keys:
                contrast = self.contrast.loss(features, keys[-1]) * len(features) / len(pixels)
                parts["contrast"] += float(contrast.detach())
                loss = loss + self.settings.contrast_weight * contrast
            loss.backward()
        clip_gradient(self._optimizer, self.settings.phase2_clip)
        self._optimizer.step()
        self._schedule.step()
        if self.contrast and keys:
            self.contrast.push(torch.cat(keys))
            self.contrast.follow(self.tower.visual)
        self.done += 1
        total = parts["ce"] + self.settings.contrast_weight * parts.get("contrast", 0.0)
        return total, parts


def _monitor(task: Task, towers: Sequence[Tower], clean_fraction: float, epoch: int) -> Monitor:
    backbone, images, indices = task.student.backbone, task.student.images, task.monitor
    parts = []
    with torch.inference_mode(), autocast(backbone.device):
        for chunk in indices.split(backbone.forward_batch):
            pixels = preprocess(images.batch(chunk.tolist()), backbone)
            parts.append(torch.stack([tower(pixels).argmax(-1).cpu() for tower in towers]))
    labels = torch.cat(parts, dim=1).expand(2, -1).clone()  # one tower counts as both
    agreement = float((labels[0] == labels[1]).float().mean())
    epochs = task.settings.phase2_epochs
    return Monitor(2, epoch, epochs, indices, labels, agreement, clean_fraction)
