"""Disks that take no more: whether one is full, which folder that concerns, and what is needed.

Libraries say so in words of their own: safetensors, numpy and sqlite raise errors without a number.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from studio.errors import RunError, WriteError
from studio.numbers import size

# Windows knows no quotas by this name.
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FULL_WORDS = re.compile(
    rf"no space left on device|disk quota exceeded|os error ({errno.ENOSPC}|{errno.EDQUOT})\b"
    r"|database or disk is full|^\d+ requested and \d+ written$"
    if hasattr(errno, "EDQUOT")
    else r"no space left on device|database or disk is full|^\d+ requested and \d+ written$",
    re.IGNORECASE,
)
_NOT_OURS = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.EIO,
    errno.ENAMETOOLONG,
}  # fmt: skip
_PROBE_BYTES = 1 << 16

RUNS, CACHE = "the folder for runs", "the cache folder"
_OPTIONS = {RUNS: " (--runs)", CACHE: " (--cache)"}
"""Where each of them is chosen; no other place is."""


def disk_is_full(error: BaseException) -> bool:
    """Whether there is no room left, on the disk or within what this user may take of it."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    return bool(_FULL_WORDS.search(str(error)))


@contextmanager
def writing(folder: Path, *, what: str = "") -> Iterator[None]:
    """Around whatever writes into a folder: what the disk says becomes one line with its name.

    what: the folder is for, such as RUNS; "" when that goes without saying.

    Raises:
        WriteError: the disk is full, or the folder cannot be written.
    """
    try:
        yield
    except WriteError:
        raise
    except Exception as error:
        if (said := cannot_write(error, folder, what=what)) is None:
            raise
        raise said from error


def cannot_write(error: BaseException, folder: Path, *, what: str = "") -> WriteError | None:
    """The error of a write into the folder as one line; None when it is about something else."""
    place = f"{what} {folder}".strip()
    if disk_is_full(error):
        return WriteError(
            f"the disk is full: no room is left in {place}; make room there, or choose another "
            f"folder{_OPTIONS.get(what, '')}",
            number=errno.ENOSPC, reason="no space left on device", folder=folder,
        )  # fmt: skip
    if not isinstance(error, OSError):
        return None
    number = error.errno
    gone = number == errno.ENOENT and not folder.is_dir()
    if number in _NOT_OURS or gone:
        reason = (error.strerror or str(error)).lower()
        if number in (errno.EEXIST, errno.ENOTDIR):
            # "file exists" is what the system says of a file in the place of a folder.
            files = [path for path in (folder, *folder.parents) if path.is_file()]
            reason = f"{files[0]} is a file" if files else reason
        return WriteError(
            f"cannot write to {place}: {reason}; choose another folder"
            f"{_OPTIONS.get(what, '')}, or have it made writable",
            number=number, reason=reason, folder=folder,
        )  # fmt: skip
    return None


def within(error: WriteError, folders: Mapping[str, Path]) -> WriteError:
    """The error of one of these folders where it lies somewhere in it: that is how people know it.

    folders: by what they are for, such as RUNS and CACHE.
    """
    place = error.folder.expanduser().absolute()
    for what, folder in folders.items():
        folder = folder.expanduser().absolute()
        if place.is_relative_to(folder):
            return cannot_write(error, folder, what=what) or error
    return error


def unwritable(folder: Path, *, what: str = "") -> str:
    """Why nothing can be written into a folder, in one line; "" when it can be.

    The folder is made when it is not there. what: as of `writing`.
    """
    try:
        with writing(folder, what=what):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(_PROBE_BYTES))
                file.flush()
    except OSError as error:
        return str(error)
    return ""


def check_out(
    path: Path,
    *,
    ours: Callable[[], bool],
    other: str = "is not what this command writes",
    over: bool = True,
) -> None:
    """Raise where a file that takes long to make could not be written, or would destroy something.

    Args:
        path: Where the file is to be.
        ours: Whether what is there is what is written now; anything else is somebody's own.
        other: What is said of anything else.
        over: Whether that is written anew. Nobody can tell whether somebody has worked on it since.

    Raises:
        RunError: with what to do.
    """
    folder = path.parent
    if path.is_dir():
        raise RunError(f"{path} is a folder; give the name of a file in it.")
    if not folder.is_dir():
        raise RunError(f"There is no folder {folder} to write {path.name} into; make it first.")
    if not os.access(folder, os.W_OK):
        raise RunError(f"Nothing can be written into {folder}; choose another folder.")
    if not path.exists() or not path.stat().st_size:
        return
    if not ours():
        raise RunError(
            f"{path} is there already and {other}; give another file, or move that one away."
        )
    if not over:
        raise RunError(
            f"{path} is there already, and what was changed in it would be lost; give another "
            "file, or say --over to have it written anew."
        )


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written into a folder, whether or not it is there already."""
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    return shutil.disk_usage(there).free


def check_room(folder: Path, needed: int, *, what: str, at: str = "") -> None:
    """Raise when a folder's disk has less room than is needed. what: needs it, in words; at: what
    the folder is for, such as RUNS.

    Raises:
        RunError: with both sizes.
    """
    free = free_bytes(folder)
    if needed > free:
        raise RunError(
            f"the disk is too full: {what} needs about {size(needed)} in {folder}, and "
            f"{size(free)} are free; make room there, or choose another "
            f"folder{_OPTIONS.get(at, '')}"
        )
