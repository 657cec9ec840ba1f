"""Several models' opinions of the same images, brought to one; how far each agrees with it.

Each model votes with its class probabilities. The consensus is their weighted mean, and a model
weighs as much as it seems to know (`say`), times how far its labels agree with the consensus beyond
chance (Cohen's kappa); consensus and weights are found in turns. So a model that the others do not
bear out loses its say. The idea is that of "self-adaptive optimal transport" (SOTA,
arXiv:2506.13723) and of ranking models by it (OSTB, arXiv:2606.08126); there all classes are forced
to be of equal size. Here their sizes come out of the votes: a folder may have more of one class.
(To bring each model's votes to the sizes of the consensus first was tried: on eight sets it changed
the accuracy of the consensus by less than a point.)

Without `say` the model in the middle comes first, not the best: of a good model, a fair one and a
poor one of one family, which err on the same images, the fair one agrees most with the rest.
Nothing here sees a label. What it cannot see: an error that most of the models share.
docs/lab-notes.md says how often the first was the best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Votes = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int64]

_ROUNDS = 10
_LEAST_WEIGHT = 1e-3
_TIE = 1.96  # standard deviations; less than so much apart is not apart


@dataclass(frozen=True)
class Standing:
    """Where a model stands among others.

    place: from 1, shared by models that are too close to call; agreement: share of the images to
    which it gives the consensus' label, in [0, 1]; weight: of its votes, all together 1.
    """

    place: int
    agreement: float
    weight: float


def rank_by_agreement(
    votes: Sequence[Votes], *, say: Sequence[float] | None = None
) -> list[Standing]:
    """Where each of M >= 1 models stands, in the order in which they are given.

    Two models are too close to call, and share a place, if the images on which only one of them
    agrees with the consensus are split between them as a fair coin might split them (McNemar's
    test at 5 %, against the best model of the place).

    votes: of each model the (n, C) class probabilities, of the same n >= 1 images and C classes;
    say: of each model, how much its votes weigh beside those of the others, above 0; None: alike.

    Raises:
        ValueError: the shapes differ.
    """
    shared, weights = consensus(votes, say=say)
    agrees = [labels_of(own) == labels_of(shared) for own in votes]
    order = sorted(range(len(votes)), key=lambda m: -int(agrees[m].sum()))  # stable
    standings: dict[int, Standing] = {}
    best, place = order[0], 1
    for number, m in enumerate(order, start=1):
        if not close(agrees[best], agrees[m]):
            best, place = m, number
        standings[m] = Standing(place, float(agrees[m].mean()), float(weights[m]))
    return [standings[m] for m in range(len(votes))]


def consensus(votes: Sequence[Votes], *, say: Sequence[float] | None = None) -> tuple[Votes, Votes]:
    """The (n, C) probabilities on which the models agree, and the (M,) weights of their votes.

    votes, say, errors: as of `rank_by_agreement`.
    """
    shapes = {own.shape for own in votes}
    if len(shapes) != 1 or len(shape := next(iter(shapes))) != 2 or not shape[0]:
        raise ValueError(f"votes of shapes {sorted(shapes)}: the same (n, C) of each needed")
    own_labels = [labels_of(own) for own in votes]
    first = np.ones(len(votes)) if say is None else np.asarray(say, dtype=np.float64)
    if len(first) != len(votes):
        raise ValueError(f"{len(first)} weights for {len(votes)} models")
    weights = first / first.sum()
    shared = _mean(votes, weights)
    for _ in range(_ROUNDS):
        found = labels_of(shared)
        kappas = [kappa(own, found, classes=shape[1]) for own in own_labels]
        weights = first * np.maximum(np.array(kappas), _LEAST_WEIGHT)
        weights = weights / weights.sum()
        shared = _mean(votes, weights)
    return shared, weights


def labels_of(probabilities: Votes) -> Labels:
    """(n,) the likeliest class of each image."""
    return np.asarray(probabilities.argmax(1), dtype=np.int64)


def kappa(first: Labels, second: Labels, *, classes: int) -> float:
    """Cohen's kappa of two labellings (n,): 1 = the same, 0 = as alike as by chance."""
    same = float((first == second).mean())
    shares = [np.bincount(labels, minlength=classes) / len(labels) for labels in (first, second)]
    chance = float(shares[0] @ shares[1])
    return (same - chance) / (1 - chance) if chance < 1 else 0.0


def _mean(votes: Sequence[Votes], weights: Votes) -> Votes:
    return np.asarray(sum(w * own for w, own in zip(weights, votes, strict=True)))


def close(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> bool:
    """Whether two models hit as many of n images, (n,) each, as far as can be told: McNemar."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    apart = abs(only_first - only_second)
    return apart == 0 or apart < _TIE * math.sqrt(only_first + only_second)
