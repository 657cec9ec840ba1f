"""Phase I: tune prompts and adapters of two models on the seed set (paper, Section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial

import torch
from torch import Tensor

from studio.coft.dual import DualPromptModel, Judgement, Judges, judge, seen
from studio.coft.epochs import Epochs
from studio.coft.events import Event, Monitor, Progress, Step
from studio.coft.given import into_judged, with_claims
from studio.coft.hidden import TestViews, seed_views, tail_batch
from studio.coft.judge import clean_sets, clean_share
from studio.coft.keeping import Course, Part
from studio.coft.optim import generator_of
from studio.coft.prompts import PromptTemplate
from studio.coft.task import Task
from studio.coft.trainer import Trainer
from studio.coft.views import random_views, training_size
from studio.ranks import ALONE, Ranks, Results, Team

MONITORED_EPOCHS = 10
COMPARED_ON_GPU = 4096
"""Images that are compared with the texts at a time there: 16 MB for a thousand classes."""
PHASE1 = "phase1"
"""The name of its part of a fit's state."""

Seeds = tuple[Tensor, Tensor, Tensor]
"""A model's: indices (n,), pseudo-labels (n,), and the class probabilities (n, C) by which they
were taken, for the harder kinds of complement."""


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
    seeds: Sequence[Seeds],
    test_views: TestViews,
    round_number: int = 1,
) -> Generator[Event, None, bool]:
    """Train both models in place on their seeds, epoch by epoch.

    When the user stops, training ends before the next batch and the models keep what they have.
    Returns whether that is all that was to be learned, or some of it: False where there is no seed,
    or where the user stopped before the first step.

    Args:
        task: images, settings and what else a fit is about.
        models: the two models; of several ranks each trains one of them.
        seeds: of both models; the same in the first round.
        test_views: of all images; those that are watched are taken from there.
        round_number: of Phase I, from 1.
    """
    settings, backbone, team = task.settings, task.backbone, task.ranks.team(len(models))
    taken = [
        Epochs(labels, settings, number=number, round_number=round_number)
        for number, (_, labels, _) in enumerate(seeds)
    ]
    largest = max(taken, key=lambda own: own.images)
    per_epoch = [math.ceil(own.size / settings.phase1_batch) for own in taken]
    if settings.phase1_epochs == 0 or not max(per_epoch):
        return settings.phase1_epochs == 0
    fewest = min(steps for steps in per_epoch if steps)
    epochs = max(settings.phase1_epochs, math.ceil(settings.phase1_min_steps / fewest))
    yield from largest.told("Phase I", epochs)
    trainers = {
        number: Trainer(
            models[number],
            number,
            settings,
            steps=max(1, epochs * per_epoch[number]),
            round_number=round_number,
            part=settings.micro_batch or tail_batch(backbone, models[number].adapter),
            team=team,
        )
        for number in team.mine
    }
    course = Course(len(models), size=settings.phase1_batch)
    kept = task.kept.taken(PHASE1)
    if kept is not None:
        course.restore(kept, kept["trainers"])
        for number, trainer in trainers.items():
            trainer.restore(kept["trainers"][number])

    def stands(number: int) -> Part:
        return {**trainers[number].state(), "batches": course.batches[number].state()}

    def part() -> Part:
        own = [team.from_trainer(number, partial(stands, number)) for number in range(len(models))]
        return {"epoch": course.epoch, "trainers": own}

    with task.kept.keeps(PHASE1, part):
        if course.epoch <= epochs:
            stopped = yield from _train(
                task, models, team, trainers, seeds, taken, course, epochs, test_views, round_number
            )
            if stopped:
                return any(trainer.done for trainer in trainers.values())
            course.epoch = epochs + 1
        yield from task.kept.arrived(PHASE1)
        yield from task.ends(PHASE1, between=True)
    return True


def _train(
    task: Task,
    models: Sequence[DualPromptModel],
    team: Team,
    trainers: Mapping[int, Trainer],
    seeds: Sequence[Seeds],
    taken: Sequence[Epochs],
    course: Course,
    epochs: int,
    test_views: TestViews,
    round_number: int,
) -> Generator[Event, None, bool]:
    """The epochs of `phase_one` that are to come; whether the user stopped it."""
    settings, backbone = task.settings, task.backbone
    (first, _, _), (second, _, _) = seeds
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
        team=team,
    )
    # A tiny seed set makes many epochs; some ten points draw the same curve.
    every = math.ceil(epochs / MONITORED_EPOCHS)
    chunks = task.monitor.split(tail_batch(backbone, adapter)) if len(task.monitor) else ()
    watched = {
        number: test_views.of(chunks[number].tolist()) for number in team.share(range(len(chunks)))
    }
    yield from task.kept.arrived(PHASE1)
    for epoch in range(course.epoch, epochs + 1):
        course.epoch = epoch
        for number, trainer in trainers.items():
            indices, labels, likely = seeds[number]
            batches = course.batches[number]
            order = partial(taken[number].order, epoch, trainer.shuffle)
            for part in team.in_step(batches.of(epoch, order)):
                if (yield from task.ends(PHASE1)):
                    return True
                step = None
                if part is not None:
                    then = None if batches.then is None else place[indices[batches.then]]
                    hidden = views(trainer.views, place[indices[part]], then=then)
                    rate = trainer.rate
                    loss, parts = trainer.step(
                        hidden, labels[part], likely[part], task.space.scale,
                        team.rows(len(part)),
                    )  # fmt: skip
                    step = Step(
                        1, number, trainer.done, trainer.steps, epoch, epochs, loss, rate, parts
                    )
                yield from told(team, step)
        if chunks and epoch % every == 0:
            yield from _monitor(task, team, models, watched, len(chunks), epoch, epochs)
    return False


def told(team: Team, step: Step | None) -> Iterator[Step]:
    """The steps that were just done, of all models."""
    for said in team.told(None if step is None else asdict(step)):
        yield Step(**said)


def judge_all(
    models: Sequence[DualPromptModel], views: TestViews, scale: float, ranks: Ranks = ALONE
) -> Generator[Progress, None, Judges]:
    """Both models on all N images, test view; of none where this is not the writer."""
    with torch.no_grad():
        texts = [model.texts() for model in models]

    def looked(start: int) -> Results:
        return (seen(models, views.chunk(start)),)

    images, done = torch.empty(len(models), 0, 0), 0
    for (found,) in ranks.spread(views.starts, looked):
        if not done:  # room for all of them: parts that are joined in the end take it twice
            images = found.new_empty(len(found), len(views), found.shape[2])
        images[:, done : done + found.shape[1]] = found
        done += found.shape[1]
        yield Progress("judging", done, len(views))
    # On the CPU as many as went through the tower; a GPU would be waited for at each of such parts.
    size = views.starts.step if texts[0][0].device.type == "cpu" else COMPARED_ON_GPU
    return Judges(images, texts, scale, size)


def join(parts: Sequence[Judgement]) -> Judgement:
    """Judgements of batches, one after the other; one of no images where there are none."""
    nothing = Judgement(*(torch.empty(2, 0, 0) for _ in range(3)))
    fields = zip(*(part.fields for part in parts or [nothing]), strict=True)
    return Judgement(*(torch.cat(own, dim=1) for own in fields))


def _monitor(
    task: Task,
    team: Team,
    models: Sequence[DualPromptModel],
    watched: Mapping[int, Tensor],
    chunks: int,
    epoch: int,
    epochs: int,
) -> Iterator[Monitor]:
    """Both models on the monitored images, judged as all images are after the round.

    watched: prefix outputs of those of the chunks that are this rank's.
    """
    with torch.no_grad():
        texts = {number: models[number].texts() for number in team.mine}

    def judged(number: int, hidden: Tensor) -> Results:
        return judge([models[number]], hidden, [texts[number]], task.space.scale).fields

    found = team.for_each(range(chunks), watched.__getitem__, judged)
    if found is None:
        return
    by_model = [join([Judgement(*part) for part in own]) for own in found]
    fields = zip(*(of_one.fields for of_one in by_model), strict=True)
    judgement = Judgement(*(torch.cat(of_all) for of_all in fields))
    indices = task.monitor
    own = judgement.labels
    labels = with_claims(own, task.claims[indices])
    clean = clean_sets(judgement.log_odds, labels, rule=task.settings.filter)
    _, clean = into_judged(labels, clean, task.given[indices])
    agreement = float((own[0] == own[1]).float().mean())
    yield Monitor(1, epoch, epochs, indices, own, agreement, clean_share(clean))
