"""Temporary files of processes that were killed: told from those of processes at work, and removed.

Whoever fills a temporary file or folder holds a lock on it, which dies with the process. So the
next start can remove what nobody holds, however young it is, also where processes of other machines
or containers share the folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_SETTLED_S = 1.0  # between making a file and holding it there is a moment
_DAY_S = 86400.0


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a temporary file or folder that is there, for as long as this lasts."""
    if sys.platform == "win32":  # where an open file could not be renamed: see `_is_dead`
        yield
        return
    number = -1
    with contextlib.suppress(OSError):  # a disk without locks
        number = os.open(path, os.O_RDONLY)
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    try:
        yield
    finally:
        if number >= 0:
            os.close(number)


def sweep(folder: Path, patterns: Iterable[str]) -> int:
    """Remove what matches and nobody holds; returns how many files and folders that were.

    patterns: of temporary files and folders alone, as `Path.glob` reads them.
    """
    removed = 0
    for pattern in patterns:
        try:
            found = list(folder.glob(pattern))
        except OSError:
            continue
        for path in found:
            removed += _is_dead(path) and _remove(path)
    return removed


def _is_dead(path: Path) -> bool:
    try:
        age = time.time() - path.lstat().st_mtime
    except OSError:
        return False
    if path.is_symlink() or age < _SETTLED_S:
        return False
    if sys.platform == "win32":
        return age > _DAY_S
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks
        return age > _DAY_S
    finally:
        os.close(number)
    return True


def _remove(path: Path) -> bool:
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return not os.path.lexists(path)
