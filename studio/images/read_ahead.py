"""Images that are asked for in turn are read ahead, while those before are worked on.

Who encodes or judges a folder asks for its images batch by batch. Between two batches the device is
at work, and the next batch is read in another thread: a GPU need not wait for canvases that are
compressed. Of several processes each asks for every so manieth batch, and has its next one read.
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
        self._gap = 0  # from where one batch began to where the next one did; 0: not known
        self._next: tuple[Numbers, Future[Pixels]] | None = None

    def batch(self, indices: Numbers) -> Pixels:
        """The images of these numbers (B,). Raises what reading them raises."""
        with self._lock:
            ahead, self._next = self._next, None
            before, self._gap = self._gap, _gap(self._last, indices)
            # One batch after the other may be chance where others lie between, but not twice.
            in_turn = self._gap > 0 and self._gap in (len(self._last), before)
            begin, self._last = int(indices[0]) + self._gap if in_turn else 0, indices
        if ahead is not None and np.array_equal(ahead[0], indices):
            found = ahead[1].result()
        else:
            found = self._gather(indices)
        if in_turn:
            self._begin(np.arange(begin, min(begin + len(indices), self._images)))
        return found

    def _begin(self, indices: Numbers) -> None:
        with self._lock:
            if not len(indices) or self._next is not None:
                return
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, thread_name_prefix="read ahead")
            self._next = indices, self._pool.submit(self._gather, indices)


def _gap(last: Numbers, indices: Numbers) -> int:
    """How much further a batch begins than the last one; 0 where it is not behind it, or not of
    consecutive images.
    """
    if len(indices) < 2 or not len(last) or indices[0] <= last[-1]:
        return 0
    return int(indices[0] - last[0]) if (np.diff(indices) == 1).all() else 0
