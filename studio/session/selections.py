"""Selections: which images of which run, under an id that a page can carry.

A page never holds a list of images: it may be hundreds of thousands long, and gr.State is copied.
It holds an id, which every part of the Explore tab takes and gives; what it stands for is here.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.cache import Cache
from studio.session.source import Source

_SELECTIONS = 256
_IMAGES = 10_000_000  # over all selections: 80 MB


@dataclass(frozen=True)
class Selection:
    """Images of one run, or of the images at hand.

    indices: (n,) into the run's images, without repetition, in the order to be shown; read-only.
    text: what was selected, for people ("12 images on the map", "near “a red car”").
    """

    source: Source
    indices: NDArray[np.int64]
    text: str

    def __len__(self) -> int:
        return len(self.indices)


class Selections:
    """The latest selections of all pages; the ones not used for longest are forgotten."""

    def __init__(self) -> None:
        # Each counts as so many images at least that no more than _SELECTIONS are kept.
        least = _IMAGES / _SELECTIONS
        self._kept: Cache[str, Selection] = Cache(
            most=_IMAGES, size=lambda selection: max(least, len(selection))
        )

    def put(self, *, source: Source, indices: ArrayLike, text: str) -> str:
        """Keep a selection; its id, which cannot be guessed.

        Args:
            source: what they are images of.
            indices: (n,) into its images; of an index that comes twice the first is kept. Whoever
                calls has checked that they are in range.
            text: what was selected.
        """
        array = np.asarray(indices, dtype=np.int64).reshape(-1)
        taken = np.zeros(array.max(initial=-1) + 1, bool)  # to sort a million takes longer
        taken[array] = True
        if np.count_nonzero(taken) < len(array):
            _, first = np.unique(array, return_index=True)
            array = array[np.sort(first)]
        array = array.copy()
        array.flags.writeable = False
        key = secrets.token_urlsafe(12)
        self._kept.get(key, lambda: Selection(source, array, text))
        return key

    def get(self, key: object) -> Selection | None:
        """What an id stands for, whatever a page may send; None when it is not known (any more)."""
        return self._kept.peek(key) if isinstance(key, str) else None
