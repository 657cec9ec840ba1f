"""One device and many people: whoever comes first works first, and nobody for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from studio.errors import RunError
from studio.forking import condition

_LOOK_S = 0.5


class Turns:
    """Places at the device.

    Args:
        at_once: how many work at the same time.
        seconds: after which one that works is asked to stop; None: never.
        waiting: how many may wait.
        clock: seconds that pass.
    """

    def __init__(
        self,
        *,
        at_once: int = 1,
        seconds: float | None = None,
        waiting: int = 1000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at_once, self._seconds, self._waiting = at_once, seconds, waiting
        self._clock = clock
        self._changed = condition()
        self._line: list[object] = []  # those that work, then those that wait

    @property
    def ahead(self) -> int:
        """How many work or wait."""
        return len(self._line)

    @property
    def full(self) -> bool:
        """Whether somebody who comes now has to wait."""
        return self.ahead >= self._at_once

    def check(self) -> None:
        """Whether there is a place to wait in.

        Raises:
            RunError: there is none.
        """
        if self.ahead >= self._waiting + self._at_once:
            raise RunError(
                f"{self.ahead} others are at work or wait for the device; try again later."
            )

    @contextmanager
    def taken(self, stop: Callable[[], bool]) -> Iterator[Callable[[], bool]]:
        """Wait for a place; what it gives says when to stop, which `stop` may say earlier."""
        me = object()
        with self._changed:
            self._line.append(me)
            while self._line.index(me) >= self._at_once and not stop():
                self._changed.wait(_LOOK_S)
        ends = None if self._seconds is None else self._clock() + self._seconds
        try:
            yield lambda: stop() or (ends is not None and self._clock() > ends)
        finally:
            with self._changed:
                self._line.remove(me)
                self._changed.notify_all()
