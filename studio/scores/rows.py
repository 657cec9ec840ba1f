"""Tables of images and classes that are read some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
PART_ROWS = 4096


class Rows(Protocol):
    """(N, C) numbers: an array, or what works rows out when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """N and C."""

    def __getitem__(self, rows: Any, /) -> FloatArray:
        """(n, C), the rows of a slice or of indices (n,)."""


def parts(
    values: Rows, images: npt.NDArray[np.integer] | None = None
) -> Iterator[tuple[slice, FloatArray]]:
    """The rows of some images, PART_ROWS at a time, and which of these images they are.

    images: (n,) indices; None: all N.
    """
    count = values.shape[0] if images is None else len(images)
    for begin in range(0, count, PART_ROWS):
        part = slice(begin, min(begin + PART_ROWS, count))
        yield part, values[part if images is None else images[part]]


def likeliest(values: Rows, images: npt.NDArray[np.integer] | None = None) -> npt.NDArray[np.int64]:
    """(n,) the class of the largest number of each row; images: as of `parts`."""
    found = np.empty(values.shape[0] if images is None else len(images), dtype=np.int64)
    for part, some in parts(values, images):
        found[part] = some.argmax(axis=1)
    return found
