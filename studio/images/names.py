"""How names are compared: those of classes, of folders, and of labels in tables.

A name is one class. Two names are the same only when they are written alike, blanks, underscores
and Unicode forms aside; a folder or a label that is written otherwise still finds its class as long
as there is no doubt which (`Matcher`). Lists of names are read in `class_lists`, and proposed from
sub-folders in `class_folders`; both are offered here too, as is the truth that sub-folders tell.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from studio.images.folder import Folder

INDEX = re.compile(r"^(\d+)(?:[._\s-]|\. )\s*(?=\D)")
"""A number before a name, which may be an index: `007.traffic_light`."""
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»"}
_DOUBT = -1


def clean(text: str) -> str:
    """A name as it is shown: composed Unicode, single blanks, no quotes around it, one line."""
    printable = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", text))
    name = " ".join(printable.split())
    while len(name) > 2 and _QUOTES.get(name[0]) == name[-1]:
        name = name[1:-1].strip()
    return name


def same(name: str) -> str:
    """What is equal for names that are written alike: an underscore is a blank."""
    return " ".join(clean(name).replace("_", " ").split()) or clean(name)


def canonical(name: str) -> str:
    """The form in which names that differ in their spelling are compared: without regard to case,
    and to blanks, `_` and `-` inside of words.

    Signs count (`-1`, `A-`), and so does what separates two numbers (`1-2` is not `12`).
    """
    text = unicodedata.normalize("NFKC", clean(name)).casefold()
    text = re.sub(r"[\s_]+", " ", text).strip()
    return re.sub(
        r"(?<=\w)[ -]+(?=\w)",
        lambda found: " " * (text[found.start() - 1].isdigit() and text[found.end()].isdigit()),
        text,
    )


def readable(folder_name: str) -> str:
    """A folder's name as words, without a number before it: `007.traffic_light` -> "traffic light".

    For comparing only: whether the number is an index is decided in `class_folders`.
    """
    return same(INDEX.sub("", clean(folder_name)) or folder_name)


class Matcher:
    """Finds the class that a text means: written alike, or else spelled differently.

    Where two classes are spelled so, none is meant: a label must not go to the wrong one.

    Args:
        class_names: The C names.
        aliases: Other name -> class name; they come before the names themselves.
    """

    _FORMS: tuple[Callable[[str], str], ...] = (
        clean,
        same,
        lambda text: same(text).casefold(),
        canonical,
    )

    def __init__(
        self, class_names: Sequence[str], aliases: Mapping[str, str] | None = None
    ) -> None:
        self._classes = len(class_names)
        self._tables = [self._table(form, enumerate(class_names)) for form in self._FORMS]
        others = [
            (at, alias)
            for alias, name in (aliases or {}).items()
            if (at := self.find(name)) is not None
        ]
        for form, table in zip(self._FORMS, self._tables, strict=True):
            table.update(self._table(form, ((at, alias) for at, alias in others)))

    @staticmethod
    def _table(form: Callable[[str], str], names: Iterable[tuple[int, str]]) -> dict[str, int]:
        table: dict[str, int] = {}
        for at, name in names:
            key = form(name)
            table[key] = at if table.get(key, at) == at else _DOUBT
        return table

    def find(self, text: str) -> int | None:
        """The index of the class, None when there is none or more than one that it could be."""
        for form, table in zip(self._FORMS, self._tables, strict=True):
            if (at := table.get(form(text), None)) is not None:
                return None if at == _DOUBT else at
        return None

    def find_each(self, texts: Iterable[str]) -> dict[str, int | None]:
        """`find` of every text. Where none is a name and all are whole numbers below C, they are
        the numbers of classes, from 0, as tools write them.
        """
        each = {text: self.find(text) for text in texts}
        numbers = {text: int(text) for text in each if text.isdecimal() and len(text) < 7}
        by_number = each and not any(at is not None for at in each.values())
        if by_number and len(numbers) == len(each) and max(numbers.values()) < self._classes:
            return dict(numbers)
        return each

    def find_folder(self, name: str) -> int | None:
        """As `find`, of a folder's name, which may begin with an index."""
        found = self.find(name)
        return self.find(readable(name)) if found is None else found


def look_alike(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Groups of names that are written differently and spelled alike, such as `A` and `a`."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(canonical(name), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


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
    matcher = Matcher(class_names, aliases)
    parents = [path.rpartition("/")[0] for path in paths]  # Paths of a million take seconds
    by_folder: dict[str, int] = {}
    for parent in dict.fromkeys(parents):
        found = map(matcher.find_folder, reversed(PurePosixPath(parent).parts))
        by_folder[parent] = next((at for at in found if at is not None), -1)
    labels = np.fromiter(map(by_folder.__getitem__, parents), np.int64, len(parents))
    return labels if (labels >= 0).any() else None
