"""Images that are asked for in turn are read ahead, while those before are worked on.

Who encodes or judges a folder asks for its images batch by batch. Between two batches the device is
at work, and the next batch is read in another thread: a GPU need not wait for canvases that are
compressed.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from studio.forking import Lock
from studio.images.canvas_shards import Pixels

Numbers = npt.NDArray[np.int64]


class ReadAhead:
    """Batches of images, and of two that follow each other the third before it is asked for."""

    def __init__(self, gather: Callable[[Numbers], Pixels], *, images: int) -> None:
        """Take what reads a batch.

        Args:
            gather: numbers of images to their canvases, in any thread.
            images: how many there are.
        """
        self._gather, self._images = gather, images
        self._lock = Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._last: Numbers = np.empty(0, np.int64)
        self._next: tuple[Numbers, Future[Pixels]] | None = None

    def batch(self, indices: Numbers) -> Pixels:
        """The images of these numbers (B,). Raises what reading them raises."""
        with self._lock:
            ahead, self._next = self._next, None
            in_turn = _follows(indices, self._last)
            self._last = indices
        if ahead is not None and np.array_equal(ahead[0], indices):
            found = ahead[1].result()
        else:
            found = self._gather(indices)
        if in_turn:
            self._begin(
                np.arange(indices[-1] + 1, min(indices[-1] + 1 + len(indices), self._images))
            )
        return found

    def _begin(self, indices: Numbers) -> None:
        with self._lock:
            if not len(indices) or self._next is not None:
                return
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, thread_name_prefix="read ahead")
            self._next = indices, self._pool.submit(self._gather, indices)


def _follows(indices: Numbers, last: Numbers) -> bool:
    """Whether a batch is of consecutive images, and begins where the last one ended."""
    if len(indices) < 2 or not len(last) or indices[0] != last[-1] + 1:
        return False
    return bool((np.diff(indices) == 1).all())
