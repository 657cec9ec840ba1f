"""Work that takes seconds or minutes, done in one thread while pages look at how far it is.

Whoever asks gets the task at once, the same one for the same key: two pages that look at a run have
its neighbours computed once.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from studio.errors import StudioError

_log = logging.getLogger(__name__)
_KEPT = 6

Report = Callable[[str, int, int], None]


@dataclass
class Task:
    """One piece of work. text, done, total: how far it is; error: one line when it failed."""

    make: Callable[[Report], Any]
    text: str = "Waiting"
    done: int = 0
    total: int = 0
    value: Any = None
    error: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def ready(self) -> bool:
        """Whether `value` is there."""
        return self.ended.is_set() and not self.error

    @property
    def pending(self) -> bool:
        """Whether it is still worth waiting for."""
        return not self.ended.is_set()


class Tasks:
    """See the module. The values of the last few keys are kept."""

    def __init__(self, *, kept: int = _KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._tasks: OrderedDict[Hashable, Task] = OrderedDict()
        self._waiting: list[Task] = []
        self._thread: threading.Thread | None = None

    def ask(self, key: Hashable, make: Callable[[Report], Any], *, again: bool = False) -> Task:
        """The task of this key; begun now when there is none yet.

        Args:
            key: what is computed.
            make: computes it; is given a function to report with (text, done, total).
            again: try once more what failed before.
        """
        with self._lock:
            task = self._tasks.get(key)
            if task is None or (again and task.error):
                task = self._tasks[key] = Task(make)
                self._waiting.append(task)
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._work, name="background", daemon=True
                    )
                    self._thread.start()
            self._tasks.move_to_end(key)
            ended = [k for k, t in self._tasks.items() if not t.pending]
            for old in ended[: max(0, len(self._tasks) - self._kept)]:
                del self._tasks[old]
            return task

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                task = self._waiting.pop(0)  # in order: what is built on another comes after it
            _do(task)


def _do(task: Task) -> None:
    def report(text: str, done: int, total: int) -> None:
        task.text, task.done, task.total = text, done, total

    try:
        task.value = task.make(report)
    except StudioError as known:
        task.error = str(known)
    except Exception:  # a bug must not leave the page waiting for ever
        _log.exception("what runs in the background failed")
        task.error = "Something went wrong that should not have; the terminal shows what."
    finally:
        task.ended.set()


_importing = threading.Lock()


def import_torch() -> None:
    """Import what models need, once and by one thread; returns at once when that is done already.

    Two threads that import torchvision side by side break each other: Python lets the second see
    the half-made modules of the first rather than wait for ever. Whoever needs torch asks here.
    """
    with _importing:
        import torch  # noqa: F401, I001
        import torchvision.transforms.v2  # noqa: F401
        import open_clip  # noqa: F401
