"""Which classes the two models confuse: a heat map whose cells open their images.

Rows are the label of model 1, columns that of the other model (or of the sub-folder, where the
truth is known). With many classes the most confused ones come first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.runs.outcome import Outcome
from studio.views.render import render

SHOWN = 24
"""Classes in the heat map: what a screen holds; all pairs stand in the table below it."""

_PAIRS = 200
_STEPS = (0.4, 0.6, 0.8)  # four steps of colour, each with a text that can be read on it

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


def confusion(outcome: Outcome, *, truth: bool = False, only: Counts | None = None) -> Confusion:
    """Count how the labels of model 1 meet those of the other model, or the truth.

    Args:
        outcome: a run's labels.
        truth: hold them against the sub-folders instead, as far as these are known.
        only: indices of the images to count; None = all.
    """
    number = len(outcome.class_names)
    first, second = outcome.model_labels[0], against(outcome, truth)
    if only is not None:
        first, second = first[only], second[only]
    both = (first >= 0) & (second >= 0)
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
    indices = np.flatnonzero(mine)
    return indices[np.argsort(outcome.cleanliness[indices], kind="stable")]


def heat_map(found: Confusion) -> str:
    """The heat map in HTML: a table whose filled cells are buttons, with row-column as the pick;
    and to unfold, the same as a table of pairs, the most frequent first.
    """
    pairs, names = found.pairs(), found.class_names
    top = max((n for _, _, n in pairs), default=0)
    return render(
        "explore/confusion.html",
        total=found.total,
        columns=found.columns,
        head=[names[c] for c in found.shown],
        rows=[(names[r], [_cell(found, r, c, top) for c in found.shown]) for r in found.shown],
        left_out=len(names) - len(found.shown),
        pairs=[(names[r], names[c], f"{r}-{c}", n) for r, c, n in pairs[:_PAIRS]],
        more_pairs=max(0, len(pairs) - _PAIRS),
    )


def _cell(found: Confusion, row: int, column: int, top: int) -> dict[str, Any]:
    """One cell. heat: 0 on the diagonal, else 1 to 4."""
    images, same = int(found.counts[row, column]), row == column
    # A root, as counts are skewed: one large confusion would leave all others without a colour.
    share = (images / top) ** 0.5 if top else 0.0
    names = found.class_names
    return {
        "images": images,
        "same": same,
        "pick": f"{row}-{column}",
        "heat": 0 if same else 1 + sum(share > step for step in _STEPS),
        "spoken": f"model 1 says {names[row]}, {found.columns} says {names[column]}",
    }


def cell(pick: str, classes: int) -> tuple[int, int] | None:
    """The (row, column) that a pick names; None when it is anything else."""
    first, _, second = pick.partition("-")
    if not all(t.isascii() and t.isdigit() and len(t) < 7 for t in (first, second)):
        return None
    row, column = int(first), int(second)
    return (row, column) if row < classes and column < classes else None
