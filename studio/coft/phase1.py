"""Phase I: tune prompts and adapters of two models on the seed set (paper, Section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from studio.coft.dual import DualPromptModel, Judgement, judge, test_hidden
from studio.coft.events import Event, Monitor, Progress, Step
from studio.coft.given import into_judged, with_claims
from studio.coft.hidden import TestViews, seed_views
from studio.coft.judge import clean_sets, clean_share
from studio.coft.keeping import Batches, Part
from studio.coft.optim import generator_of
from studio.coft.prompts import PromptTemplate
from studio.coft.task import Task
from studio.coft.trainer import Trainer
from studio.coft.views import random_views, training_size

MONITORED_EPOCHS = 10
PHASE1 = "phase1"
"""The name of its part of a fit's state."""


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
    trainers = [
        Trainer(
            model,
            number,
            settings,
            steps=epochs * per_epoch,
            round_number=round_number,
            part=settings.micro_batch or backbone.forward_batch,
        )
        for number, model in enumerate(models)
    ]
    batches = Batches(settings.phase1_batch)
    kept = task.kept.taken(PHASE1)
    if kept is not None:
        batches.restore(kept["batches"])
        for trainer, own in zip(trainers, kept["trainers"], strict=True):
            trainer.restore(own)

    def part() -> Part:
        return {"batches": batches.state(), "trainers": [trainer.state() for trainer in trainers]}

    with task.kept.keeps(PHASE1, part):
        if batches.epoch <= epochs:
            stopped = yield from _train(
                task, models, trainers, seeds, probabilities, batches, epochs, round_number
            )
            if stopped:
                return
            batches.over(epochs)
        yield from task.kept.arrived(PHASE1)
        yield from task.ends(PHASE1, between=True)


def _train(
    task: Task,
    models: Sequence[DualPromptModel],
    trainers: Sequence[Trainer],
    seeds: Sequence[tuple[Tensor, Tensor]],
    probabilities: Sequence[Tensor],
    batches: Batches,
    epochs: int,
    round_number: int,
) -> Generator[Event, None, bool]:
    """The epochs of `phase_one` that are to come; whether the user stopped it."""
    settings, backbone = task.settings, task.backbone
    (first, _), (second, _) = seeds
    everyone = torch.cat([first, second[~torch.isin(second, first)]])
    place = torch.zeros(len(task.images), dtype=torch.int64)
    place[everyone] = torch.arange(len(everyone))
    adapter = models[0].adapter
    size = training_size(backbone, settings.phase1_resolution)
    views = yield from seed_views(
        backbone,
        adapter,
        task.images,
        everyone,
        draw=partial(random_views, size=size, crop_scale=settings.crop_scale),
        cached=settings.phase1_views if adapter.has_frozen_prefix else 0,
        generator=generator_of(settings, "views", 0, round_number=round_number),
    )
    # A tiny seed set makes many epochs; some ten points draw the same curve.
    every = math.ceil(epochs / MONITORED_EPOCHS)
    watched = [
        test_hidden(backbone, adapter, task.images, part.tolist())
        for part in task.monitor.split(backbone.forward_batch)
    ]
    yield from task.kept.arrived(PHASE1)
    for epoch in range(batches.epoch, epochs + 1):
        for trainer, (indices, labels), likely in zip(trainers, seeds, probabilities, strict=True):
            order = partial(torch.randperm, len(indices), generator=trainer.shuffle)
            for part in batches.of(epoch, trainer.number, order):
                if (yield from task.ends(PHASE1)):
                    return True
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
    return False


def judge_all(
    models: Sequence[DualPromptModel], views: TestViews, scale: float
) -> Generator[Progress, None, Judgement]:
    """Both models on all images, test view; returns a `Judgement` of N images."""
    with torch.no_grad():
        texts = [model.texts() for model in models]
    whole: Judgement | None = None
    done = 0
    for hidden in views.chunks():
        part = judge(models, hidden, texts, scale)
        if whole is None:  # room for all of them: parts that are joined in the end take it twice
            whole = _room(part, len(views))
        for name, tensor in vars(part).items():
            getattr(whole, name)[:, done : done + len(hidden)] = tensor
        done += len(hidden)
        yield Progress("judging", done, len(views))
    assert whole is not None  # there is no set without images
    return whole


def _room(part: Judgement, images: int) -> Judgement:
    """Empty tables of so many images, of the sizes and types of a part of them."""
    return Judgement(
        **{
            name: tensor.new_empty(len(tensor), images, tensor.shape[2])
            for name, tensor in vars(part).items()
        }
    )


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
