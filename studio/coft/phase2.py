"""Phase II, the training: both towers learn their clean labels (paper, Section 3.2.2)."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from studio.clip.encode import moved, preprocess, to_pixels
from studio.clip.precision import autocast
from studio.clip.scaling import LossScaler
from studio.coft.ahead import Ahead, Made
from studio.coft.classifier import Tower
from studio.coft.contrast import MomentumContrast, queue_size, recoloured, training_views
from studio.coft.epochs import Epochs
from studio.coft.events import Event, Monitor, Step
from studio.coft.judge import TrainingSet
from studio.coft.keeping import Course, Part, restore, state_of
from studio.coft.losses import summed
from studio.coft.optim import clip_gradient, generator_of, tower_optimizer
from studio.coft.phase1 import told
from studio.coft.task import Task
from studio.coft.views import Each, training_size
from studio.ranks import Results, Team
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
        towers: see `build_tower`; of several ranks each trains one of them.
        data: what each model learns.
        clean_fraction: shown beside the monitor, see `Monitor`.
    """
    settings, backbone, team = task.settings, task.student.backbone, task.ranks.team(len(towers))
    if settings.contrast_weight:
        data = [with_the_rest(own, pool=task.pool) for own in data]
    part = settings.micro_batch or backbone.forward_batch
    epochs = [
        Epochs(own.labels, settings, number=number, learned=own.weights > 0)
        for number, own in enumerate(data)
    ]
    largest = max(epochs, key=lambda own: own.images)
    yield from largest.told("Phase II", settings.phase2_epochs)
    tuners = {
        number: _Tuner(
            towers[number], number, len(data[number].indices), settings, part=part, team=team
        )
        for number in team.mine
    }
    course = Course(len(towers), size=settings.phase2_batch)
    kept = task.kept.taken(PHASE2)
    if kept is not None:
        course.restore(kept, kept["tuners"])
        for number, tuner in tuners.items():
            tuner.restore(kept["tuners"][number])

    def stands(number: int) -> Part:
        return {**tuners[number].state(), "batches": course.batches[number].state()}

    def part_of_state() -> Part:
        own = [team.from_trainer(number, partial(stands, number)) for number in range(len(towers))]
        return {"epoch": course.epoch, "tuners": own}

    with task.kept.keeps(PHASE2, part_of_state):
        yield from task.kept.arrived(PHASE2)
        if (yield from _train(task, team, tuners, data, epochs, course, clean_fraction)):
            return
        course.epoch = settings.phase2_epochs + 1
        yield from task.ends(PHASE2, between=True)


def _train(
    task: Task,
    team: Team,
    tuners: Mapping[int, _Tuner],
    data: Sequence[TrainingSet],
    taken: Sequence[Epochs],
    course: Course,
    clean_fraction: float,
) -> Generator[Event, None, bool]:
    """The epochs of `phase_two` that are to come; whether the user stopped it."""
    epochs = task.settings.phase2_epochs
    size = training_size(task.student.backbone, task.settings.phase2_resolution)
    views = {
        number: Ahead(partial(_views, task, team, data[number].indices, size), device=own.device)
        for number, own in tuners.items()
    }
    for epoch in range(course.epoch, epochs + 1):
        course.epoch = epoch
        for number, tuner in tuners.items():
            batches = course.batches[number]
            order = partial(taken[number].order, epoch, tuner.generator)
            for batch in team.in_step(batches.of(epoch, order)):
                if (yield from task.ends(PHASE2)):
                    return True
                step = None
                if batch is not None:
                    rate = tuner.rate
                    made = views[number].of(batch, tuner.streams, then=batches.then)
                    loss, parts = _step(task, team, tuner, data[number], batch, made)
                    step = Step(
                        2, number, tuner.done, tuner.steps, epoch, epochs, loss, rate, parts
                    )
                yield from told(team, step)
        if len(task.monitor):
            towers = {number: tuner.tower for number, tuner in tuners.items()}
            yield from _monitor(task, team, towers, clean_fraction, epoch)
    return False


def _views(
    task: Task,
    team: Team,
    indices: Tensor,
    size: int,
    batch: Tensor,
    streams: Sequence[torch.Generator],
    each: Each,
) -> Made:
    """`training_views` of this rank's rows of a batch (B,) of images (n,)."""
    rows = team.rows(len(batch))
    of = len(batch), rows
    canvases = task.student.images.batch(indices[batch[rows]].tolist())
    scale = task.settings.crop_scale
    return training_views(canvases, streams, size=size, crop_scale=scale, of=of, each=each)


def _step(
    task: Task, team: Team, tuner: _Tuner, data: TrainingSet, batch: Tensor, made: Made
) -> tuple[float, dict[str, float]]:
    """One step on `_views` of a batch (B,) of what a tower learns; the loss and its terms."""
    backbone, (_, labels, weights) = task.student.backbone, data
    views, *keys = (moved(part, backbone.device) for part in made)
    return tuner.step(
        to_pixels(views, backbone),
        moved(labels[batch], backbone.device),
        moved(weights[batch], backbone.device),
        to_pixels(recoloured(*keys), backbone) if keys else None,
        team.rows(len(batch)),
    )


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
        self,
        tower: Tower,
        number: int,
        images: int,
        settings: Settings,
        *,
        part: int,
        team: Team | None = None,
    ) -> None:
        """team: who trains the tower, each with some rows of every batch; None: this rank alone."""
        self.tower, self.settings, self._part, self._team = tower, settings, part, team or Team(1)
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
        per_epoch = math.ceil(settings.in_epoch(images) / settings.phase2_batch)
        self.steps = per_epoch * settings.phase2_epochs
        self.done = 0
        self._optimizer, self._schedule = tower_optimizer(tower, settings, steps=self.steps)
        self.device = tower.head.weight.device
        self._scaler = LossScaler(self.device, tower.visual, team=self._team)

    def state(self) -> Part:
        """How its training stands."""
        part = {"done": self.done, **state_of(**self._training)}
        return part if self.contrast is None else {**part, "queue": self.contrast.queue}

    def restore(self, part: Part) -> None:
        """Go on from there."""
        self.done = int(part["done"])
        restore(part, **self._training)
        if self.contrast is not None and part["queue"] is not None:
            self.contrast.queue = part["queue"].to(self.device)

    @property
    def _training(self) -> dict[str, Any]:
        modules = {"tower": self.tower}
        slow = {} if self.contrast is None else {"contrast": self.contrast.encoder}
        return {
            "modules": {**modules, **slow},
            "optimizer": self._optimizer,
            "schedule": self._schedule,
            "scaler": self._scaler,
            "generators": {"views": self.generator, "keys": self.key_generator},
        }

    @property
    def streams(self) -> list[torch.Generator]:
        """What its views are drawn from, and second ones where there are any."""
        return [self.generator, self.key_generator] if self.contrast else [self.generator]

    @property
    def rate(self) -> float:
        """The encoder's learning rate at the next step."""
        return float(self._schedule.get_last_lr()[0])

    def step(
        self,
        pixels: Tensor,
        labels: Tensor,
        weights: Tensor,
        second: Tensor | None,
        rows: slice = slice(None),
    ) -> tuple[float, dict[str, float]]:
        """One step on the cross-entropy (paper, Eq. 7), plus gamma times the contrast (Eq. 10).

        pixels, second: (b, 3, S, S) two views of this rank's rows of the batch, the second for
        contrast only; labels: (B,); weights: (B,) of the labels, 0 for images outside of the clean
        set.
        """
        # Shares of the batch, however little its labels weigh; nothing where all weigh nothing.
        share = weights / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
        batch, labels, share = len(labels), labels[rows], share[rows]
        terms: dict[str, list[Tensor]] = {"ce": []}
        if self.contrast:
            terms["contrast"] = []
        keys: list[Tensor] = []
        self._optimizer.zero_grad(set_to_none=True)
        for start in range(0, len(pixels), self._part):
            own = slice(start, start + self._part)
            with autocast(pixels.device, self.tower.visual):
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
            terms["ce"].append(loss.detach())
            if self.contrast and keys:
                contrast = self.contrast.loss(features, keys[-1]) * len(features) / batch
                terms["contrast"].append(contrast.detach())
                loss = loss + self.settings.contrast_weight * contrast
            self._scaler.backward(loss)
        self._team.summed(p for group in self._optimizer.param_groups for p in group["params"])
        self._scaler.step(
            self._optimizer, lambda: clip_gradient(self._optimizer, self.settings.phase2_clip)
        )
        self._schedule.step()
        if self.contrast:
            none = pixels.new_empty(0, self.tower.head.in_features)
            self.contrast.push(self._team.joined(torch.cat(keys or [none])))
            self.contrast.follow(self.tower.visual)
        self.done += 1
        parts = self._team.added(summed(terms))
        total = parts["ce"] + self.settings.contrast_weight * parts.get("contrast", 0.0)
        return total, parts


def _monitor(
    task: Task, team: Team, towers: Mapping[int, Tower], clean_fraction: float, epoch: int
) -> Iterator[Monitor]:
    backbone, images, indices = task.student.backbone, task.student.images, task.monitor

    def pixels(chunk: Tensor) -> Tensor:
        return preprocess(images.batch(chunk.tolist()), backbone)

    def labelled(number: int, seen: Tensor) -> Results:
        with torch.inference_mode(), autocast(backbone.device, backbone.visual):
            return (towers[number](seen).argmax(-1).cpu(),)

    found = team.for_each(indices.split(backbone.forward_batch), pixels, labelled)
    if found is None:
        return
    labels = torch.stack([torch.cat([part for (part,) in own]) for own in found])
    labels = labels.expand(2, -1).clone()  # one tower counts as both
    agreement = float((labels[0] == labels[1]).float().mean())
    epochs = task.settings.phase2_epochs
    yield Monitor(2, epoch, epochs, indices, labels, agreement, clean_fraction)
