"""How good labels are, against a truth that nothing but the scoring sees.

Everywhere: labels (N,) int; truth (N,) int with -1 = unknown, such images are left out, or None
when nothing is known. Every score is a float in [0, 1] and None where it is not defined: no truth,
no image left, one kind of outcome only.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer]
Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.floating]


def accuracy(labels: Labels, truth: Labels | None) -> float | None:
    """Share of images that carry their true label."""
    right, known = compare(labels, truth)
    return share(right[known])


def clustering_accuracy(labels: Labels, truth: Labels | None) -> float | None:
    """Accuracy after the classes have exchanged their names in the best way, one for one.

    What is left is the error of the groups; the rest of `accuracy`'s error is in how they are
    called. Labels of -1 belong to no group.
    """
    from scipy.optimize import linear_sum_assignment  # half a second to import

    _, known = compare(labels, truth)
    if truth is None or not known.any():
        return None
    given, true = np.asarray(labels)[known], np.asarray(truth)[known]
    classes = int(max(given.max(), true.max())) + 1
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (given[given >= 0], true[given >= 0]), 1)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(given))


def mean_known(scores: Iterable[float | None]) -> float | None:
    """Mean of the scores that are defined; None where none is."""
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None


def clean_fraction(clean: Mask) -> float | None:
    """Share of images that were kept as clean; needs no truth."""
    return share(np.asarray(clean, dtype=bool))


def clean_precision(labels: Labels, clean: Mask, truth: Labels | None) -> float | None:
    """Share of right labels among those kept as clean."""
    right, known = compare(labels, truth)
    return share(right[known & as_mask(clean, right)])


def belief_precision(labels: Labels, belief: Scores, truth: Labels | None) -> float | None:
    """Share of the belief (N,), at least 0, that lies on right labels."""
    right, known = compare(labels, truth)
    weight = np.asarray(belief, dtype=np.float64)[known]
    total = float(weight.sum())
    return float(weight[right[known]].sum()) / total if total > 0 else None


def auroc(clean_probability: Scores, labels: Labels, truth: Labels | None) -> float | None:
    """How well a cleanliness score ranks right labels above wrong ones: 1 = all, 0.5 = chance."""
    right, known = compare(labels, truth)
    outcome, score = right[known], np.asarray(clean_probability, dtype=np.float64)[known]
    if len(np.unique(outcome)) < 2 or not np.isfinite(score).all():
        return None
    # The share of pairs that are ranked well, from ranks: scikit-learn takes a second to import.
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # from 1 on; those that tie share theirs
    many = int(outcome.sum())
    pairs = many * (len(outcome) - many)
    return float((rank[outcome].sum() - many * (many + 1) / 2) / pairs)


def compare(labels: Labels, truth: Labels | None) -> tuple[Mask, Mask]:
    """Which labels are right, and for which images that is known. Raises ValueError on lengths."""
    labels = np.asarray(labels)
    if truth is None:
        return np.zeros(len(labels), dtype=bool), np.zeros(len(labels), dtype=bool)
    truth = np.asarray(truth)
    if labels.shape != truth.shape:
        raise ValueError(f"{labels.shape} labels against {truth.shape} true labels")
    return labels == truth, truth >= 0


def as_mask(clean: Mask, like: Mask) -> Mask:
    """A mask as bool. Raises ValueError when it is of another length."""
    mask = np.asarray(clean, dtype=bool)
    if mask.shape != like.shape:
        raise ValueError(f"a mask of {mask.shape} for {like.shape} labels")
    return mask


def share(values: Mask) -> float | None:
    """Share of true values; None of nothing."""
    return float(values.mean()) if len(values) else None
