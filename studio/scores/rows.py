"""Tables of images and classes that are read some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from studio.progress import Progress

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
    values: Rows,
    images: npt.NDArray[np.integer] | None = None,
    *,
    progress: Progress | None = None,
) -> Iterator[tuple[slice, FloatArray]]:
    """The rows of some images, PART_ROWS at a time, and which of these images they are.

    images: (n,) indices; None: all N. progress: told (rows done, n).
    """
    count = values.shape[0] if images is None else len(images)
    for begin in range(0, count, PART_ROWS):
        part = slice(begin, min(begin + PART_ROWS, count))
        yield part, values[part if images is None else images[part]]
        if progress is not None:
            progress(part.stop, count)


def likeliest(
    values: Rows,
    images: npt.NDArray[np.integer] | None = None,
    *,
    progress: Progress | None = None,
) -> npt.NDArray[np.int64]:
    """(n,) the class of the largest number of each row; images, progress: as of `parts`."""
    found = np.empty(values.shape[0] if images is None else len(images), dtype=np.int64)
    for part, some in parts(values, images, progress=progress):
        found[part] = some.argmax(axis=1)
    return found
