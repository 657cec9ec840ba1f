"""Which classes the two models take for each other: a heat map whose cells open their images.

Rows are the label of model 1, columns that of the other model (or of the sub-folder, where the
truth is known). With many classes the most confused ones come first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.runs.outcome import Outcome
from studio.views.markup import details, empty, esc
from studio.views.numbers import count, plural

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
    known = (first >= 0) & (second >= 0)
    flat = np.bincount(first[known] * number + second[known], minlength=number * number)
    counts = flat.reshape(number, number).astype(np.int64)
    wrong = counts - np.diag(np.diag(counts))
    mass = wrong.sum(0) + wrong.sum(1)
    order = np.argsort(-mass, kind="stable")
    shown = tuple(int(c) for c in order[:SHOWN] if mass[c])
    return Confusion(counts, outcome.class_names, "the sub-folder" if truth else "model 2", shown)


def images_of(outcome: Outcome, row: int, column: int, *, truth: bool = False) -> Counts:
    """Indices of the images of one cell, the most suspicious first."""
    mine = (outcome.model_labels[0] == row) & (against(outcome, truth) == column)
    indices = np.flatnonzero(mine)
    return indices[np.argsort(outcome.cleanliness[indices], kind="stable")]


def heat_map(found: Confusion) -> str:
    """The heat map in HTML: a table whose filled cells are buttons, with row-column as the pick."""
    if not found.total:
        return empty(f"Model 1 and {found.columns} give the same label to every image here.")
    top = max(n for _, _, n in found.pairs())
    head = "".join(
        f'<th scope="col" title="{esc(found.class_names[c])}"><span>{esc(found.class_names[c])}'
        "</span></th>"
        for c in found.shown
    )
    body = "".join(_row(found, row, top) for row in found.shown)
    left = len(found.class_names) - len(found.shown)
    more = (
        f" {plural(left, 'class', 'classes')} that are confused less or never are left out."
        if left
        else ""
    )
    disputed = plural(found.total, "image")
    return (
        f'<p class="quiet">{disputed} on which model 1 and {esc(found.columns)} differ. Press a '
        f"number to see its images; the diagonal is where they agree.{more}</p>"
        '<div class="heat-wrap" tabindex="0" role="region" aria-label="Heat map of confusions">'
        f'<table class="heat"><caption class="hidden-text">Rows: what model 1 says. Columns: what '
        f"{esc(found.columns)} says. Numbers of images.</caption>"
        f'<thead><tr><td class="heat-corner"><span>model 1</span><span>{esc(found.columns)}</span>'
        f"</td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(found: Confusion, row: int, top: int) -> str:
    name = found.class_names[row]
    cells = "".join(_cell(found, row, column, top) for column in found.shown)
    return f'<tr><th scope="row" title="{esc(name)}"><span>{esc(name)}</span></th>{cells}</tr>'


def _cell(found: Confusion, row: int, column: int, top: int) -> str:
    images = int(found.counts[row, column])
    same = row == column
    if not images:
        return f'<td class="{"heat-same" if same else ""}"></td>'
    # A root, as counts are skewed: one large confusion would leave all others without a colour.
    share = (images / top) ** 0.5
    heat = 0 if same else 1 + sum(share > step for step in _STEPS)
    said = f"model 1 says {found.class_names[row]}, {found.columns} says "
    said += found.class_names[column]
    return (
        f'<td class="{"heat-same" if same else "heat-on"}">'
        f'<button type="button" data-pick="{row}-{column}" data-heat="{heat}" '
        f'title="{esc(said)}" aria-label="{esc(plural(images, "image"))}: {esc(said)}">'
        f"{count(images)}</button></td>"
    )


def pair_table(found: Confusion) -> str:
    """The same as a table of pairs, the most frequent first, in HTML to unfold."""
    pairs = found.pairs()
    if not pairs:
        return ""
    body = "".join(
        f"<tr><td>{esc(found.class_names[r])}</td><td>{esc(found.class_names[c])}</td>"
        f'<td class="num"><button type="button" class="link" data-pick="{r}-{c}">'
        f"{esc(plural(n, 'image'))}</button></td></tr>"
        for r, c, n in pairs[:_PAIRS]
    )
    more = (
        f'<p class="quiet">and {count(len(pairs) - _PAIRS)} more pairs</p>'
        if len(pairs) > _PAIRS
        else ""
    )
    head = (
        f'<tr><th scope="col">model 1 says</th><th scope="col">{esc(found.columns)} says</th>'
        '<th scope="col" class="num">images</th></tr>'
    )
    return details(
        "Confusions as a table",
        f'<div class="table-wrap"><table class="plain"><thead>{head}</thead>'
        f"<tbody>{body}</tbody></table></div>{more}",
        key="confusion-table",
    )


def cell(pick: str, classes: int) -> tuple[int, int] | None:
    """The (row, column) that a pick names; None when it is anything else."""
    first, _, second = pick.partition("-")
    if not all(t.isascii() and t.isdigit() and len(t) < 7 for t in (first, second)):
        return None
    row, column = int(first), int(second)
    return (row, column) if row < classes and column < classes else None
