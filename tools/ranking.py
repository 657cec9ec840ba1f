"""How well a cleanliness score finds wrong labels, measured as detectors of label errors are.

Everywhere: score (N,), higher = cleaner; wrong (N,) bool, what is to be found. Ties are broken by
index. Quantities that are not defined (nothing wrong, nothing right) are None.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Score = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Ranking:
    """Shares in [0, 1].

    auroc: of pairs of a right and a wrong label, those ranked right; auprc: average precision of
    finding wrong labels, whose chance level is error_rate; precision_100, recall_100: among the 100
    most suspicious labels (all, where there are fewer); precision_errors: among as many as are
    wrong, where precision and recall are the same; lift_100: precision_100 / error_rate.
    """

    images: int
    error_rate: float
    auroc: float | None
    auprc: float | None
    precision_100: float | None
    recall_100: float | None
    precision_errors: float | None
    lift_100: float | None


def ranking(score: Score, wrong: Mask) -> Ranking:
    """Raises ValueError for lengths that differ or scores that are not finite."""
    score, wrong = _checked(score, wrong)
    errors, count = int(wrong.sum()), len(wrong)
    if errors in (0, count):
        rate = errors / count if count else 0.0
        return Ranking(count, rate, None, None, None, None, None, None)
    found = wrong[np.argsort(score, kind="stable")]  # most suspicious first
    first = min(100, count)
    hits = int(found[:first].sum())
    rate = errors / count
    return Ranking(
        images=count,
        error_rate=rate,
        auroc=_auroc(score, wrong),
        auprc=_average_precision(score, wrong),
        precision_100=hits / first,
        recall_100=hits / errors,
        precision_errors=float(found[:errors].mean()),
        lift_100=hits / first / rate,
    )


@dataclass(frozen=True)
class Difference:
    """AUROC of one score less that of another on the same labels; low, high: 95 % interval."""

    mean: float
    low: float
    high: float


def paired_bootstrap(
    score: Score, other: Score, wrong: Mask, *, repeats: int = 1000, seed: int = 0
) -> Difference:
    """The difference of two AUROCs with its interval, over images drawn again and again.

    Both scores see the same draws, so that what they share cancels out. Draws without a right or
    without a wrong label are left out.

    Raises:
        ValueError: Lengths differ, scores are not finite, or there is nothing to tell apart.
    """
    score, wrong = _checked(score, wrong)
    other, _ = _checked(other, wrong)
    if not wrong.any() or wrong.all():
        raise ValueError("all labels are right, or all are wrong")
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(repeats):
        drawn = rng.integers(0, len(wrong), len(wrong))
        sample = wrong[drawn]
        if sample.any() and not sample.all():
            differences.append(_auroc(score[drawn], sample) - _auroc(other[drawn], sample))
    low, high = np.quantile(differences, (0.025, 0.975)) if differences else (-1.0, 1.0)
    return Difference(_auroc(score, wrong) - _auroc(other, wrong), float(low), float(high))


def _auroc(score: Score, wrong: Mask) -> float:
    """By the sum of ranks: a hundred times as fast as building the curve, equal to it."""
    values, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    del values
    rank = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]  # ties share their mean rank
    right = ~wrong
    n_right, n_wrong = int(right.sum()), int(wrong.sum())
    return float((rank[right].sum() - n_right * (n_right + 1) / 2) / (n_right * n_wrong))


def _average_precision(score: Score, wrong: Mask) -> float:
    """Ties count as one threshold, as in scikit-learn."""
    _, inverse = np.unique(score, return_inverse=True)
    hits = np.bincount(inverse, weights=wrong)
    seen = np.cumsum(np.bincount(inverse))
    return float((hits / wrong.sum() * np.cumsum(hits) / seen).sum())


def _checked(score: Score, wrong: Mask) -> tuple[Score, Mask]:
    score, wrong = np.asarray(score, dtype=np.float64), np.asarray(wrong, dtype=bool)
    if score.shape != wrong.shape or score.ndim != 1:
        raise ValueError(f"{score.shape} scores for {wrong.shape} labels")
    if not np.isfinite(score).all():
        raise ValueError("a score is not a number")
    return score, wrong
