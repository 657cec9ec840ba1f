"""Files that are either old or new, never half of one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from studio.leftovers import held
from studio.room import writing
from studio.texts import writable
from studio.untrusted import Unreadable, load_json, parse_json, read_file

_SPARE_BYTES = 8192


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to the disk, then rename it.

    Raises:
        WriteError: the disk is full, or the folder cannot be written; the old file is still there.
    """
    with writing(path.parent):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            with held(temporary):
                write(temporary)
                with temporary.open("rb+") as file:
                    os.fsync(file.fileno())
                # mkstemp makes files that only the owner reads; a run may be shared like any file.
                temporary.chmod(0o666 & ~_UMASK)
                os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_json(path: Path, value: object, *, spare: Path | None = None) -> None:
    """Write `value` as JSON to `path`, atomically; NaN and infinities become null.

    Args:
        path: The file.
        value: What to write.
        spare: A file of `keep_spare` in the same folder, which is used up where the disk is full.

    Raises:
        WriteError: It cannot be written; the old file is still there.
    """
    text = _json(value, indent=1) + "\n"
    try:
        replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    except OSError:
        if spare is None or not _write_over(spare, path, text.encode()):
            raise


def _json(value: object, **layout: Any) -> str:
    """JSON as people read it; text that is not UTF-8, such as names of files, keeps its escapes."""
    text = json.dumps(finite(value), ensure_ascii=False, allow_nan=False, **layout)
    if writable(text) is text:
        return text
    return json.dumps(finite(value), allow_nan=False, **layout)


def keep_spare(path: Path) -> None:
    """A file that takes the place of one that must be written when the disk is full."""
    with writing(path.parent), path.open("wb") as file:
        file.write(b" " * _SPARE_BYTES)
        file.flush()
        os.fsync(file.fileno())


def _write_over(spare: Path, path: Path, data: bytes) -> bool:
    """Write into the room that the spare file has, and rename it; blanks at the end do no harm."""
    if len(data) > _SPARE_BYTES:
        return False
    try:
        with spare.open("rb+") as file:
            file.write(data.ljust(_SPARE_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.replace(spare, path)
    except OSError:
        return False
    return True


def read_json(path: Path) -> Any:
    """The JSON value in `path`, or None when there is no such file or it holds no JSON."""
    try:
        return load_json(path)
    except Unreadable:
        return None


def append_json(path: Path, record: Mapping[str, Any], *, keep: bool = False) -> None:
    """Add one line to a file of JSON lines; it is on its way to the disk when this returns.

    Args:
        path: The file; made when it is not there.
        record: The line.
        keep: Wait until the line is on the disk: for what a person did, which cannot be done anew
            by a computer.
    """
    text = _json(record, separators=(",", ":")) + "\n"
    with writing(path.parent), path.open("ab+", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":  # a line that a killed process left torn
                text = "\n" + text
        try:
            # One write: a reader sees the whole line or a part without its end, never a mixture.
            _write_whole(file, text.encode())
            if keep:
                os.fsync(file.fileno())
        except OSError:  # a full disk takes a part of a line
            with contextlib.suppress(OSError):
                file.truncate(end)
            raise


def _write_whole(file: FileIO, data: bytes) -> None:
    """Unbuffered, a write says how much of it the disk took; the next one says why no more."""
    while data:
        data = data[file.write(data) :]


def read_json_lines(path: Path, after: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The objects from byte `after` of a file of JSON lines on, and where to go on reading.

    A last line that is still being written is left for the next time; a torn or damaged one is
    skipped. A file that is not there, or no ordinary file, has no lines.
    """
    try:
        data = read_file(path, after=after)
    except Unreadable:
        return [], after
    end = data.rfind(b"\n") + 1
    records = []
    for line in data[:end].split(b"\n"):
        try:
            record = parse_json(line)
        except Unreadable:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records, after + end


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


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


# Read once, while there is one thread: reading it means setting it for a moment.
_UMASK = _umask()
