"""Files that are either old or new, never half of one; and locks that die with their process."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from studio.errors import RunError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


# Windows knows no quotas by this name.
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to the disk, then rename it."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes files that only the owner reads; a run may be shared like any other file.
        temporary.chmod(0o666 & ~_UMASK)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: object) -> None:
    """Write `value` as JSON to `path`, atomically; NaN and infinities become null."""
    text = json.dumps(finite(value), ensure_ascii=False, allow_nan=False, indent=1)
    replace_file(path, lambda temporary: temporary.write_text(text + "\n", encoding="utf-8"))


def read_json(path: Path) -> Any:
    """The JSON value in `path`, or None when there is no such file or it holds no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def append_json(path: Path, record: Mapping[str, Any], *, keep: bool = False) -> None:
    """Add one line to a file of JSON lines; it is on its way to the disk when this returns.

    Args:
        path: The file; made when it is not there.
        record: The line.
        keep: Wait until the line is on the disk: for what a person did, which cannot be done anew
            by a computer.
    """
    text = json.dumps(finite(record), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text += "\n"
    with path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":  # a line that a killed process left torn
                text = "\n" + text
        # One write: a reader sees the whole line or a part without its end, never a mixture.
        file.write(text.encode())
        if keep:
            file.flush()
            os.fsync(file.fileno())


def read_json_lines(path: Path, after: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The objects from byte `after` of a file of JSON lines on, and where to go on reading.

    A last line that is still being written is left for the next time; a torn one is skipped. A file
    that is not there has no lines.
    """
    try:
        with path.open("rb") as file:
            file.seek(after)
            data = file.read()
    except FileNotFoundError:
        return [], after
    end = data.rfind(b"\n") + 1
    records = []
    for line in data[:end].splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records, after + end


def disk_is_full(error: BaseException) -> bool:
    """Whether there is no room left, on the disk or within what this user may take of it."""
    return isinstance(error, OSError) and error.errno in _FULL


def file_digest(path: Path, digest: hashlib._Hash) -> str:
    """The hash of a file as hexadecimal digits; `digest` may have taken something in before."""
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def finite(value: Any) -> Any:
    """`value` with every float that JSON cannot hold (NaN, infinities) replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


class FileLock:
    """An exclusive lock on a file; the system lets go of it when this process dies, of whatever.

    A number of a process in a file would have to be checked against processes that reuse numbers,
    and means nothing in another container; the lock needs no such care.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; False when somebody (this process included) holds it."""
        if self._file is not None:
            return False
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
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
        return True

    def release(self) -> None:
        """Let go; nothing happens when the lock is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


# Read once, while there is one thread: reading it means setting it for a moment.
_UMASK = _umask()
