"""Locks on files that die with their process, and who holds them."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from pathlib import Path

from studio.errors import RunError
from studio.room import writing

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

PATIENCE_S = 5.0
"""For locks that are held for milliseconds: whoever still holds one then does not go on."""
_LONGEST_PID = 20


class FileLock:
    """An exclusive lock on a file; the system lets go of it when this process dies, of whatever.

    A number of a process in a file would have to be checked against processes that reuse numbers,
    and means nothing in another container; the lock needs no such care. The number stands in the
    file all the same, for people: `held_by` tells them whom to wait for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; False when somebody (this process included) holds it."""
        if self._file is not None:
            return False
        with writing(self.path.parent):
            try:
                file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC):
                    raise
                file = os.open(self.path, os.O_RDONLY)  # enough to see whether somebody has it
        try:
            if sys.platform == "win32":
                msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
                return False
            raise RunError(
                f"{self.path.parent} is on a disk without file locks; choose another one for runs"
            ) from error
        self._file = file
        with contextlib.suppress(OSError):  # a full disk: the lock holds without it
            os.truncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
        return True

    def wait(self, *, seconds: float = PATIENCE_S) -> None:
        """Take the lock, which others hold for milliseconds.

        Raises:
            RunError: somebody still holds it after so many seconds; it is named.
        """
        ends = time.monotonic() + seconds
        while not self.acquire():
            if time.monotonic() > ends:
                raise RunError(f"{self.path} is held by {self.held_by()}")
            time.sleep(0.01)

    def held_by(self) -> str:
        """Who holds the lock and what to do about it, as far as that can be told."""
        pid = self.holder()
        if pid is None:
            return "another process; end it, then try again"
        if is_stopped(pid):
            return (
                f"process {pid}, which is stopped; let it go on (kill -CONT {pid}) or end it "
                f"(kill -KILL {pid}), then try again"
            )
        return f"process {pid}; wait for it or end it, then try again"

    def holder(self) -> int | None:
        """The number of the process that took the lock last; None when it is not known."""
        try:
            with self.path.open("rb") as file:
                text = file.read(_LONGEST_PID)
        except OSError:
            return None
        return int(text) if text.isdigit() else None

    def release(self) -> None:
        """Let go; nothing happens when the lock is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def is_stopped(pid: int) -> bool:
    """Whether a process of this machine was stopped (SIGSTOP, Ctrl-Z) and not continued."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:  # it is gone, or this is no Linux
        return False
    return text.rpartition(")")[2].split()[:1] in (["T"], ["t"])
