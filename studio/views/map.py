"""The map as a table, for keyboards and screen readers, and for whoever wants figures.

It has a row per class with its images, the noisy ones among them and the part of the map where most
of them lie; each number is a button that selects its images, as a lasso would.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.analysis.map_points import Indices, Plane, fullest_ninths
from studio.errors import RunError
from studio.numbers import count, index_of, plural
from studio.runs.outcome import Outcome
from studio.views.render import render

ROWS = 300
"""Classes in the table at most, the largest ones."""

_DOWN, _ACROSS = ("bottom", "middle", "top"), ("left", "middle", "right")


def _columns(outcome: Outcome) -> dict[str, tuple[str, NDArray[np.bool_]]]:
    """Of each column its name and which images it counts."""
    everything = np.ones(len(outcome), bool)
    noisy = "noisy" if outcome.judged else "not confident"
    return {
        "all": ("images", everything),
        "noisy": (noisy, ~outcome.clean),
        "disagree": ("models disagree", outcome.disagree),
    }


def table(outcome: Outcome, plane: Plane) -> str:
    """The table. plane: (N, 2) places in [-1, 1], NaN for images that have none."""
    classes, columns = len(outcome.class_names), _columns(outcome)
    counts = {
        key: np.bincount(outcome.labels[chosen], minlength=classes)
        for key, (_, chosen) in columns.items()
    }
    order = np.argsort(-counts["all"], kind="stable")[:ROWS].tolist()
    regions = [_region(*r) for r in fullest_ninths(outcome.labels, plane, classes=classes)]
    rows = [("all", "All classes", {key: int(n.sum()) for key, n in counts.items()}, "")]
    rows += [
        (str(c), outcome.name(c), {key: int(n[c]) for key, n in counts.items()}, regions[c])
        for c in order
        if counts["all"][c]
    ]
    return render(
        "explore/map_table.html",
        columns={key: name for key, (name, _) in columns.items()},
        rows=rows,
        left_out=ROWS if classes > ROWS else 0,
    )


def _region(ninth: int, share: float) -> str:
    """`top left, 60 %`; empty where no image of a class has a place."""
    if not share:
        return ""
    down, across = _DOWN[ninth // 3], _ACROSS[ninth % 3]
    name = "middle" if down == across == "middle" else f"{down} {across}"
    return f"{name}, {round(100 * share)} %"


def picked(outcome: Outcome, pick: object) -> tuple[Indices, str]:
    """The images of a cell and what they are, from what a page sent.

    Raises:
        RunError: there is no such cell.
    """
    label, _, column = pick.partition(":") if isinstance(pick, str) else ("", "", "")
    columns, text = _columns(outcome), "images"
    if column not in columns:
        raise RunError("There is no such row in the table.")
    name, chosen = columns[column]
    if label != "all":
        index = index_of(label, len(outcome.class_names))
        if index is None:
            raise RunError("There is no such class.")
        chosen = chosen & (outcome.labels == index)
        text = f"labelled {outcome.name(index)}"
    found = np.flatnonzero(chosen)
    return found, f"{count(len(found))} {text}" + ("" if column == "all" else f", {name}")


def note(number: int, placed: int, images: int, *, noisy: int = 0) -> str:
    """What is not drawn, in a sentence; empty when all is.

    number: points that are drawn, of `placed` images that have a place, of all `images`; noisy: how
    many of them would be drawn first.
    """
    text = ""
    if number < placed:
        first = "noisy ones" if noisy < number else "least clean ones"
        text = (
            f"{count(number)} of {count(placed)} images are drawn: the {first} and a sample of "
            "the rest. A lasso takes all that lie in it, drawn or not."
        )
    if placed < images:
        text += f" {plural(images - placed, 'image')} of the run can no longer be found."
    return text.strip()
