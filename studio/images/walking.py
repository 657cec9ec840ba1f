"""Everything below a folder, one entry after another: images, what is refused, what is none."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.errors import FolderError
from studio.images import kinds

OUTSIDE = "symlink out of the tree"
"""The reason for a link that leaves the folder."""

A_FOLDER = "a folder elsewhere"
"""The detail of such a link, where it leads to a folder."""

_SKIPPED_FOLDERS = frozenset({"__MACOSX", "System Volume Information", "$RECYCLE.BIN"})
_MOST_LINKS = 10_000  # of folders that are followed; a few that lead to each other multiply


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that holds an image. path: relative to the folder, with `/`."""

    path: str
    bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Refused:
    """A file or folder that is not used. reason: one of REASONS; detail: more, in one line."""

    path: str
    reason: str
    detail: str


@dataclass(frozen=True)
class _Place:
    """A folder to look into. inside: the real folders that links have led to on the way."""

    path: str
    inside: tuple[Path, ...] = ()


def walk(root: Path, *, follow_links: bool) -> Iterator[ImageFile | Refused | None]:
    """What lies below `root`, which is resolved; None for each file that is no image.

    Raises FolderError when `root` itself cannot be read.
    """
    pending, links = [_Place("")], 0
    while pending:
        place = pending.pop()
        try:
            with os.scandir(root / place.path) as listing:
                entries = list(listing)
        except OSError as error:
            if not place.path:
                raise FolderError(f"Cannot read the folder {root}: {error.strerror}.") from None
            yield Refused(place.path, "unreadable", error.strerror or "cannot be listed")
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _SKIPPED_FOLDERS:
                continue
            relative = f"{place.path}/{entry.name}" if place.path else entry.name
            found = _look_at(entry, relative, root, place, follow_links)
            if isinstance(found, str):
                continue
            if not isinstance(found, _Place):
                yield found
            elif len(found.inside) == len(place.inside):
                pending.append(found)
            elif links < _MOST_LINKS:
                links += 1
                pending.append(found)
            else:
                yield Refused(relative, OUTSIDE, f"more than {_MOST_LINKS:,} links to folders")


def _look_at(
    entry: os.DirEntry[str], relative: str, root: Path, place: _Place, follow_links: bool
) -> ImageFile | Refused | _Place | str | None:
    """An image, a refusal, a folder to go into; None: no image; "": nothing to say of it."""
    try:
        relative.encode()
    except UnicodeEncodeError:
        shown = relative.encode("utf-8", "backslashreplace").decode()
        return Refused(shown, "unreadable", "the name is not valid UTF-8; rename it")
    try:
        if entry.is_symlink():
            target = Path(entry.path).resolve(strict=True)
            outside = not target.is_relative_to(root)
            if target.is_dir():
                return _linked_folder(target, relative, root, place, outside, follow_links)
            if outside and not follow_links:
                if kinds.by_name(entry.name) is None:
                    return None
                return Refused(relative, OUTSIDE, "leads out of the folder")
        elif entry.is_dir(follow_symlinks=False):
            return _Place(relative, place.inside)
        status = entry.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        if kinds.by_name(entry.name) is None:
            return None
        detail = getattr(error, "strerror", None) or "a link that leads nowhere"
        return Refused(relative, "unreadable", detail)
    return _file(entry, relative, status)


def _linked_folder(
    target: Path, relative: str, root: Path, place: _Place, outside: bool, follow_links: bool
) -> Refused | _Place | str:
    if not outside:  # its images are counted where they lie
        return ""
    if not follow_links:
        return Refused(relative, OUTSIDE, A_FOLDER)
    here = (root / place.path).resolve()
    leads_back = here.is_relative_to(target) or target in place.inside
    return "" if leads_back else _Place(relative, (*place.inside, target))


def _file(
    entry: os.DirEntry[str], relative: str, status: os.stat_result
) -> ImageFile | Refused | None:
    """What a file is, by its name and, if that says nothing, by its first bytes."""
    kind = kinds.by_name(entry.name)
    if kind is None:
        return None
    if not stat.S_ISREG(status.st_mode):
        return Refused(relative, "unreadable", "not a regular file") if kind == "" else None
    if kind == "?":
        try:
            kind = kinds.kind_of(kinds.read_head(entry.path))
        except OSError as error:
            return Refused(relative, "unreadable", error.strerror or "cannot be opened")
        if not kind:
            return None
    if kind and not kinds.is_read(kind):
        return Refused(relative, "unsupported type", kinds.why_not(kind))
    return ImageFile(relative, status.st_size, status.st_mtime_ns)
