"""Rounds of Phase I (paper, Section 3.3): fresh models learn the seeds of the round before.

CoFT is one round. In CoFT+ each model labels all images, keeps the top K per class by its own
confidence, and a model started again from the original CLIP learns those; no exchange in between.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from studio.coft.dual import (
    NO_ODDS,
    ODDS_PART,
    DualPromptModel,
    Judgement,
    Judges,
    Odds,
    odds_of,
)
from studio.coft.events import Event, FitPart, FitState, Judged, Monitor, Step, Warned
from studio.coft.first_labels import contradicted, support, with_first
from studio.coft.given import REJECTED, given_weights, into_judged, with_claims
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
from studio.coft.start import chosen_seeds, seeds_shown
from studio.coft.task import Task
from studio.coft.together import labelling_together
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

    models: both, trained; odds: of their p_clean, for all images and classes; labels: (2, N), given
    ones worked in; clean: (2, N) bool, S_clean of both; weights: (2, N), what each label counts in
    Phase II, 0 = nothing; seeds: images in the larger of the two seed sets; further: the seeds of
    both for a further round, () after the last; first_kept: the first labels stand, because the
    models contradict them or have learned nothing.
    """

    models: Models
    odds: Odds
    labels: Tensor
    clean: Tensor
    weights: Tensor
    seeds: int
    further: tuple[Seeds, ...] = ()
    first_kept: bool = False

    def shared(self) -> Mapping[str, Any]:
        """What other ranks than the writer need of it, beside the models."""
        return {
            "labels": self.labels, "clean": self.clean, "weights": self.weights,
            "seeds": self.seeds, "further": self.further, "first_kept": self.first_kept,
        }  # fmt: skip

    @classmethod
    def of_shared(cls, shared: Mapping[str, Any], *, models: Models) -> Learned:
        """The same on another rank: without log-odds."""
        return cls(**{**shared, "models": models, "odds": NO_ODDS})


def phase_one_rounds(task: Task) -> Generator[Event, None, Learned]:
    """`settings.rounds` times: seeds, two fresh models, Phase I, labels for everything.

    The first round takes the same seeds for both models, from the zero-shot labels. A round that
    the user stopped is dropped in favour of the one before; the first is kept as far as it came.
    """
    settings, ranks = task.settings, task.ranks
    learned, begin = _taken(task)
    if learned is not None and not learned.further:
        yield from task.kept.arrived(ROUNDS)
        return learned
    views: TestViews | None = None
    first = torch.empty(0)  # the writer's alone
    if ranks.writer:
        first = yield from task.first_scores()
    yield from task.kept.arrived(ROUNDS)
    for number in range(begin, settings.rounds + 1):
        both = yield from ranks.once(_seed_sets(first, task, number, learned))
        models = build_models(task, round_number=number)
        views = views or TestViews(
            task.backbone, models[0].adapter, task.images, keep=settings.rounds > 1
        )
        training = phase_one(task, models=models, seeds=both, test_views=views, round_number=number)
        trained = yield from _counted(training, number, settings.rounds)
        # Seeds are chosen in double precision; from here on that would be as much memory again.
        first = first.float()
        ranks.team(len(models)).exchange(models)
        if learned is not None and task.stop():
            return learned
        seeds = max(len(indices) for indices, _, _ in both)
        del both, training
        judgement = yield from judge_all(models, views, task.space.scale, ranks)
        # What the round before says of all images makes room.
        learned = None
        task.kept.forgets(ROUNDS)
        learned = yield from ranks.once(
            _learned(task, models, judgement, first, number, seeds=seeds, trained=trained),
            told=Learned.shared,
            heard=partial(Learned.of_shared, models=models),
        )
        del judgement
        task.kept.holds(ROUNDS, _part(learned, number))
        if (yield from task.ends(ROUNDS, between=True)):
            break
    assert learned is not None  # there is at least one round
    return learned


def _learned(
    task: Task,
    models: Models,
    judges: Judges,
    first: Tensor,
    number: int,
    *,
    seeds: int,
    trained: bool,
) -> Generator[Event, None, Learned]:
    """What a round comes to. first: (N, C) of the first labels; seeds: how many it learned."""
    settings, given = task.settings, task.given
    more = number < settings.rounds
    own_labels, further, kept = yield from _assigned(
        judges, first, task, further=more, trained=trained
    )
    labels = with_claims(own_labels, task.claims)
    stand, _ = into_judged(labels, torch.ones_like(labels, dtype=torch.bool), given)
    clean, weights, of_peer, of_own, confidence = map(
        partial(torch.cat, dim=1),
        zip(
            *(
                _weighed(judges.of(rows), labels[:, rows], stand[:, rows], settings)
                for rows in judges.parts
            ),
            strict=True,
        ),
    )
    if settings.label_weights == "neighbours":
        weights = weights * support(
            task.start.pictures, stand, given != REJECTED, device=task.space.image_mean.device,
            candidates=task.candidates if task.backbone.center else None,
        )  # fmt: skip
    labels, clean = into_judged(labels, clean, given)
    learned = Learned(
        models=models,
        odds=judges.lasting(),
        labels=labels,
        clean=clean,
        weights=given_weights(weights, given),
        seeds=seeds,
        further=tuple(further),
        first_kept=kept,
    )
    yield Judged(
        labels=labels,
        clean_probability=of_peer,
        own_clean_probability=of_own,
        clean=clean,
        confidence=confidence,
        round_number=number,
    )
    return learned


def _weighed(
    said: Judgement, labels: Tensor, stand: Tensor, settings: Settings
) -> tuple[Tensor, ...]:
    """Of n images, (2, n) each: which labels are clean, what they weigh, p_clean under the peer and
    under the model itself, and the confidence. stand: the labels with given ones worked in, of
    which the last three are.
    """
    clean = clean_sets(said.log_odds, labels, rule=settings.filter)
    weights = clean.float()
    if settings.label_weights != "hard":
        weights = soft_weights(said.log_odds, labels, rule=settings.filter)
    return (
        clean,
        weights,
        peer_clean_probability(said.log_odds, stand),
        own_clean_probability(said.log_odds, stand),
        said.probabilities.gather(2, stand[..., None])[..., 0],
    )


def _part(learned: Learned, number: int) -> Part:
    """What a later fit needs of a round."""
    whole = {field.name: getattr(learned, field.name) for field in dataclasses.fields(learned)}
    del whole["odds"]
    models = [model.state_dict() for model in learned.models]
    return {**whole, **learned.odds.part(), "models": models, "number": number}


def for_helpers(state: FitState) -> FitState:
    """What other ranks than the writer need of a state: all but the log-odds of all images, which
    are gigabytes where these are many.
    """
    part = state.parts.get(ROUNDS)
    if part is None:
        return state
    tensors = {
        name: own for name, own in part.tensors.items() if name.partition(".")[0] not in ODDS_PART
    }
    values = {name: own for name, own in part.values.items() if name not in ODDS_PART}
    return FitState(state.at, {**state.parts, ROUNDS: FitPart(tensors, values)})


def _taken(task: Task) -> tuple[Learned | None, int]:
    """What the fit that goes on here had learned in its rounds, and the round to begin with."""
    part = task.kept.taken(ROUNDS)
    if part is None:
        return None, 1
    number = int(part.pop("number"))
    models = build_models(task, round_number=number)
    for model, state in zip(models, part.pop("models"), strict=True):
        model.load_state_dict(state)
    odds = odds_of(part, device=task.space.image_mean.device)
    for name in ODDS_PART:
        part.pop(name, None)
    # Earlier versions kept the tables (N, C) that the seeds of a further round are chosen from.
    further = [_seeds_of(own, task) for own in part.pop("scores", ())]
    further += [(indices, labels, likely) for indices, labels, likely in part.pop("further", ())]
    learned = Learned(**{**part, "odds": odds, "models": models, "further": tuple(further)})
    task.kept.holds(ROUNDS, _part(learned, number))
    return learned, number + 1


def _seed_sets(
    first: Tensor, task: Task, number: int, learned: Learned | None
) -> Generator[Event, None, Sequence[Seeds]]:
    """Of both models: chosen from the first scores (N, C), or what the round before has chosen."""
    sets = [_seeds_of(first, task)] if learned is None else learned.further
    for model, (indices, labels, likely) in enumerate(sets):
        yield from seeds_shown(
            indices, labels, classes=likely.shape[1], round_number=number,
            model=None if learned is None else model,
        )  # fmt: skip
    return list(sets) * 2 if learned is None else sets


def _seeds_of(scores: Tensor, task: Task) -> Seeds:
    """The seeds that scores (N, C) tell."""
    indices, labels = chosen_seeds(scores, task.given, task.settings, claims=task.claims)
    return indices, labels, scores[indices]


def _assigned(
    judges: Judges, first: Tensor, task: Task, *, further: bool, trained: bool
) -> Generator[Event, None, tuple[Tensor, list[Seeds], bool]]:
    """(2, N) labels that each model gives: alone, or together in its own features; where
    `further`, the seeds of each for the next round; and whether the first labels were kept.

    first: (N, C) of the first labels, which count beside what the models have learned, and stand
    where the models contradict them too often, or are not trained.
    """
    weight, best = task.settings.first_label_weight, first.argmax(-1)
    kept = not trained
    if trained and weight:
        alone = torch.cat([judges.of(rows).labels for rows in judges.parts], 1)
        if contradicted(alone, best, task.given != REJECTED):
            yield Warned(CONTRADICTED)
            kept = True
    if kept:
        of_first = [_next_seeds(first.clone(), judges, model, task) for model in range(2 * further)]
        return best.expand(2, -1), of_first, True
    labels: list[Tensor] = []
    seeds: list[Seeds] = []
    device = task.space.image_mean.device
    # One model at a time, and no table is kept that nobody asks for: each is N C numbers.
    for model in range(2):
        own = torch.empty(first.shape)
        for rows in judges.parts:
            said = judges.of(rows, models=slice(model, model + 1)).probabilities[0]
            own[rows] = with_first(said, first[rows], weight=weight)
        if task.settings.transduction == "all":
            own = yield from labelling_together(
                judges.pictures(model),
                own,
                task.given,
                device=device,
                given_evidence=task.settings.given_evidence,
                anchor=task.anchor,
                evidence=task.evidence,
                # Its own features have other neighbours, looked for as long as that is quick.
                candidates=None if is_exact(len(own)) else task.candidates,
                overwrite=True,
                stop=task.stop_alone,
                part=(model, 2),
            )
        labels.append(own.argmax(-1))
        if further:
            seeds.append(_next_seeds(own, judges, model, task))
        del own
    return torch.stack(labels), seeds, False


def _next_seeds(own: Tensor, judges: Judges, model: int, task: Task) -> Seeds:
    """A model's seeds for the next round; own: (N, C), what its labels are read from, which makes
    room for the scores that it ranks images by.

    p_clean ranks by log-odds: in float32 it is 1 from 17 on, and images that differ would be equal.
    It ranks a model's own labels and gives none of its own.
    """
    rule = task.settings.round_score
    if rule == "p_clean":
        labels, ranks = own.argmax(-1), torch.empty(own.shape, dtype=torch.float32)
        for rows in judges.parts:
            ranks[rows] = judges.of(rows, models=slice(model, model + 1)).log_odds[0]
        claims = torch.where(task.claims >= 0, task.claims, labels)
        indices, labels = chosen_seeds(ranks, task.given, task.settings, claims=claims)
        return indices, labels, own[indices].float()
    scores = own
    if rule == "product":
        for rows in judges.parts:
            odds = judges.of(rows, models=slice(model, model + 1)).log_odds[0]
            scores[rows] = own[rows] * odds.to(own.dtype).sigmoid()
    power = task.settings.prior_correction
    return _seeds_of(without_prior(scores, power=power, overwrite=True), task)


def _counted(
    events: Generator[Event, None, bool], number: int, rounds: int
) -> Generator[Event, None, bool]:
    """Steps and epochs of one round, counted through all of them, so that curves go on; whether
    anything was learned.
    """
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return end.value is not False
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
