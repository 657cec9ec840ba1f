"""The points of a map as the page gets them, and what is said about those it does not get."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.runs.map_points import Indices, Plane
from studio.runs.outcome import Outcome
from studio.views.numbers import count, plural

_NO_CLASS = 0xFFFF


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
