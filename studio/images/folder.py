"""A folder of images -> what can be used, and what was refused and why.

`scan` looks at names and sizes only and is quick; which files really decode is found out by
`preparing.prepare`, which reads every file once. Decoding is in `studio.images.decoding`, class
names and the truth that sub-folders tell in `studio.images.names`; both are offered here too.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path

from studio.errors import FolderError
from studio.images.class_folders import ClassFolders, class_folders, propose_class_names
from studio.images.class_lists import (
    ClassList,
    class_text,
    parse_aliases,
    parse_class_names,
    parse_classes,
    read_aliases,
    read_class_names,
    read_classes,
)
from studio.images.decoding import REASONS, ImageRefused, decode
from studio.images.kinds import SHOWN
from studio.images.names import truth
from studio.images.walking import A_FOLDER, OUTSIDE, ImageFile, Refused, walk
from studio.numbers import plural

__all__ = [
    "REASONS",
    "ClassFolders",
    "ClassList",
    "Folder",
    "ImageFile",
    "ImageRefused",
    "Refused",
    "class_folders",
    "class_text",
    "decode",
    "parse_aliases",
    "parse_class_names",
    "parse_classes",
    "propose_class_names",
    "read_aliases",
    "read_class_names",
    "read_classes",
    "scan",
    "truth",
]

FOLLOW_LINKS = "follow them with --follow-links, on the page with “Follow links”"
"""How to have links followed that leave the folder."""
_MOST_NAMES = 5000  # that a mistyped one is compared with


@dataclass(frozen=True)
class Folder:
    """A scanned folder; images and refused are in natural order of their paths (2 before 10).

    others: how many files lie there that are no images and were passed over; follows_links: whether
    links that leave the folder were followed.
    """

    root: Path
    images: tuple[ImageFile, ...]
    refused: tuple[Refused, ...]
    others: int = 0
    follows_links: bool = False

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal digest of the root and of every image's path, size and time of change."""
        digest = hashlib.sha256(str(self.root).encode("utf-8", "surrogateescape"))
        for image in self.images:
            digest.update(f"\0{image.path}\0{image.bytes}\0{image.mtime_ns}".encode())
        return digest.hexdigest()[:32]


def scan(root: Path, *, follow_links: bool = False) -> Folder:
    """Lists the image files below `root`, by the endings of their names.

    Only files whose ending says nothing are opened, for their first bytes. Dot-files, dot-folders
    and __MACOSX are passed over, and so is what lies among images and is none (`others`). A link to
    a file inside the folder counts as that file; a link to a folder inside it is passed over, since
    its images are counted where they lie. Links that leave the folder are refused, unless
    `follow_links`: then what they lead to counts as if it lay here, each folder once, so that loops
    end. Raises FolderError when `root` is not a folder that can be read.
    """
    if not root.exists():
        raise _no_such_folder(root)
    if not root.is_dir():
        raise FolderError(f"{root} is a file; give the folder that holds the images.")
    root = root.resolve()
    images: list[ImageFile] = []
    refused: list[Refused] = []
    others = 0
    for found in walk(root, follow_links=follow_links):
        if found is None:
            others += 1
        elif isinstance(found, ImageFile):
            images.append(found)
        else:
            refused.append(found)
    return Folder(
        root=root,
        images=tuple(sorted(images, key=lambda image: natural_key(image.path))),
        refused=tuple(sorted(refused, key=lambda item: natural_key(item.path))),
        others=others,
        follows_links=follow_links,
    )


def nothing_usable(folder: Folder, refused: Sequence[Refused] | None = None) -> FolderError:
    """What to say of a folder without one usable image: the true cause.

    refused: all that is, where more was found out than the scan could; None: the folder's own.
    """
    refused = folder.refused if refused is None else refused
    if not refused:
        only = f", only {plural(folder.others, 'file')} of other kinds" if folder.others else ""
        return FolderError(f"There is no image in {folder.root}{only}; it needs {SHOWN} files.")
    links = sum(item.detail == A_FOLDER for item in refused)
    what = [(len(refused) - links, "image"), (links, "folder")]
    found = " and ".join(f"{n:,} {one}{'s' * (n > 1)}" for n, one in what if n)
    causes = Counter(_cause(item) for item in refused)
    told = ", ".join(f"{n:,} {cause}" for cause, n in causes.most_common(4))
    if len(causes) == 1:
        told = "all " * (len(refused) > 1) + next(iter(causes))
    advice = f"; {FOLLOW_LINKS}" if causes[_LINKS] else ""
    return FolderError(f"There is no usable image in {folder.root}: {found}, {told}{advice}.")


_LINKS = "links out of the folder"


def _cause(item: Refused) -> str:
    """Why a file is not used, in words that hold for all files of that kind."""
    if item.reason == OUTSIDE:
        return _LINKS
    return item.detail if item.reason == "unsupported type" else item.reason


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


def natural_key(path: str) -> str:
    """Sorts paths folder by folder, numbers by value and letters without regard to case.

    A text and not a list of lists, which for a million paths would take a gigabyte.
    """
    folder, _, name = path.rpartition("/")
    above = f"{_parts_key(folder)}{_DEEPER}" if folder else ""
    return f"{above}{_part_key(name)}{_END}{path}"


# Signs that come before all that names hold. A path ends, goes on with a deeper part, or its part
# goes on with a number, or with a text: in this order.
_END, _DEEPER, _NUMBER, _TEXT = "\x00", "\x01", "\x02", "\x03"
_PIECES = re.compile(r"[0-9]+|[^0-9]+")


@lru_cache(maxsize=4096)
def _parts_key(folder: str) -> str:
    return _DEEPER.join(map(_part_key, folder.split("/")))


def _part_key(part: str) -> str:
    return _PIECES.sub(_piece_key, part.casefold())


def _piece_key(found: re.Match[str]) -> str:
    piece = found[0]
    if piece[0] not in "0123456789":
        return _TEXT + piece
    digits = piece.lstrip("0")
    return f"{_NUMBER}{chr(len(digits))}{digits}"  # of two numbers the longer one is larger
