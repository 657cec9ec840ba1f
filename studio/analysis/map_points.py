"""Which images of a run are drawn on a map, as the page gets them, and which lie within a line.

Planes are (N, 2); indices are of all N images, even where only some of them are drawn.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.runs.outcome import Outcome

DRAWN = 50_000
"""At most so many points are drawn: above, plotly's lasso lags behind the pointer."""
_CORNERS = 4_000
_NO_CLASS = 0xFFFF

Indices = NDArray[np.int64]
Plane = NDArray[np.float32]


def noisy(outcome: Outcome) -> NDArray[np.bool_]:
    """(N,) whether a label is noisy, or given by one model only."""
    return np.asarray(~outcome.clean | outcome.disagree)


def drawn(outcome: Outcome, *, limit: int = DRAWN) -> Indices:
    """Indices of the images to draw, ascending: all noisy ones and a sample of the rest.

    Where even these are too many, the least clean of them are drawn, and at most a fifth of the
    points is left to the rest, so that the map keeps its shape. The sample is the same each time.
    """
    number = len(outcome)
    if number <= limit:
        return np.arange(number)
    first, rest = np.flatnonzero(noisy(outcome)), np.flatnonzero(~noisy(outcome))
    most = limit - min(limit // 5, len(rest))
    if len(first) > most:
        first = first[np.argsort(outcome.clean_probability[first], kind="stable")[:most]]
    sample = np.random.default_rng(0).permutation(len(rest))[: limit - len(first)]
    return np.sort(np.concatenate([first, rest[sample]]))


def whole(plane: Plane, rows: Indices, number: int) -> Plane:
    """(number, 2): places of all images of a run, NaN for those that are gone."""
    if len(rows) == number:
        return plane
    places = np.full((number, 2), np.nan, np.float32)
    places[rows] = plane
    return places


def fullest_ninths(
    labels: NDArray[np.int64], plane: Plane, *, classes: int
) -> list[tuple[int, float]]:
    """Of each class the ninth of the map that holds most of it, and the share that lies there.

    Ninths are counted from the bottom left, row by row; the share is 0 for a class without a place.
    """
    placed = np.isfinite(plane).all(1) & (labels >= 0)
    ninths = np.clip(((plane[placed] + 1) * 1.5).astype(np.int64), 0, 2)
    cells = labels[placed] * 9 + ninths[:, 1] * 3 + ninths[:, 0]
    table = np.bincount(cells, minlength=9 * classes).reshape(classes, 9)
    shares = table.max(1) / np.maximum(1, table.sum(1))
    return list(zip(table.argmax(1).tolist(), shares.tolist(), strict=True))


def corners(xs: object, ys: object) -> NDArray[np.float64] | None:
    """(K, 2) corners of a polygon from what a page sent; None when that is no polygon."""
    if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
        return None
    if not 2 <= len(xs) <= _CORNERS or not all(_is_number(v) for v in (*xs, *ys)):
        return None
    return np.array([xs, ys], np.float64).T.clip(-1e6, 1e6)


def _is_number(value: object) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) < 1e300
        and math.isfinite(value)
    )


def in_box(plane: Plane, box: NDArray[np.float64]) -> Indices:
    """Indices of all points in the smallest upright rectangle around (K, 2) corners."""
    low, high = box.min(0), box.max(0)
    return np.flatnonzero(((plane >= low) & (plane <= high)).all(1))


def in_polygon(plane: Plane, polygon: NDArray[np.float64]) -> Indices:
    """Indices of all points within a polygon of (K, 2) corners that closes by itself.

    Where it crosses itself, a point is inside if a ray from it meets the line an odd number of
    times. Each edge is compared only with the points at its height, so that a lasso of hundreds of
    corners around 100,000 points takes milliseconds.
    """
    near = in_box(plane, polygon)
    points = np.asarray(plane[near], np.float64)
    order = np.argsort(points[:, 1], kind="stable")
    x, y = points[order, 0], points[order, 1]
    inside = np.zeros(len(order), bool)
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        # Each end belongs to the edge above it: a ray through a corner crosses one edge, not two.
        first, last = np.searchsorted(y, (min(y1, y2), max(y1, y2)), side="left")
        crossing = x1 + (y[first:last] - y1) * ((x2 - x1) / (y2 - y1))
        inside[first:last] ^= x[first:last] < crossing
    return np.sort(near[order[inside]])


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
