"""Class probabilities that no image's own label has had a part in, for finding wrong labels.

A classifier that was trained on a label agrees with it, wrong or not. So the images are split into
parts, and each part's probabilities come from a classifier that was fitted on the labels of all
other parts: cross-validation, as cleanlab asks for. What is fitted is logistic regression on
features that no label has had a part in either.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.progress import Progress
from studio.scores.neighbours import Floats, unit

PARTS = 5
STRENGTHS = (0.1, 1.0, 10.0)
"""Of the fit, from which the one is taken that foretells the labels of other parts best."""
TRIED_ON = 2000
"""Images on which the strength is chosen, at most."""
_SEED = 0
_STEPS = 300


@dataclass(frozen=True)
class OutOfSample:
    """probabilities: (n, C), each row sums to 1; parts: of the split; strength: of the fit."""

    probabilities: Floats
    parts: int
    strength: float


def out_of_sample(
    features: Floats,
    labels: NDArray[np.int64],
    *,
    classes: int,
    strengths: Sequence[float] = STRENGTHS,
    progress: Progress | None = None,
) -> OutOfSample:
    """Cross-validated class probabilities.

    A class that no other part has an image of gets 0.

    Args:
        features: (n, d) raw, of a model that was not trained on these labels.
        labels: (n,) in [0, C), right or wrong.
        classes: C.
        strengths: See `STRENGTHS`.
        progress: Told (images done, in all) of all fits together: the more images one is fitted to
            and leaves out, the longer it takes.
    """
    number = len(labels)
    scaled = unit(features) * np.float32(np.sqrt(features.shape[1]))
    part = _split(labels)
    parts = int(part.max(initial=0)) + 1
    chosen = strengths[0]
    tries = strengths if len(strengths) > 1 and parts > 1 else ()
    total, done = number + len(tries) * min(number, TRIED_ON), 0

    def tell(images: int) -> None:
        nonlocal done
        done += images
        if progress is not None:
            progress(done, total)

    tell(0)
    if tries:
        some = np.sort(np.random.default_rng(_SEED).permutation(number)[:TRIED_ON])
        tried = scaled[some], labels[some], part[some]
        losses = [_loss(_held_out(*tried, classes, each, tell), labels[some]) for each in tries]
        chosen = strengths[int(np.argmin(losses))]
    found = _held_out(scaled, labels, part, classes, chosen, tell)
    return OutOfSample(found, parts, chosen)


def _split(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) the part of each image: every class spread over all parts, at random."""
    order = np.random.default_rng(_SEED).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    part = np.empty(len(labels), np.int64)
    part[by_class] = np.arange(len(labels)) % PARTS
    return part


def _held_out(
    features: Floats,
    labels: NDArray[np.int64],
    part: NDArray[np.int64],
    classes: int,
    strength: float,
    tell: Callable[[int], None],
) -> Floats:
    """tell: told how many images more have their probabilities."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    found = np.zeros((len(labels), classes), np.float32)
    for one in np.unique(part):
        held, rest = part == one, part != one
        there = np.unique(labels[rest])
        if len(there) < 2:  # nothing to tell apart: the only class there is, else all alike
            found[held] = 1 / classes
            if len(there):
                found[held] = np.eye(classes, dtype=np.float32)[there[0]]
            tell(int(held.sum()))
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(C=strength, max_iter=_STEPS)
            model.fit(features[rest], labels[rest])
        shares = np.zeros((int(held.sum()), classes), np.float32)
        shares[:, model.classes_] = model.predict_proba(features[held])
        found[held] = shares
        tell(int(held.sum()))
    return found / found.sum(1, keepdims=True)


def _loss(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    own = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(own.clip(1e-6)).mean())
