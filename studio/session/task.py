"""One piece of work that takes seconds or minutes, and how it stands while it is done.

Threads that do tasks are in `tasks`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from studio.errors import Stopped, StudioError
from studio.forking import Lock
from studio.progress import FETCHING, Progress

_log = logging.getLogger(__name__)
FAULT = "Something went wrong that should not have; the terminal shows what."
_SOON_S = 1.0  # of a step, before it says anything about the time that is left


@dataclass(frozen=True)
class TaskState:
    """How a task stands; never changes once taken.

    text: what is being done; done, total: of the step, 0 while not known; step, steps: its number
    and how many there are, 0 when there is only one; fraction: of the whole in [0, 1], None while
    not known; left: seconds for the whole, None while not known; error: one line; ended: all over.
    """

    text: str
    done: int = 0
    total: int = 0
    step: int = 0
    steps: int = 0
    fraction: float | None = None
    left: float | None = None
    error: str = ""
    stopping: bool = False
    ended: bool = False

    @property
    def how_far(self) -> str:
        """The step and how far it is, in words: "Reading the images, 3 of 9"."""
        return f"{self.text}, {self.done} of {self.total}" if self.total else self.text


class Task:
    """One piece of work, see the module.

    Args:
        name: what it is, in words.
        work: does it and returns `value`; is given the task, to say how far it is.
        steps: of the whole, as (words, share of the time); the words are those of `begin`.
        changed: called after every change of `state`, in the thread that works.
        secret: what goes wrong may quote a secret: the terminal only gets the kind of the error.
        clock: seconds that pass.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Task], Any],
        *,
        steps: Sequence[tuple[str, float]] = (),
        changed: Callable[[Task], None] | None = None,
        secret: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.state = name, TaskState(name)
        self.value: Any = None
        self.ended = threading.Event()
        self._lock = Lock()
        self._work: Callable[[Task], Any] | None = work
        self._steps, self._changed, self._secret, self._clock = steps, changed, secret, clock
        self._stop = threading.Event()
        self._step, self._began, self._first = 0, 0.0, -1

    @classmethod
    def of(cls, value: Any) -> Task:
        """A task that has ended with this value."""
        task = cls("", lambda _: value)
        task.run()
        return task

    # What pages see ---------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """What is being done."""
        return self.state.text

    @property
    def error(self) -> str:
        """What went wrong, in one line."""
        return self.state.error

    @property
    def ready(self) -> bool:
        """Whether `value` is there."""
        return self.ended.is_set() and not self.error and not self.state.stopping

    @property
    def pending(self) -> bool:
        """Whether it is still worth waiting for."""
        return not self.ended.is_set()

    def stop(self) -> None:
        """Ask it to end; it does so at its next step, and quietly."""
        if self.pending:
            self._stop.set()
            self._set(stopping=True)

    def wait_for_others(self) -> None:
        """Say that it will begin later."""
        self._set(text="Waiting")

    # What the work says -----------------------------------------------------------------------

    def begin(self, text: str) -> Progress:
        """Go on to a step; how far that is goes to what this returns.

        What has to be fetched first counts as a whole of its own: the speed of a line says nothing
        about how long the steps behind it take.

        Raises:
            Stopped: it was asked to stop, here and whenever progress is told.
        """
        number = next((i for i, (words, _) in enumerate(self._steps) if words == text), self._step)
        self._step, self._first = number, -1

        def progress(done: int, total: int) -> None:
            self._check()
            if total and self._first < 0:  # some of it may have been done long ago
                self._first, self._began = done, self._clock()
            steps = () if text.startswith(FETCHING) else self._steps
            fraction, left = self._whole(done, total, steps)
            self._set(
                text=text, done=done, total=total, fraction=fraction, left=left,
                step=number + 1 if steps else 0, steps=len(steps),
            )  # fmt: skip

        progress(0, 0)
        return progress

    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def rest(self, seconds: float) -> None:
        """Wait a while. Raises Stopped as soon as it is asked to stop."""
        self._stop.wait(seconds)
        self._check()

    def result(self) -> Any:
        """Its value, waited for. Raises StudioError when it failed."""
        self.ended.wait()
        if self.error:
            raise StudioError(self.error)
        self._check()
        return self.value

    def run(self) -> None:
        """Do it, here and now; errors end in `error`."""
        error = ""
        try:
            self._check()
            assert self._work is not None
            self._set(text=self.name)
            self.value = self._work(self)
        except StudioError as problem:
            # After a stop, whatever goes wrong is a consequence of it.
            error = "" if self.stopping() or isinstance(problem, Stopped) else str(problem)
        except Exception as bug:
            if not self.stopping():
                kind = type(bug).__name__
                _log.error("%s: %s", self.name, kind, exc_info=None if self._secret else bug)
                error = FAULT
        self._work = None  # it may hold on to much
        self._set(error=error, ended=True)
        self.ended.set()

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _set(self, **changes: Any) -> None:
        with self._lock:
            self.state = replace(self.state, **changes)
        if self._changed is not None:
            self._changed(self)

    def _whole(
        self, done: int, total: int, steps: Sequence[tuple[str, float]]
    ) -> tuple[float | None, float | None]:
        """The share of the whole that is done, and the seconds that are left for it."""
        shares = [share for _, share in steps] or [1.0]
        share = done / total if total else 0.0
        if not total and len(shares) == 1:
            return None, None
        step = self._step if steps else 0
        before, after = sum(shares[:step]), sum(shares[step + 1 :])
        fraction = (before + shares[step] * share) / sum(shares)
        passed, new = self._clock() - self._began, done - self._first
        if not total or passed < _SOON_S or new <= 0:
            return fraction, None
        each = passed / new  # the steps to come are as fast as their shares say
        return fraction, each * (total - done) + each * total * after / shares[step]
