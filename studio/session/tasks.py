"""Whatever takes seconds or minutes is done in the background while pages see how far it is.

A `Lane` does tasks one after another in a thread of its own; nothing else in the session starts
one. `Tasks` keeps the values of what was asked for by name.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

from studio.cache import Cache
from studio.errors import StudioError
from studio.forking import condition
from studio.session.task import Task

__all__ = ["Lane", "Task", "Tasks"]

_KEPT = 6


class Lane:
    """Does tasks one after another, in a thread that is there while there is something to do."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = condition()
        self._tasks: deque[Task] = deque()  # the one at work and those that wait
        self._working = False

    def add(self, task: Task) -> Task:
        """Have it done when all that was added before is done."""
        with self._changed:
            if self._tasks:
                task.wait_for_others()
            self._tasks.append(task)
            self._work_on()
        return task

    def start(self, task: Task, *, busy: str = "") -> Task:
        """Have it done now.

        Raises:
            StudioError: another one is at work. busy: says so in other words than the usual ones.
        """
        with self._changed:
            at_work = next((task for task in self._tasks if task.pending), None)
            if at_work is not None:
                doing = at_work.text.lower()
                raise StudioError(busy or f"The studio is busy ({doing}); wait for it or stop it.")
            self._tasks.append(task)
            self._work_on()
        return task

    def stop(self) -> None:
        """Ask all of them to end."""
        with self._changed:
            tasks = list(self._tasks)
        for task in tasks:
            task.stop()

    def wait(self, seconds: float = 60) -> None:
        """Wait for all of them to end; for tests and for the shutdown."""
        with self._changed:
            self._changed.wait_for(lambda: not self._tasks, seconds)

    def _work_on(self) -> None:
        if not self._working:
            self._working = True
            threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._tasks:
                    self._working = False
                    return
                task = self._tasks[0]
            task.run()
            with self._changed:
                self._tasks.popleft()
                self._changed.notify_all()


class Tasks:
    """Tasks by what they compute: whoever asks gets one at once, the same one for the same key.

    They are done in the order they were asked for: what is built on another comes after it.
    The values of the last few keys are kept.
    """

    def __init__(self, *, kept: int = _KEPT) -> None:
        self._lane = Lane("background")
        self._tasks: Cache[Hashable, Task] = Cache(
            most=kept, size=lambda task: 0 if task.pending else 1
        )

    def ask(
        self, key: Hashable, name: str, work: Callable[[Task], Any], *, again: bool = False
    ) -> Task:
        """The task of this key; added now when there is none yet.

        Args:
            key: what is computed.
            name: what it is, in words.
            work: computes it, see `Task`.
            again: try once more what failed before.
        """
        before = self._tasks.peek(key)
        if again and before is not None and before.error:
            self._tasks.drop(key)
        return self._tasks.get(key, lambda: self._lane.add(Task(name, work)))
