"""What the cache folder holds: how much of it, emptied, kept within a limit, and tidied.

All of it is made anew when it is needed, except what people gave: uploads, the labels that they
gave before any run, and what the page remembers. These stay whatever is asked here.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.errors import SettingsError
from studio.leftovers import sweep

PARTS: dict[str, str] = {
    "canvases": "decoded images",
    "features": "features of images",
    "nouns": "vectors of words",
    "thumbs": "small pictures for the page",
    "graphs": "which images are most alike",
    "units": "features around their mean",
    "maps": "maps",
    "answers": "answers of language models",
    "exports": "files to download",
    "demo-*": "the demo set",
}
"""Sub-folders that can be made anew, and what is in them."""
KEPT = ("uploads", "corrections", "workspace.json", "folders.json", "secret")
"""What people gave, and what the page remembers."""

_WHOLE = ("canvases/*", "answers", "demo-*")  # used and let go as a whole
_SINGLE = ("features/*/*", "nouns/*", "thumbs/*/*", "graphs/*", "units/*", "maps/*", "exports/*/*")
_TEMPORARY = (
    ".demo-*", "secret.*.tmp", ".*.tmp", "canvases/*/*.tmp", "features/*/*.tmp",
    "features/*/.*.tmp", "nouns/.*.tmp", "graphs/.*.tmp", "units/.*.tmp", "maps/umap-*",
    "maps/*.tmp", "thumbs/*/*.tmp", "exports/*/.*.tmp", "corrections/*/.*.tmp",
)  # fmt: skip
UNUSED_DAYS = 30
"""After so many days without use features go: those of folders and models that are no more."""

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([kmgt]?b?)", re.IGNORECASE)


@dataclass(frozen=True)
class _Entry:
    path: Path
    bytes: int
    used: float  # seconds since 1970


def sizes(cache_dir: Path) -> dict[str, int]:
    """Bytes on disk by what they are, see `PARTS`; and of all that is kept."""
    found = {
        title: sum(entry.bytes for entry in _entries(cache_dir, (part,)))
        for part, title in PARTS.items()
    }
    kept = sum(entry.bytes for entry in _entries(cache_dir, KEPT))
    return {**found, "uploads, given labels and what the page remembers": kept}


def clear(cache_dir: Path) -> int:
    """Remove all that can be made anew; returns how many bytes that gave back."""
    return sum(_let_go(entry) for entry in _entries(cache_dir, tuple(PARTS)))


def trim(cache_dir: Path, most: int) -> int:
    """Remove what was not used for longest until at most `most` bytes can be made anew.

    Returns:
        How many bytes that gave back.
    """
    entries = sorted(_entries(cache_dir, _WHOLE + _SINGLE), key=lambda entry: entry.used)
    too_much, freed = sum(entry.bytes for entry in entries) - most, 0
    for entry in entries:
        if freed >= too_much:
            break
        freed += _let_go(entry)
    return freed


def tidy(cache_dir: Path) -> int:
    """Remove what killed processes left, and features that nobody has used for `UNUSED_DAYS` days.

    Returns:
        How many files and folders.
    """
    removed, oldest = sweep(cache_dir, _TEMPORARY), time.time() - UNUSED_DAYS * 86400
    for entry in _entries(cache_dir, ("features/*/*",)):
        if entry.used < oldest:
            removed += _let_go(entry) > 0
    return removed


def touch(path: Path) -> None:
    """It was used now: it goes last. Nothing happens where that cannot be written down."""
    with contextlib.suppress(OSError):
        os.utime(path)


def parse_size(text: str) -> int:
    """Bytes from `20GB`, `500 MB` or a plain number.

    Raises:
        SettingsError: It is none.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = match[2].lower() if match else ""
    if match is None or (unit and not unit.endswith("b") and f"{unit}b" not in _UNITS):
        raise SettingsError(f"{text!r} is no size; write 20GB, 500MB or a number of bytes.")
    return int(float(match[1]) * _UNITS[unit if unit in _UNITS else f"{unit}b"])


def _entries(cache_dir: Path, patterns: tuple[str, ...]) -> Iterator[_Entry]:
    for pattern in patterns:
        for path in cache_dir.glob(pattern):
            yield _Entry(path, _bytes(path), _used(path))


def _bytes(path: Path) -> int:
    """What a file or a folder takes of the disk; links are not followed."""
    try:
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
        with os.scandir(path) as inside:
            return sum(_bytes(Path(entry.path)) for entry in inside)
    except OSError:
        return 0


def _used(path: Path) -> float:
    """When it was last used: of a folder, the latest of its own files."""
    try:
        times = [path.lstat().st_mtime]
        if path.is_dir() and not path.is_symlink():
            times += [entry.stat(follow_symlinks=False).st_mtime for entry in os.scandir(path)]
        return max(times)
    except OSError:
        return 0.0


def _let_go(entry: _Entry) -> int:
    with contextlib.suppress(OSError):
        if entry.path.is_dir() and not entry.path.is_symlink():
            shutil.rmtree(entry.path)
        else:
            entry.path.unlink()
    return 0 if os.path.lexists(entry.path) else entry.bytes
