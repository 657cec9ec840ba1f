"""The map: its points as the page gets them, and the same as a table.

The table is for keyboards and screen readers, and for whoever wants figures: a row per class with
its images, the noisy ones among them and the part of the map where most of them lie; each number is
a button that selects its images, as a lasso would.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import RunError
from studio.runs.map_points import Indices, Plane, fullest_ninths
from studio.runs.outcome import Outcome
from studio.views.numbers import count, index_of, plural
from studio.views.render import render

_NO_CLASS = 0xFFFF

ROWS = 300
"""Classes in the table at most, the largest ones."""

_DOWN, _ACROSS = ("bottom", "middle", "top"), ("left", "middle", "right")


def _columns(outcome: Outcome) -> dict[str, tuple[str, NDArray[np.bool_]]]:
    """Of each column its name and which images it counts."""
    everything = np.ones(len(outcome), bool)
    noisy = "not confident" if outcome.stage == "zero-shot" else "noisy"
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


def note(number: int, placed: int, images: int) -> str:
    """What is not drawn, in a sentence; empty when all is.

    number: points that are drawn, of `placed` images that have a place, of all `images`.
    """
    text = ""
    if number < placed:
        text = (
            f"{count(number)} of {count(placed)} images are drawn: the noisy ones and a sample of "
            "the rest. A lasso takes all that lie in it, drawn or not."
        )
    if placed < images:
        text += f" {plural(images - placed, 'image')} of the run can no longer be found."
    return text.strip()


def packed(
    indices: Indices, plane: Plane, stages: Mapping[str, Outcome], truth: Indices | None
) -> dict[str, Any]:
    """What the page needs of the drawn images, as little-endian arrays in base64.

    Returns:
        number, index (uint32), x, y (float32), truth (uint16, 65535 = not known) or "", and for
        each stage: label (uint16), clean, combined ("" = not known), confidence (uint8, 255 = 1)
        and flags (uint8: 1 = clean, 2 = the models disagree). With numbers in lists the same would
        be six times as long, and parsing it would hold up the page.
    """
    each = {
        name: {
            "label": _text(outcome.labels[indices], "<u2"),
            "clean": _share(outcome.clean_probability[indices]),
            "combined": "" if outcome.combined is None else _share(outcome.combined[indices]),
            "confidence": _share(outcome.confidence[indices]),
            "flags": _text(
                outcome.clean[indices].astype(np.uint8) + 2 * outcome.disagree[indices], "u1"
            ),
        }
        for name, outcome in stages.items()
    }
    known = "" if truth is None else np.where(truth < 0, _NO_CLASS, truth)[indices]
    return {
        "number": len(indices),
        "index": packed_indices(indices),
        "x": _text(plane[indices, 0], "<f4"),
        "y": _text(plane[indices, 1], "<f4"),
        "truth": known if isinstance(known, str) else _text(known, "<u2"),
        "stages": each,
    }


def packed_indices(indices: Indices) -> str:
    """Only which images they are (uint32)."""
    return _text(indices, "<u4")


def _text(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode("ascii")


def _share(values: NDArray[np.floating]) -> str:
    shares = np.nan_to_num(np.asarray(values, np.float64), nan=0.0).clip(0, 1)
    return _text(np.rint(255 * shares), "u1")
