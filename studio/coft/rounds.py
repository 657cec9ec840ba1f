"""Rounds of Phase I (paper, Section 3.3): fresh models learn the seeds of the round before.

CoFT is one round. In CoFT+ each model labels all images, keeps the top K per class by its own
confidence, and a model started again from the original CLIP learns those; no exchange in between.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from studio.coft.dual import DualPromptModel, Judgement
from studio.coft.events import Event, Judged, Monitor, Progress, Step, Warned
from studio.coft.first_labels import contradicted, support, with_first
from studio.coft.given import REJECTED, claimed_scores, given_weights, into_judged, with_claims
from studio.coft.hidden import TestViews
from studio.coft.judge import (
    clean_sets,
    own_clean_probability,
    peer_clean_probability,
    soft_weights,
)
from studio.coft.keeping import Part
from studio.coft.phase1 import Seeds, build_models, judge_all, phase_one
from studio.coft.selection import without_prior
from studio.coft.start import first_scores, seeds
from studio.coft.task import Task
from studio.coft.transduction import label_together
from studio.scores.graph import is_exact
from studio.settings import Settings

Models = tuple[DualPromptModel, DualPromptModel]

ROUNDS = "rounds"
"""The name of its part of a fit's state: what the rounds so far have learned."""

CONTRADICTED = (
    "The first labels were kept: what both models learned from the seeds contradicts them on more "
    "than four images in ten, so it cannot be trusted. This model may not know some of the class "
    "names; a few right labels, given on the Explore tab, would help most."
)


@dataclass(frozen=True)
class Learned:
    """What Phase I leaves behind.

    models: both, trained; log_odds: (2, N, C) of their p_clean; labels: (2, N), given ones worked
    in; clean: (2, N) bool, S_clean of both; weights: (2, N), what each label counts in Phase II,
    0 = nothing; seeds: images in the larger of the two seed sets; scores: (N, C) of both, by which
    they rank images for a further round, () after the last.
    """

    models: Models
    log_odds: Tensor
    labels: Tensor
    clean: Tensor
    weights: Tensor
    seeds: int
    scores: tuple[Tensor, ...] = ()

    def shared(self) -> Mapping[str, Any]:
        """What other ranks than the writer need of it, beside the models."""
        return {
            "labels": self.labels, "clean": self.clean, "weights": self.weights,
            "seeds": self.seeds, "scores": len(self.scores),
        }  # fmt: skip

    @classmethod
    def of_shared(cls, shared: Mapping[str, Any], *, models: Models) -> Learned:
        """The same on another rank: without log-odds and scores."""
        nothing = torch.empty(0)
        scores = (nothing,) * shared["scores"]
        return cls(**{**shared, "models": models, "log_odds": nothing, "scores": scores})


def phase_one_rounds(task: Task) -> Generator[Event, None, Learned]:
    """`settings.rounds` times: seeds, two fresh models, Phase I, labels for everything.

    The first round takes the same seeds for both models, from the zero-shot labels. A round that
    the user stopped is dropped in favour of the one before; the first is kept as far as it came.
    """
    settings, ranks = task.settings, task.ranks
    learned, begin = _taken(task)
    if learned is not None and not learned.scores:
        yield from task.kept.arrived(ROUNDS)
        return learned
    views: TestViews | None = None
    first = torch.empty(0)  # the writer's alone, as are all scores
    if ranks.writer:
        first = yield from first_scores(
            task.start,
            task.given,
            settings,
            device=task.space.image_mean.device,
            evidence=task.evidence,
            others=task.others,
            candidates=task.candidates,
        )
    yield from task.kept.arrived(ROUNDS)
    scores: Sequence[Tensor] = (first, first) if learned is None else learned.scores
    for number in range(begin, settings.rounds + 1):
        both = yield from ranks.once(_seed_sets(scores, task, number))
        models = build_models(task, round_number=number)
        views = views or TestViews(
            task.backbone, models[0].adapter, task.images, keep=settings.rounds > 1
        )
        training = phase_one(task, models=models, seeds=both, test_views=views, round_number=number)
        yield from _counted(training, number, settings.rounds)
        # Seeds are chosen in double precision; from here on that would be as much memory again.
        first, scores = first.float(), ()
        ranks.team(len(models)).exchange(models)
        if learned is not None and task.stop():
            return learned
        judgement = yield from judge_all(models, views, task.space.scale, ranks)
        seeds = max(len(indices) for indices, _, _ in both)
        learned = yield from ranks.once(
            _learned(task, models, judgement, first, number, seeds=seeds),
            told=Learned.shared,
            heard=partial(Learned.of_shared, models=models),
        )
        scores = learned.scores
        task.kept.holds(ROUNDS, _part(learned, number))
        if (yield from task.ends(ROUNDS, between=True)):
            break
    assert learned is not None  # there is at least one round
    return learned


def _learned(
    task: Task, models: Models, judgement: Judgement, first: Tensor, number: int, *, seeds: int
) -> Generator[Event, None, Learned]:
    """What a round comes to. first: (N, C) of the first labels; seeds: how many it learned."""
    settings, given = task.settings, task.given
    more = number < settings.rounds
    own_labels, assigned = yield from _assigned(judgement, first, task, keep=more)
    labels = with_claims(own_labels, task.claims)
    clean = clean_sets(judgement.log_odds, labels, rule=settings.filter)
    weights = clean.float()
    if settings.label_weights != "hard":
        weights = soft_weights(judgement.log_odds, labels, rule=settings.filter)
    if settings.label_weights == "neighbours":
        weights = weights * support(
            task.start.pictures, labels, given != REJECTED, device=task.space.image_mean.device,
            candidates=task.candidates if task.backbone.center else None,
        )  # fmt: skip
    labels, clean = into_judged(labels, clean, given)
    scores = _next_scores(assigned, judgement, settings) if more else ()
    learned = Learned(
        models=models,
        log_odds=judgement.log_odds,
        labels=labels,
        clean=clean,
        weights=given_weights(weights, given),
        seeds=seeds,
        scores=scores,
    )
    yield _judged(judgement, learned, number)
    return learned


def _part(learned: Learned, number: int) -> Part:
    """What a later fit needs of a round."""
    whole = {field.name: getattr(learned, field.name) for field in dataclasses.fields(learned)}
    return {**whole, "models": [model.state_dict() for model in learned.models], "number": number}


def _taken(task: Task) -> tuple[Learned | None, int]:
    """What the fit that goes on here had learned in its rounds, and the round to begin with."""
    part = task.kept.taken(ROUNDS)
    if part is None:
        return None, 1
    number = int(part.pop("number"))
    models = build_models(task, round_number=number)
    for model, state in zip(models, part.pop("models"), strict=True):
        model.load_state_dict(state)
    learned = Learned(**{**part, "models": models, "scores": tuple(part["scores"])})
    task.kept.holds(ROUNDS, _part(learned, number))
    return learned, number + 1


def _seed_sets(
    scores: Sequence[Tensor], task: Task, number: int
) -> Generator[Event, None, Sequence[Seeds]]:
    """Of both models; scores: (N, C) of both."""
    sets = list[Seeds]()
    for model, own in enumerate(scores[:1] if number == 1 else scores):
        indices, labels = yield from seeds(
            claimed_scores(own, task.claims), task.given, task.settings, round_number=number,
            model=None if number == 1 else model,
        )  # fmt: skip
        sets.append((indices, labels, own[indices]))
    return sets * 2 if number == 1 else sets


def _assigned(
    judgement: Judgement, first: Tensor, task: Task, *, keep: bool
) -> Generator[Event, None, tuple[Tensor, list[Tensor]]]:
    """(2, N) labels that each model gives: alone, or together in its own features; and, where
    `keep`, of each model the (N, C) that they are read from.

    first: (N, C) of the first labels, which count beside what the models have learned, and stand
    where the models contradict them too often.
    """
    weight = task.settings.first_label_weight
    if weight and contradicted(judgement.probabilities, first):
        yield Warned(CONTRADICTED)
        return first.argmax(-1).expand(2, -1), [first, first] if keep else []
    labels: list[Tensor] = []
    tables: list[Tensor] = []
    # One model at a time, and no table is kept that nobody asks for: each is N C numbers.
    for images, probabilities in zip(judgement.images, judgement.probabilities, strict=True):
        own = with_first(probabilities, first, weight=weight)
        if task.settings.transduction == "all":
            yield Progress("labelling together", len(labels) * len(own), 2 * len(own))
            own = label_together(
                images,
                own,
                task.given,
                device=task.space.image_mean.device,
                given_evidence=task.settings.given_evidence,
                anchor=task.settings.anchor,
                evidence=task.evidence,
                # Its own features have other neighbours, looked for as long as that is quick.
                candidates=None if is_exact(len(own)) else task.candidates,
            )
        labels.append(own.argmax(-1))
        if keep:
            tables.append(own)
        del own
    return torch.stack(labels), tables


def _next_scores(
    assigned: Sequence[Tensor], judgement: Judgement, settings: Settings
) -> tuple[Tensor, ...]:
    """(N, C) of both models by which they rank images for the next round."""
    return tuple(
        without_prior(
            _confidence(own, log_odds.sigmoid(), settings), power=settings.prior_correction
        )
        for own, log_odds in zip(assigned, judgement.log_odds, strict=True)
    )


def _confidence(assigned: Tensor, clean: Tensor, settings: Settings) -> Tensor:
    """(N, C) by which a model ranks images for the next round; both arguments: its own (N, C)."""
    if settings.round_score == "p_clean":
        return clean
    return assigned * clean if settings.round_score == "product" else assigned


def _counted(events: Iterator[Event], number: int, rounds: int) -> Iterator[Event]:
    """Steps and epochs of one round, counted through all of them, so that curves go on."""
    for event in events:
        if isinstance(event, Step):
            before = event.steps * (number - 1)
            yield dataclasses.replace(
                event,
                step=before + event.step,
                steps=event.steps * rounds,
                epoch=event.epochs * (number - 1) + event.epoch,
                epochs=event.epochs * rounds,
            )
        elif isinstance(event, Monitor):
            yield dataclasses.replace(
                event,
                epoch=event.epochs * (number - 1) + event.epoch,
                epochs=event.epochs * rounds,
            )
        else:
            yield event


def _judged(judgement: Judgement, learned: Learned, number: int) -> Judged:
    labels = learned.labels
    return Judged(
        labels=labels,
        clean_probability=peer_clean_probability(judgement.log_odds, labels),
        own_clean_probability=own_clean_probability(judgement.log_odds, labels),
        clean=learned.clean,
        confidence=judgement.probabilities.gather(2, labels[..., None])[..., 0],
        round_number=number,
    )
