"""Which classes the two models confuse: how often their labels meet.

Rows are the label of model 1, columns that of the other model, or of the sub-folder where the truth
is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.runs.outcome import Outcome

SHOWN = 24
"""Classes in the heat map: what a screen holds; all pairs stand in the table below it."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Confusion:
    """counts: (C, C), row = what model 1 says, column = what `columns` names says; shown: classes
    of the heat map, the most confused first.
    """

    counts: Counts
    class_names: tuple[str, ...]
    columns: str
    shown: tuple[int, ...]

    @property
    def total(self) -> int:
        """Images on which the two do not agree."""
        return int(self.counts.sum() - np.trace(self.counts))

    def pairs(self) -> list[tuple[int, int, int]]:
        """(row, column, images) of all confusions, the most frequent first."""
        rows, columns = np.nonzero(self.counts)
        found = [
            (int(r), int(c), int(self.counts[r, c]))
            for r, c in zip(rows, columns, strict=True)
            if r != c
        ]
        return sorted(found, key=lambda p: (-p[2], p[0], p[1]))


def against(outcome: Outcome, truth: bool) -> Counts:
    """(N,) what the labels of model 1 are held against: the other model's, or the truth."""
    if truth and outcome.truth is not None:
        return np.asarray(outcome.truth)
    return np.asarray(outcome.model_labels[1])


def confusion(outcome: Outcome, *, truth: bool = False, label: int | None = None) -> Confusion:
    """Count how the labels of model 1 meet those of the other model, or the truth.

    Args:
        outcome: a run's labels.
        truth: hold them against the sub-folders instead, as far as these are known.
        label: count images that either gives this label only; None = all.
    """
    number = len(outcome.class_names)
    first, second = outcome.model_labels[0], against(outcome, truth)
    both = (first >= 0) & (second >= 0)
    if label is not None:
        both &= (first == label) | (second == label)
    flat = np.bincount(first[both] * number + second[both], minlength=number * number)
    counts = flat.reshape(number, number).astype(np.int64)
    wrong = counts - np.diag(np.diag(counts))
    mass = wrong.sum(0) + wrong.sum(1)
    order = np.argsort(-mass, kind="stable")
    shown = tuple(int(c) for c in order[:SHOWN] if mass[c])
    return Confusion(counts, outcome.class_names, "the sub-folder" if truth else "model 2", shown)


def images_of(outcome: Outcome, row: int, column: int, *, truth: bool = False) -> Counts:
    """Indices of the images of one cell, least clean first."""
    mine = (outcome.model_labels[0] == row) & (against(outcome, truth) == column)
    return outcome.least_clean_first(np.flatnonzero(mine))
