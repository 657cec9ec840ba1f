"""Rounds of Phase I (paper, Section 3.3): fresh models learn the seeds of the round before.

CoFT is one round. In CoFT+ each model labels all images, keeps the top K per class by its own
confidence, and a model started again from the original CLIP learns those; no exchange in between.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.clip.backbone import Backbone
from studio.clip.encode import Images
from studio.clip.space import Space
from studio.coft.claims import ranked, stand
from studio.coft.dual import DualPromptModel, Judgement
from studio.coft.events import Event, Judged, Monitor, Progress, Step
from studio.coft.given import given_weights, into_judged
from studio.coft.hidden import TestViews
from studio.coft.judge import beliefs, clean_sets, own_clean_probability, peer_clean_probability
from studio.coft.phase1 import build_models, judge_all, phase_one
from studio.coft.selection import without_prior
from studio.coft.start import ZeroShotStart, first_scores, seeds
from studio.coft.transduction import label_together
from studio.settings import Settings


@dataclass(frozen=True)
class Learned:
    """What Phase I leaves behind.

    models: both, trained; scores: (2, N, C) their p_clean; labels: (2, N), given ones worked in;
    clean: (2, N) bool, S_clean of both; weights: (2, N), what each label counts in Phase II, 0 =
    nothing; seeds: images in the larger of the two seed sets.
    """

    models: tuple[DualPromptModel, DualPromptModel]
    scores: Tensor
    labels: Tensor
    clean: Tensor
    weights: Tensor
    seeds: int


def phase_one_rounds(
    *,
    backbone: Backbone,
    class_names: Sequence[str],
    images: Images,
    start: ZeroShotStart,
    space: Space,
    given: Tensor,
    claims: Tensor,
    settings: Settings,
    monitor: Tensor,
    stop: Callable[[], bool],
) -> Generator[Event, None, Learned]:
    """`settings.rounds` times: seeds, two fresh models, Phase I, labels for everything.

    Args:
        backbone: frozen.
        class_names: C names.
        images: N images.
        start: zero-shot labels, from which the first round takes the same seeds for both models.
        space: the joint space on the backbone's device.
        given: (N,) see `studio.coft.given`.
        claims: (N,) see `studio.coft.claims`; -1 where there is none.
        settings: see `Settings`.
        monitor: indices of the images that both models label after each epoch.
        stop: asked before each batch. A round that was broken off is dropped in favour of the one
            before; the first is kept as far as it came.
    """
    learned: Learned | None = None
    views: TestViews | None = None
    device = space.image_mean.device
    first = yield from first_scores(start, given, settings, device=device)
    scores = [first, first]
    for number in range(1, settings.rounds + 1):
        best = [ranked(own, claims) for own in scores]
        both = yield from _seed_sets(best, given, settings, number)
        models = build_models(backbone, class_names, space, settings, round_number=number)
        views = views or TestViews(backbone, models[0].adapter, images, keep=settings.rounds > 1)
        training = phase_one(
            backbone=backbone,
            models=models,
            images=images,
            seeds=both,
            probabilities=scores,
            scale=space.scale,
            settings=settings,
            monitor=monitor,
            stop=stop,
            round_number=number,
        )
        yield from _counted(training, number, settings.rounds)
        if learned is not None and stop():
            return learned
        verdict = yield from judge_all(models, views, space.scale)
        assigned = yield from _assigned(verdict, given, settings, device)
        labels = stand(assigned.argmax(-1), claims)
        clean = clean_sets(verdict.clean, labels, rule=settings.filter)
        soft = settings.belief == "soft"
        weights = beliefs(verdict.clean, labels, rule=settings.filter) if soft else clean.float()
        labels, clean = into_judged(labels, clean, given)
        learned = Learned(
            models=models,
            scores=verdict.clean,
            labels=labels,
            clean=clean,
            weights=given_weights(weights, given),
            seeds=max(len(indices) for indices, _ in both),
        )
        yield _judged(verdict, learned, number)
        if stop():
            break
        scores = [
            without_prior(
                _confidence(own, own_clean.float(), settings), power=settings.prior_correction
            )
            for own, own_clean in zip(assigned, verdict.clean, strict=True)
        ]
    assert learned is not None  # there is at least one round
    return learned


def _seed_sets(
    scores: Sequence[Tensor], given: Tensor, settings: Settings, number: int
) -> Generator[Event, None, list[tuple[Tensor, Tensor]]]:
    if number == 1:
        return [(yield from seeds(scores[0], given, settings))] * 2
    sets = []
    for model, own in enumerate(scores):
        sets.append((yield from seeds(own, given, settings, round_number=number, model=model)))
    return sets


def _assigned(
    verdict: Judgement, given: Tensor, settings: Settings, device: torch.device
) -> Generator[Event, None, Tensor]:
    """(2, N, C) by which each model labels images: alone, or together in its own features."""
    if settings.transduction != "all":
        return verdict.probabilities
    together: list[Tensor] = []
    for images, own in zip(verdict.images, verdict.probabilities, strict=True):
        yield Progress("labelling together", len(together) * len(own), 2 * len(own))
        evidence = settings.given_evidence
        together.append(label_together(images, own, given, device=device, given_evidence=evidence))
    return torch.stack(together)


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


def _judged(verdict: Judgement, learned: Learned, number: int) -> Judged:
    labels = learned.labels
    return Judged(
        labels=labels,
        clean_probability=peer_clean_probability(verdict.clean, labels),
        own_clean_probability=own_clean_probability(verdict.clean, labels),
        clean=learned.clean,
        confidence=verdict.probabilities.gather(2, labels[..., None])[..., 0],
        round_number=number,
    )
