"""Class names: typed, pasted, read from a file or proposed from folders; and what folders say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from studio.errors import FolderError

if TYPE_CHECKING:
    from studio.images.folder import Folder

MAX_NAME_LENGTH = 100

# Folders that split or hold a data set rather than name a class.
_NOT_CLASSES = frozenset(
    {"train", "training", "test", "testing", "val", "valid", "validation", "eval", "dev"}
    | {"images", "image", "img", "data", "dataset"}
)


def canonical(name: str) -> str:
    """The form in which names are compared: case, spaces, `_` and `-` do not count.

    Unicode is normalised too, since macOS spells accents in two characters.
    """
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold())


def parse_class_names(text: str) -> list[str]:
    """Class names from typed or pasted text: one a line, or separated by commas.

    A line `folder<TAB>readable name` gives the readable name (see parse_aliases). Blanks, quotes
    around a name and repeated names (in the sense of `canonical`) are dropped, order is kept.
    Raises FolderError when fewer than two names are left or one is longer than 100 characters.
    """
    names: dict[str, str] = {}
    for line in map(str.strip, text.splitlines()):
        pieces = [line.split("\t", 1)[1]] if "\t" in line else line.split(",")
        for piece in pieces:
            name = _clean(piece)
            if len(name) > MAX_NAME_LENGTH:
                raise FolderError(
                    f"The class name “{name[:40]}…” is longer than {MAX_NAME_LENGTH} characters; "
                    "give one name a line, or names separated by commas."
                )
            if canonical(name):
                names.setdefault(canonical(name), name)
    if len(names) < 2:
        raise FolderError("Give at least two class names, one a line or separated by commas.")
    return list(names.values())


def parse_aliases(text: str) -> dict[str, str]:
    """Folder name -> class name, from the lines that have the form `folder<TAB>readable name`."""
    aliases: dict[str, str] = {}
    for line in text.splitlines():
        folder, tab, name = line.strip().partition("\t")
        if tab and _clean(folder) and _clean(name):
            aliases[_clean(folder)] = _clean(name)
    return aliases


def read_class_names(path: Path) -> list[str]:
    """Class names from a UTF-8 text file, in the forms of parse_class_names. Raises FolderError."""
    return parse_class_names(_read(path))


def read_aliases(path: Path) -> dict[str, str]:
    """Folder name -> class name from a file in the form of parse_aliases. Raises FolderError."""
    return parse_aliases(_read(path))


def propose_class_names(folder: Folder) -> list[str]:
    """Class names read off the sub-folders; [] when they do not suggest at least two.

    Leading folders that all images share, or that only split a set (train, test, images, ...), are
    passed over: `train/cat/1.jpg` proposes "cat".
    """
    parents = [PurePosixPath(image.path).parts[:-1] for image in folder.images]
    level = 0
    while True:
        here = {parts[level] for parts in parents if len(parts) > level}
        if not here:
            return []
        if len(here) > 1 and not all(canonical(name) in _NOT_CLASSES for name in here):
            break
        level += 1
    names: dict[str, str] = {}
    for parts in parents:
        if len(parts) > level and canonical(name := readable(parts[level])):
            names.setdefault(canonical(name), name)
    return list(names.values()) if len(names) >= 2 else []


def readable(folder_name: str) -> str:
    """A folder's name as words: `007.traffic_light` -> "traffic light"."""
    return _clean(re.sub(r"^\d+[._\s-]+(?=\D)", "", folder_name).replace("_", " "))


def truth(
    folder: Folder, class_names: Sequence[str], *, aliases: Mapping[str, str] | None = None
) -> npt.NDArray[np.int64] | None:
    """True classes as far as folder names tell; used for scoring only, never for training.

    aliases: folder name -> class name, for folders that are called otherwise than their class.
    Returns (N,) int64 with -1 = unknown, in the order of folder.images; None when no sub-folder
    matches a class. Of several matching folders on an image's path the innermost counts.
    """
    return truth_of([image.path for image in folder.images], class_names, aliases=aliases)


def truth_of(
    paths: Sequence[str], class_names: Sequence[str], *, aliases: Mapping[str, str] | None = None
) -> npt.NDArray[np.int64] | None:
    """As `truth`, of the N images at these paths, which are relative to their folder."""
    index = {canonical(name): i for i, name in enumerate(class_names)}
    by_folder = dict(index)
    for alias, name in (aliases or {}).items():
        if canonical(name) in index:
            by_folder[canonical(alias)] = index[canonical(name)]
    cache: dict[PurePosixPath, int] = {}
    labels = np.full(len(paths), -1, dtype=np.int64)
    for i, path in enumerate(paths):
        parent = PurePosixPath(path).parent
        if parent not in cache:
            cache[parent] = _innermost(reversed(parent.parts), by_folder)
        labels[i] = cache[parent]
    return labels if (labels >= 0).any() else None


def _innermost(folder_names: Iterable[str], index: Mapping[str, int]) -> int:
    for name in folder_names:
        for key in (canonical(name), canonical(readable(name))):
            if key in index:
                return index[key]
    return -1


def _clean(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split()).strip("\"'“”").strip()


def _read(path: Path) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read(4_000_000)
    except UnicodeDecodeError:
        raise FolderError(f"{path} is not a UTF-8 text file; give one class name a line.") from None
    except OSError as error:
        raise FolderError(f"Cannot read the class names in {path}: {error.strerror}.") from None
