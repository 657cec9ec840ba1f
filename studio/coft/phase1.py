"""Phase I: tune prompts and adapters of two models on the seed set (paper, Section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import Parameter

from studio.coft.dual import DualPromptModel, Judgement, judge, test_hidden
from studio.coft.events import Event, Monitor, Progress, Step
from studio.coft.given import into_judged, with_claims
from studio.coft.hidden import TestViews, seed_views
from studio.coft.judge import clean_sets, clean_share
from studio.coft.losses import draw_complements, negative_loss, positive_loss
from studio.coft.optim import build_optimizer, generator_of
from studio.coft.prompts import PromptTemplate
from studio.coft.task import Task
from studio.coft.views import random_views, training_size
from studio.settings import Settings

MONITORED_EPOCHS = 10


def build_models(task: Task, *, round_number: int = 1) -> tuple[DualPromptModel, DualPromptModel]:
    """Two models that differ in nothing but their random initialisation (paper, Section 3.1)."""
    template = PromptTemplate(task.backbone, task.class_names, n_ctx=task.settings.n_ctx)
    first, second = (
        DualPromptModel(
            task.backbone,
            template,
            task.space,
            task.settings,
            generator_of(task.settings, "init", i, round_number=round_number),
        )
        for i in (0, 1)
    )
    return first, second


def phase_one(
    task: Task,
    *,
    models: Sequence[DualPromptModel],
    seeds: Sequence[tuple[Tensor, Tensor]],
    probabilities: Sequence[Tensor],
    round_number: int = 1,
) -> Iterator[Event]:
    """Train both models in place on their seeds, epoch by epoch.

    When the user stops, training ends before the next batch and the models keep what they have.

    Args:
        task: images, settings and what else a fit is about.
        models: the two models.
        seeds: of both models, indices (n_i,) and pseudo-labels (n_i,); the same in the first round.
        probabilities: of both models, (N, C) class probabilities that the seeds were taken by, for
            the harder kinds of complement.
        round_number: of Phase I, from 1.
    """
    settings, backbone = task.settings, task.backbone
    per_epoch = math.ceil(max(len(own) for own, _ in seeds) / settings.phase1_batch)
    if settings.phase1_epochs == 0 or not per_epoch:
        return
    epochs = max(settings.phase1_epochs, math.ceil(settings.phase1_min_steps / per_epoch))
    (first, _), (second, _) = seeds
    everyone = torch.cat([first, second[~torch.isin(second, first)]])
    place = torch.zeros(len(task.images), dtype=torch.int64)
    place[everyone] = torch.arange(len(everyone))
    generator = generator_of(settings, "views", 0, round_number=round_number)
    adapter = models[0].adapter
    size = training_size(backbone, settings.phase1_resolution)
    views = yield from seed_views(
        backbone,
        adapter,
        task.images,
        everyone,
        draw=partial(random_views, size=size, crop_scale=settings.crop_scale),
        cached=settings.phase1_views if adapter.has_frozen_prefix else 0,
        generator=generator,
    )
    # A tiny seed set makes many epochs; some ten points draw the same curve.
    every = math.ceil(epochs / MONITORED_EPOCHS)
    watched = [
        test_hidden(backbone, adapter, task.images, part.tolist())
        for part in task.monitor.split(backbone.forward_batch)
    ]
    trainers = [
        _Trainer(
            model,
            number,
            settings,
            steps=epochs * per_epoch,
            round_number=round_number,
            part=settings.micro_batch or backbone.forward_batch,
        )
        for number, model in enumerate(models)
    ]
    for epoch in range(1, epochs + 1):
        for trainer, (indices, labels), likely in zip(trainers, seeds, probabilities, strict=True):
            order = torch.randperm(len(indices), generator=trainer.shuffle)
            for part in order.split(settings.phase1_batch):
                if task.stop():
                    return
                hidden = views(trainer.views, place[indices[part]])
                rate = trainer.rate
                loss, parts = trainer.step(
                    hidden, labels[part], likely[indices[part]], task.space.scale
                )
                yield Step(
                    1, trainer.number, trainer.done, trainer.steps, epoch, epochs, loss, rate, parts
                )
        if len(task.monitor) and epoch % every == 0:
            yield _monitor(task, models, watched, epoch, epochs)


def sides_of(model: DualPromptModel) -> tuple[list[Parameter], list[Parameter]]:
    """The parameters of the texts, V+ and V-, and those of the images.

    Each side's gradient is clipped by itself: clipped together, the side with the larger gradient
    takes all of the step. At CLIP's scale that is the texts', and visual tokens stay where they
    are.
    """
    return [model.positive, model.negative], list(model.adapter.parameters())


class _Trainer:
    """One model with its optimiser and its own streams of randomness.

    A batch's images go through it `part` at a time, to save memory.
    """

    def __init__(
        self,
        model: DualPromptModel,
        number: int,
        settings: Settings,
        *,
        steps: int,
        round_number: int,
        part: int,
    ) -> None:
        self.model, self.number, self.settings, self.steps = model, number, settings, steps
        self._part = part
        self.shuffle, self.views, self.complement = (
            generator_of(settings, purpose, number, round_number=round_number)
            for purpose in ("shuffle", "views", "complement")
        )
        self.done = 0
        self._sides = sides_of(model)
        self._optimizer, self._schedule = build_optimizer(
            [{"params": side, "lr": settings.phase1_lr} for side in self._sides],
            kind=settings.phase1_optimizer,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            steps=steps,
        )

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self._schedule.get_last_lr()[0])

    def step(
        self, hidden: Tensor, labels: Tensor, probabilities: Tensor, scale: float
    ) -> tuple[float, dict[str, float]]:
        """One step on L1 + lambda L2; the loss and its terms."""
        labels = labels.to(hidden.device)
        complements = draw_complements(
            labels,
            classes=probabilities.shape[1],
            generator=self.complement,
            mode=self.settings.complement,
            probabilities=probabilities,
            top=self.settings.complement_top,
        )
        self._optimizer.zero_grad(set_to_none=True)
        total, parts = self._gradients(hidden, labels, complements, scale)
        if self.settings.phase1_clip:
            for side in self._sides:
                torch.nn.utils.clip_grad_norm_(side, self.settings.phase1_clip)
        self._optimizer.step()
        self._schedule.step()
        self.done += 1
        return total, parts

    def _gradients(
        self, hidden: Tensor, labels: Tensor, complements: Tensor, scale: float
    ) -> tuple[float, dict[str, float]]:
        """Gradients of the batch's loss: images go in parts, the texts through their tower once."""
        texts = self.model.texts()
        leaves = [vectors.detach().requires_grad_() for vectors in texts]
        total, parts = 0.0, {"l1": 0.0, "l2": 0.0}
        for start in range(0, len(hidden), self._part):
            own = slice(start, start + self._part)
            images = self.model.images(hidden[own])
            share = len(images) / len(hidden)
            loss, terms = dual_loss(
                images, leaves, labels[own], complements[own], scale, self.settings
            )
            (share * loss).backward()
            total += share * float(loss.detach())
            parts = {name: value + share * terms[name] for name, value in parts.items()}
        torch.autograd.backward(texts, [leaf.grad for leaf in leaves])
        return total, parts


def dual_loss(
    images: Tensor,
    texts: Sequence[Tensor],
    labels: Tensor,
    complements: Tensor,
    scale: float,
    settings: Settings,
) -> tuple[Tensor, dict[str, float]]:
    """L1 + lambda L2 of unit features (B, d) and class vectors (C, d) t+ and t-; both as numbers.

    The one real change from DeFT: L2's gradient reaches the visual side (`l2_grad_visual`) [paper].
    """
    positive, negative = texts
    similar = images @ positive.T
    first = positive_loss(similar, labels, scale=scale)
    judged = images if settings.l2_grad_visual else images.detach()
    anchor = positive if settings.l2_grad_positive else positive.detach()
    second = negative_loss(judged @ anchor.T, judged @ negative.T, labels, complements, scale=scale)
    total = first + settings.l2_weight * second
    return total, {"l1": float(first.detach()), "l2": float(second.detach())}


def judge_all(
    models: Sequence[DualPromptModel], views: TestViews, scale: float
) -> Generator[Progress, None, Judgement]:
    """Both models on all images, test view; returns a `Judgement` of N images."""
    with torch.no_grad():
        texts = [model.texts() for model in models]
    parts, done = [], 0
    for hidden in views.chunks():
        parts.append(judge(models, hidden, texts, scale))
        done += len(hidden)
        yield Progress("judging", done, len(views))
    return join(parts)


def join(parts: Sequence[Judgement]) -> Judgement:
    """Judgements of batches, one after the other."""
    return Judgement(
        torch.cat([p.probabilities for p in parts], dim=1),
        torch.cat([p.log_odds for p in parts], dim=1),
        torch.cat([p.images for p in parts], dim=1),
    )


def _monitor(
    task: Task,
    models: Sequence[DualPromptModel],
    hidden: Sequence[Tensor],
    epoch: int,
    epochs: int,
) -> Monitor:
    """Both models on the monitored images, judged as all images are after the round."""
    indices = task.monitor
    with torch.no_grad():
        texts = [model.texts() for model in models]
    judgement = join([judge(models, part, texts, task.space.scale) for part in hidden])
    own = judgement.labels
    labels = with_claims(own, task.claims[indices])
    clean = clean_sets(judgement.log_odds, labels, rule=task.settings.filter)
    _, clean = into_judged(labels, clean, task.given[indices])
    agreement = float((own[0] == own[1]).float().mean())
    return Monitor(1, epoch, epochs, indices, own, agreement, clean_share(clean))
