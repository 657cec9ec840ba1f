"""What is costly to make and asked for by many pages at once: made once, and kept for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from studio.forking import Lock

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass
class _Entry:
    """over: it has been tried. No future: these have locks of their own, which a fork would leave
    held; whether an event is set is told without one.
    """

    mark: object
    value: Any = None
    failed: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def there(self) -> bool:
        return self.over.is_set() and not self.failed

    def wait(self) -> None:
        if not self.over.is_set():
            self.over.wait()


class Cache(Generic[Key, Value]):
    """Values by key. Those not asked for for longest go first; the latest one always stays.

    No lock is held while a value is made: other keys are answered meanwhile, and whoever asks for
    the same key waits for it instead of making it again. A value that asks for its own key while it
    is made would wait for ever.

    Args:
        most: the sum of the sizes of what is kept.
        size: of a value; asked again each time, for it may change. What has none costs nothing and
            stays. Usually each counts 1.
    """

    def __init__(self, *, most: float, size: Callable[[Value], float] = lambda _: 1) -> None:
        self._most, self._size = most, size
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._lock = Lock(mends=self._forget_what_is_being_made)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, make: Callable[[], Value], *, mark: object = None) -> Value:
        """The value of this key; made now when there is none, or one with another mark.

        What `make` raises is raised, and not kept: whoever waited for it tries in turn.
        """
        while True:
            with self._lock:
                entry = self._entries.get(key)
                mine = entry is None or entry.mark != mark
                if entry is None or mine:
                    entry = self._entries[key] = _Entry(mark)
                self._entries.move_to_end(key)
            if mine:
                return self._make(key, entry, make)
            entry.wait()
            if entry.there:  # else whoever made it has been told why not
                found: Value = entry.value
                return found

    def peek(self, key: Key) -> Value | None:
        """The value of this key, used now; None when there is none yet or any more."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or not entry.there:
                return None
            self._entries.move_to_end(key)
            found: Value = entry.value
            return found

    def drop(self, key: Key) -> None:
        """Forget this key."""
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def _make(self, key: Key, entry: _Entry, make: Callable[[], Value]) -> Value:
        try:
            value = make()
        except BaseException:
            with self._lock:
                if self._entries.get(key) is entry:
                    del self._entries[key]
            entry.failed = True
            entry.over.set()
            raise
        entry.value = value
        entry.over.set()
        with self._lock:
            self._trim()
        return value

    def _forget_what_is_being_made(self) -> None:
        """In a forked process: those who make it are not there."""
        for key in [key for key, entry in self._entries.items() if not entry.over.is_set()]:
            del self._entries[key]

    def _trim(self) -> None:
        sizes = {
            key: self._size(entry.value) for key, entry in self._entries.items() if entry.there
        }
        left = sum(sizes.values())
        latest = next(reversed(self._entries), None)
        for key, size in sizes.items():
            if left <= self._most:
                return
            if size > 0 and key != latest:
                del self._entries[key]
                left -= size


class Same:
    """A mark of the very objects that a value was made of, whatever they are equal to."""

    def __init__(self, *objects: object) -> None:
        self._objects = objects  # held, so that no other object comes to the same address

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Same)
            and len(self._objects) == len(other._objects)
            and all(mine is its for mine, its in zip(self._objects, other._objects, strict=True))
        )

    __hash__ = None  # type: ignore[assignment]
