"""How good labels are, by more measures than the product shows; see `studio.scores.metrics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studio.scores.metrics import Labels, Mask, Scores, as_mask, compare, share


def clean_recall(labels: Labels, clean: Mask, truth: Labels | None) -> float | None:
    """Share of the right labels that are clean."""
    right, known = compare(labels, truth)
    return share(as_mask(clean, right)[known & right])


@dataclass(frozen=True)
class ClassScore:
    """One class. images: true members; labelled: images given this label, clean: of them the clean.

    recall: of the true members, the share labelled so (the class's accuracy); precision: of those
    labelled so, the share that is right; clean_precision: of those clean. Images of unknown truth
    count in `labelled` and `clean` only; without a truth `images` and the shares are None.
    """

    name: str
    images: int | None
    labelled: int
    clean: int
    recall: float | None
    precision: float | None
    clean_precision: float | None


def per_class(
    labels: Labels, clean: Mask | None, truth: Labels | None, *, class_names: Sequence[str]
) -> list[ClassScore]:
    """A row for each class, in the order of class_names. clean None: all count as clean."""
    labels = np.asarray(labels)
    right, known = compare(labels, truth)
    clean = np.ones(len(labels), dtype=bool) if clean is None else as_mask(clean, right)
    rows = []
    for number, name in enumerate(class_names):
        mine = labels == number
        members = np.asarray(truth) == number if truth is not None else np.zeros(0, dtype=bool)
        rows.append(
            ClassScore(
                name=name,
                images=int(members.sum()) if truth is not None else None,
                labelled=int(mine.sum()),
                clean=int((mine & clean).sum()),
                recall=share(right[members]) if truth is not None else None,
                precision=share(right[mine & known]),
                clean_precision=share(right[mine & known & clean]),
            )
        )
    return rows


def calibration_error(
    confidence: Scores, labels: Labels, truth: Labels | None, *, bins: int = 15
) -> float | None:
    """Expected calibration error: the mean gap between confidence and accuracy; 0 = none.

    confidence: (N,) probability of each label. Bins of equal width [Guo et al. 2017], weighted by
    their number of images.
    """
    right, known = compare(labels, truth)
    outcome, score = right[known], np.asarray(confidence, dtype=np.float64)[known]
    if not len(outcome):
        return None
    number = np.clip(np.ceil(score * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(number, weights=score - outcome, minlength=bins)
    return float(np.abs(gap).sum() / len(outcome))
