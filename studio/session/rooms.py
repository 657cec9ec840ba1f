"""Rooms: where strangers share the page, each has a session, runs and a cache of their own.

What they share holds nothing of anyone: the device, taken in turns, and models as fetched.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from studio.forking import Lock
from studio.runs.store import RunStore
from studio.runs.turns import Turns
from studio.runs.worker import Worker, employ, let_go
from studio.session.limits import Limits
from studio.session.options import Options
from studio.session.session import Session

MOST = 500
"""Rooms in memory and on disk; for another one the one that was not visited for longest goes."""

_WAITING = 20
_LABELLING = 2  # of two cores; a third would only wait in memory
_SWEEP_S = 300.0
FOLDER = "rooms"


class Whose(Protocol):
    """Sessions of whoever is being answered."""

    @property
    def shared(self) -> bool:
        """Whether strangers share the page."""
        ...

    def here(self) -> Session:
        """The session of the visitor who is being answered."""
        ...


_visitor: ContextVar[str] = ContextVar("visitor", default="")


@contextmanager
def entered(visitor: str) -> Iterator[None]:
    """Answer this visitor, in this thread; empty where nobody shares the page."""
    token = _visitor.set(visitor)
    try:
        yield
    finally:
        _visitor.reset(token)


def room_of(visitor: str) -> str:
    """The name of a visitor's folders, which does not tell who they are."""
    kind = "p" if visitor.startswith("page ") else "r"
    return kind + hashlib.sha256(visitor.encode("utf-8", "replace")).hexdigest()[:32]


@dataclass
class _Room:
    session: Session
    visited: float


@dataclass
class Rooms:
    """See the module. address: of a file that the page serves; clock: seconds since 1970."""

    options: Options
    address: Callable[[Path], str] = Path.as_posix
    clock: Callable[[], float] = time.time
    shared: bool = field(default=True, init=False)
    limits: Limits = field(init=False)
    lobby: Session = field(init=False)
    _rooms: OrderedDict[str, _Room] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)
    _sweeping: Lock = field(default_factory=Lock)
    _swept: float = 0.0

    def __post_init__(self) -> None:
        self.limits = self.options.limits or Limits()
        self.training = Turns(seconds=60.0 * self.limits.minutes, waiting=_WAITING)
        self.labelling = Turns(at_once=_LABELLING)
        self.lobby = self._make("lobby")  # nobody's: the page is built from it

    # Who is being answered --------------------------------------------------------------------

    def here(self) -> Session:
        """The session of the visitor who is being answered; the lobby while there is none."""
        visitor = _visitor.get()
        return self.room(visitor) if visitor else self.lobby

    def room(self, visitor: str) -> Session:
        """The session of a visitor, made or taken up again when they come."""
        name, now = room_of(visitor), self.clock()
        with self._lock:
            found = self._rooms.get(name)
            if found is None:
                found = self._rooms[name] = _Room(self._make(name), now)
                found.session.store.tidy()
                found.session.data.restore()
            found.visited = now
            self._rooms.move_to_end(name)
        self._sweep_now_and_then(now)
        return found.session

    def served(self, token: str) -> Sequence[Path]:
        """Folders of pictures and downloads that a visitor may fetch from. token: their cookie's,
        or empty: what is in rooms of pages without cookies is found by its unguessable name.
        """
        if token:
            return _served(self._folder(self.options.cache_dir, room_of(token)))
        with self._lock:
            names = [name for name in self._rooms if name.startswith("p")]
        return [p for name in names for p in _served(self._folder(self.options.cache_dir, name))]

    # Rooms ------------------------------------------------------------------------------------

    def _make(self, name: str) -> Session:
        runs, cache = (
            self._folder(self.options.runs_dir, name), self._folder(self.options.cache_dir, name)
        )  # fmt: skip
        worker = Worker(RunStore(runs), cache_dir=cache)
        worker.turns, worker.slices = self.training, self.options.slices
        employ(worker)
        options = replace(self.options, runs_dir=runs, cache_dir=cache, roots=(), public=True)
        session = Session(options, worker, address=self.address)
        session.data.turns = self.labelling
        return session

    @staticmethod
    def _folder(base: Path, name: str) -> Path:
        return base / FOLDER / name

    def _sweep_now_and_then(self, now: float) -> None:
        with self._lock:
            if now - self._swept < _SWEEP_S and len(self._rooms) <= MOST:
                return
            self._swept = now
        threading.Thread(target=self.sweep, name="sweep", daemon=True).start()

    def sweep(self) -> None:
        """Close the rooms that nobody has visited for long, and delete what was in them."""
        with self._sweeping:
            self._sweep(self.clock() - 3600.0 * self.limits.kept_hours)

    def _sweep(self, oldest: float) -> None:
        with self._lock:
            idle = [n for n, room in self._rooms.items() if not _at_work(room.session)]
            over = idle[: max(0, len(self._rooms) - MOST)]
            gone = [n for n in idle if n in over or self._rooms[n].visited < oldest]
            for name in gone:
                let_go(self._rooms.pop(name).session.worker)
            kept = {*self._rooms, "lobby"}
        for name in kept:  # a start of the studio must not make them look old
            with suppress(OSError):
                os.utime(self._folder(self.options.cache_dir, name))
        for base in (self.options.runs_dir, self.options.cache_dir):
            folder = base / FOLDER
            for path in folder.iterdir() if folder.is_dir() else ():
                if path.name in gone or (path.name not in kept and path.stat().st_mtime < oldest):
                    shutil.rmtree(path, ignore_errors=True)


def _served(cache_dir: Path) -> list[Path]:
    return [cache_dir / "thumbs", cache_dir / "exports"]


def _at_work(session: Session) -> bool:
    asking = session.judging.view.busy or session.writer.view.busy  # which is paid for
    return asking or bool(session.data.state.busy) or session.worker.current() is not None
