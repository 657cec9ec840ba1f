"""Locks between threads that nobody waits for in vain in a forked process.

A forked process has the thread that forked and no other. A lock that another thread held at that
moment stays held there for ever. Where a GPU is lent (`studio.zero`), a process with many threads
is forked in the middle of its work. So all locks of the studio are made here: in a forked process
each of them is free, but for those that the forking thread itself holds.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any


class Lock:
    """A lock that the thread which holds it may take again.

    Args:
        mends: called in each forked process once the lock is free there: whoever held it may have
            left what it guards half changed, and what others were about to do is never done.
        waits: a fork waits until the lock is free, instead of taking it from whoever holds it. Only
            for what cannot be mended and takes seconds at most.
    """

    def __init__(self, *, mends: Callable[[], None] | None = None, waits: bool = False) -> None:
        self._lock: Any = threading.RLock()
        self._mends = mends
        (_waited_for if waits else _taken_away).add(self)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it; whether that was done, as of any lock of Python."""
        return bool(self._lock.acquire(blocking, timeout))

    def release(self) -> None:
        """Let go of it."""
        self._lock.release()

    def __enter__(self) -> Lock:
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    # What threading.Condition asks of a lock that can be taken more than once.

    def _is_owned(self) -> bool:
        return bool(self._lock._is_owned())

    def _release_save(self) -> Any:
        return self._lock._release_save()

    def _acquire_restore(self, state: Any) -> None:
        self._lock._acquire_restore(state)

    def _in_the_fork(self) -> None:
        if not self._is_owned():
            self._lock = threading.RLock()
        if self._mends is not None:
            self._mends()


def condition() -> threading.Condition:
    """A condition of threads, with such a lock."""
    return threading.Condition(Lock())  # type: ignore[arg-type]  # it does what is asked of one


_taken_away: weakref.WeakSet[Lock] = weakref.WeakSet()
_waited_for: weakref.WeakSet[Lock] = weakref.WeakSet()
_forking = threading.local()
"""`held`: what the thread that forks has waited for."""


def _before() -> None:
    _forking.held = list(_waited_for)
    for lock in _forking.held:
        lock.acquire()


def _in_the_parent() -> None:
    while _forking.held:
        _forking.held.pop().release()


def _in_the_child() -> None:
    _in_the_parent()
    for lock in list(_taken_away):
        lock._in_the_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(
        before=_before, after_in_parent=_in_the_parent, after_in_child=_in_the_child
    )
