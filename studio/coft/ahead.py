"""The views of the next batch are made while the device learns this one [studio].

A GPU learns a batch in less time than a thread takes to read its images and to cut views from them;
made in turn, it would wait at every step. Every number is the same as in turn: what is made ahead
draws from copies of the random streams, which are brought that far when its batch has its turn. So
a fit can be kept, stopped and resumed between any two batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from threadpoolctl import ThreadpoolController
from torch import Generator, Tensor

from studio.clip.encode import pinned
from studio.coft.views import Each
from studio.images.decoding_many import workers

Made = tuple[Tensor, ...]
"""What is made of a batch, on the CPU."""
Make = Callable[[Tensor, Sequence[Generator], Each], Made]
"""Of a batch, drawing from these streams; the last argument maps a function over its images."""


@dataclass(frozen=True)
class _Coming:
    """A batch that is made ahead. before: of its streams, when it was begun; streams: copies."""

    batch: Tensor
    before: list[Tensor]
    streams: list[Generator]
    made: Future[Made]


class Ahead:
    """What is made of each batch, and of the one after it meanwhile.

    An epoch's first batch is made in turn, for nobody knows yet what it will be.
    """

    def __init__(self, make: Make, *, device: torch.device) -> None:
        """make: called in another thread too, for one batch at a time; device: where it goes."""
        self._make, self._device = make, device
        self._thread: ThreadPoolExecutor | None = None
        # Without a GPU all cores are at work on the batch before, and it takes them far longer.
        gpu = device.type != "cpu"
        self._cutters = ThreadPoolExecutor(workers(), initializer=_one_core) if gpu else None
        self._coming: _Coming | None = None

    def of(self, batch: Tensor, streams: Sequence[Generator], *, then: Tensor | None) -> Made:
        """What is made of a batch, and `then`, if any, is begun.

        batch: what `make` takes; streams: what it draws from; then: the next batch, the same.
        Raises what `make` raises, when the batch has its turn.
        """
        found = self._taken(batch, streams)
        if found is None:
            found = self._whole(batch, streams)
        if then is not None:
            self._begin(then, streams)
        return found

    def _taken(self, batch: Tensor, streams: Sequence[Generator]) -> Made | None:
        coming, self._coming = self._coming, None
        if coming is None or not torch.equal(coming.batch, batch):
            return None
        states = [own.get_state() for own in streams]
        if not all(torch.equal(*pair) for pair in zip(coming.before, states, strict=True)):
            return None  # somebody else drew from them meanwhile
        found = coming.made.result()
        for own, copy in zip(streams, coming.streams, strict=True):
            own.set_state(copy.get_state())
        return found

    def _begin(self, batch: Tensor, streams: Sequence[Generator]) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="views")
        before = [own.get_state() for own in streams]
        copies = [Generator().set_state(state) for state in before]
        with suppress(RuntimeError):  # Python is ending, and starts no more threads: made in turn
            made = self._thread.submit(self._whole, batch, copies)
            self._coming = _Coming(batch, before, copies, made)

    def _whole(self, batch: Tensor, streams: Sequence[Generator]) -> Made:
        made = self._make(batch, streams, self._each)
        return tuple(pinned(part, self._device) for part in made)

    def _each(self, cut: Callable[..., Any], images: Iterable[Any]) -> Iterator[Any]:
        own = list(images)
        if self._cutters is not None:
            with suppress(RuntimeError):
                return self._cutters.map(cut, own)
        return map(cut, own)


def _one_core() -> None:
    """This thread works by itself: OpenMP would give each of them helpers for all cores."""
    torch.get_num_threads()  # sets up what is limited then
    ThreadpoolController().limit(limits=1, user_api="openmp")
