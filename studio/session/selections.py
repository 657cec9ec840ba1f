"""Selections: which images of which run, under an id that a page can carry.

A page never holds a list of images: it may be hundreds of thousands long, and gr.State is copied.
It holds an id, which every part of the Explore tab takes and gives; what it stands for is here.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
        self._known: OrderedDict[str, Selection] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, *, source: Source, indices: ArrayLike, text: str) -> str:
        """Keep a selection; its id, which cannot be guessed.

        Args:
            source: what they are images of.
            indices: (n,) into its images; of an index that comes twice the first is kept. Whoever
                calls has checked that they are in range.
            text: what was selected.
        """
        array = np.asarray(indices, dtype=np.int64).reshape(-1)
        _, first = np.unique(array, return_index=True)
        if len(first) < len(array):
            array = array[np.sort(first)]
        array = array.copy()
        array.flags.writeable = False
        key = secrets.token_urlsafe(12)
        with self._lock:
            self._known[key] = Selection(source, array, text)
            while len(self._known) > 1 and (
                len(self._known) > _SELECTIONS
                or sum(len(kept) for kept in self._known.values()) > _IMAGES
            ):
                self._known.popitem(last=False)
        return key

    def get(self, key: object) -> Selection | None:
        """What an id stands for, whatever a page may send; None when it is not known (any more)."""
        if not isinstance(key, str):
            return None
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found
