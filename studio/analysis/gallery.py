"""Which images a gallery shows, in what order, a page at a time; and the classes in figures.

Works on the outcome of a run as plain numpy arrays. N images, C classes; clean probabilities are in
[0, 1], 1 = clean. Nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from studio.runs.outcome import Outcome

PAGE_SIZE = 24
"""Images per page and gallery: a screenful, and all that is ever sent at once."""

Item = TypeVar("Item")

Side = Literal["clean", "noisy"]

Order = Literal["up", "down", "turns"]
"""By cleanliness, rising or falling; turns: the cleanest image of each class, then the second of
each, and so on, the classes in their own order.
"""


@dataclass(frozen=True)
class Query:
    """What a gallery shows. class_index None = all classes."""

    side: Side
    class_index: int | None = None
    disagree_only: bool = False
    order: Order = "down"


@dataclass(frozen=True)
class Page(Generic[Item]):
    """One page of a list; `number` counts from 0."""

    shown: Sequence[Item]
    number: int = 0
    pages: int = 1
    total: int = 0
    first: int = 0

    @classmethod
    def of(cls, items: Sequence[Item], number: int, *, size: int) -> Page[Item]:
        """Page `number` of a list; one that is out of range is brought to the nearest page."""
        pages = max(1, -(-len(items) // size))
        number = min(max(0, number), pages - 1)
        first = number * size
        return cls(items[first : first + size], number, pages, len(items), first)

    @property
    def label(self) -> str:
        """`25–48 of 130`, or `none`."""
        if not self.total:
            return "none"
        return f"{self.first + 1}–{self.first + len(self.shown)} of {self.total:,}"


def select(outcome: Outcome, query: Query) -> NDArray[np.int64]:
    """Indices of all images that the query asks for, in order; ties in the order of the folder."""
    side = outcome.clean if query.side == "clean" else ~outcome.clean
    indices = np.flatnonzero(side & allowed(outcome, query.class_index, query.disagree_only))
    keys = outcome.cleanliness[indices]
    indices = indices[np.argsort(keys if query.order == "up" else -keys, kind="stable")]
    if query.order != "turns":
        return indices
    labels = outcome.labels[indices]
    by_class = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels - labels.min(initial=0))
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)  # where each image's class begins
    turns = np.empty_like(labels)
    turns[by_class] = np.arange(len(labels)) - first
    return indices[np.lexsort((labels, turns))]


def allowed(outcome: Outcome, class_index: int | None, disagree_only: bool) -> NDArray[np.bool_]:
    """(N,) which images have that label (None = any), and two opinions if these are asked for."""
    chosen = np.ones(len(outcome), bool)
    if class_index is not None:
        chosen &= outcome.labels == class_index
    if disagree_only:
        chosen &= outcome.disagree
    return chosen


def page_number(value: Any) -> int:
    """The number of a page as a browser may send it; 0 for what is none."""
    return value if isinstance(value, int) and abs(value) < 10**7 else 0


def page(indices: NDArray[np.int64], number: int) -> Page[int]:
    """A page of images; a number out of range is brought to the nearest page."""
    pages = Page.of(range(len(indices)), number, size=PAGE_SIZE)
    return replace(pages, shown=tuple(indices[list(pages.shown)].tolist()))


@dataclass(frozen=True)
class ClassRow:
    """One class in the overview. Shares in [0, 1]; accuracy None when the truth is unknown."""

    index: int
    name: str
    images: int
    clean: float
    clean_probability: float
    disagree: float
    accuracy: float | None


def class_rows(outcome: Outcome) -> list[ClassRow]:
    """All classes, least clean first; classes without images last."""
    classes, chosen = len(outcome.class_names), outcome.labels >= 0
    labels = outcome.labels[chosen]

    def sums(values: NDArray[np.generic] | None = None) -> NDArray[np.float64]:
        weights = None if values is None else values[chosen].astype(np.float64)
        return np.bincount(labels, weights, minlength=classes).astype(np.float64)

    images = sums()
    clean, sure, two = (
        sums(values) / np.maximum(1, images)
        for values in (outcome.clean, outcome.clean_probability, outcome.disagree)
    )
    right: list[float | None] = [None] * classes
    if outcome.truth is not None:
        known, correct = sums(outcome.truth >= 0), sums(outcome.truth == outcome.labels)
        right = [float(c) / float(k) if k else None for c, k in zip(correct, known, strict=True)]
    rows = [
        ClassRow(i, name, int(images[i]), float(clean[i]), float(sure[i]), float(two[i]), right[i])
        for i, name in enumerate(outcome.class_names)
    ]
    return sorted(rows, key=lambda r: (r.images == 0, r.clean, r.clean_probability))
