"""A folder of images -> what can be used, and what was refused and why.

`scan` looks at names and sizes only and is quick; which files really decode is found out by
`canvases.prepare`, which reads every file once. Decoding is in `studio.images.decoding`, class
names and the truth that sub-folders tell in `studio.images.names`; both are offered here too.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from pathlib import Path

from studio.errors import FolderError
from studio.images import kinds
from studio.images.decoding import REASONS, ImageRefused, decode
from studio.images.names import (
    parse_aliases,
    parse_class_names,
    propose_class_names,
    read_aliases,
    read_class_names,
    truth,
)

__all__ = [
    "REASONS",
    "Folder",
    "ImageFile",
    "ImageRefused",
    "Refused",
    "decode",
    "parse_aliases",
    "parse_class_names",
    "propose_class_names",
    "read_aliases",
    "read_class_names",
    "scan",
    "truth",
]

_MOST_NAMES = 5000  # that a mistyped one is compared with
_SKIPPED_FOLDERS = frozenset({"__MACOSX"})


@dataclass(frozen=True)
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
class Folder:
    """A scanned folder; images and refused are in natural order of their paths (2 before 10)."""

    root: Path
    images: tuple[ImageFile, ...]
    refused: tuple[Refused, ...]

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal digest of the root and of every image's path, size and time of change."""
        digest = hashlib.sha256(str(self.root).encode("utf-8", "surrogateescape"))
        for image in self.images:
            digest.update(f"\0{image.path}\0{image.bytes}\0{image.mtime_ns}".encode())
        return digest.hexdigest()[:32]


def scan(root: Path) -> Folder:
    """Lists the image files below `root` by extension, without opening any of them.

    Dot-files, dot-folders and __MACOSX are passed over. A link to a file inside the folder counts
    as that file; a link that leaves the folder is refused; a link to a folder inside it is passed
    over, since its images are counted where they lie (which also makes loops harmless).
    Raises FolderError when `root` is not a folder that can be read.
    """
    if not root.exists():
        raise _no_such_folder(root)
    if not root.is_dir():
        raise FolderError(f"{root} is a file; give the folder that holds the images.")
    root = root.resolve()
    images: list[ImageFile] = []
    refused: list[Refused] = []
    for entry in _walk(root):
        (images if isinstance(entry, ImageFile) else refused).append(entry)  # type: ignore[arg-type]
    return Folder(
        root=root,
        images=tuple(sorted(images, key=lambda image: natural_key(image.path))),
        refused=tuple(sorted(refused, key=lambda item: natural_key(item.path))),
    )


def _no_such_folder(path: Path) -> FolderError:
    """What is wrong with a path that leads nowhere, and the nearest one that leads somewhere."""
    missing = next((p for p in reversed([path, *path.parents]) if not p.exists()), path)
    try:
        with os.scandir(missing.parent) as entries:
            names = [e.name for e in islice(entries, _MOST_NAMES) if e.is_dir()]
    except OSError:
        names = []
    # Without regard to case first: `Photos` is nearer to `photos` than letters say.
    same = [name for name in names if name.lower() == missing.name.lower()]
    close = same or get_close_matches(missing.name, names, n=1)
    if not close:
        return FolderError(f"There is no folder {path}; check the path.")
    nearest = missing.with_name(close[0])
    whole = nearest / path.relative_to(missing)
    return FolderError(
        f"There is no folder {path}; did you mean {whole if whole.is_dir() else nearest}?"
    )


def natural_key(path: str) -> tuple[list[list[tuple[int, int, str]]], str]:
    """Sorts paths folder by folder, numbers by value and letters without regard to case."""
    parts = [
        [(0, int(piece), "") if piece[0] in "0123456789" else (1, 0, piece) for piece in pieces]
        for pieces in (re.findall(r"[0-9]+|[^0-9]+", part.casefold()) for part in path.split("/"))
    ]
    return parts, path


def _walk(root: Path) -> Iterator[ImageFile | Refused]:
    pending = [""]
    while pending:
        relative_folder = pending.pop()
        try:
            with os.scandir(root / relative_folder) as listing:
                entries = list(listing)
        except OSError as error:
            if not relative_folder:
                raise FolderError(f"Cannot read the folder {root}: {error.strerror}.") from None
            yield Refused(relative_folder, "unreadable", error.strerror or "cannot be listed")
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _SKIPPED_FOLDERS:
                continue
            relative = f"{relative_folder}/{entry.name}" if relative_folder else entry.name
            result = _look_at(entry, relative, root)
            if isinstance(result, str):
                pending.append(result)
            elif result is not None:
                yield result


def _look_at(
    entry: os.DirEntry[str], relative: str, root: Path
) -> ImageFile | Refused | str | None:
    """An image, a refusal, the path of a folder to go into, or None for what is passed over."""
    try:
        relative.encode()
    except UnicodeEncodeError:
        shown = relative.encode("utf-8", "backslashreplace").decode()
        return Refused(shown, "unreadable", "the name is not valid UTF-8; rename it")
    try:
        if entry.is_symlink():
            target = Path(entry.path).resolve(strict=True)
            if not target.is_relative_to(root):
                return Refused(relative, "symlink out of the tree", "leads out of the folder")
            if target.is_dir():
                return None
        elif entry.is_dir(follow_symlinks=False):
            return relative
        status = entry.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        detail = getattr(error, "strerror", None) or "a link that leads nowhere"
        return Refused(relative, "unreadable", detail)
    if os.path.splitext(entry.name)[1].lower() not in kinds.EXTENSIONS:
        return Refused(
            relative, "unsupported type", os.path.splitext(entry.name)[1] or "no extension"
        )
    if not stat.S_ISREG(status.st_mode):
        return Refused(relative, "unreadable", "not a regular file")
    return ImageFile(relative, status.st_size, status.st_mtime_ns)
