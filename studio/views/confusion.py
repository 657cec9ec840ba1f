"""Which classes the two models confuse: a heat map whose cells open their images.

With many classes the most confused ones come first.
"""

from __future__ import annotations

from typing import Any

from studio.analysis.confusion import Confusion
from studio.numbers import index_of
from studio.views.render import render

_PAIRS = 200
_STEPS = (0.4, 0.6, 0.8)  # four steps of colour, each with a text that can be read on it


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
    row, column = index_of(first, classes), index_of(second, classes)
    return None if row is None or column is None else (row, column)
