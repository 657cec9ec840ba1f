"""Class names read off sub-folders: which of them are classes, and which only split a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from studio.images.class_lists import ClassList, alike_note
from studio.images.names import INDEX, canonical, clean, look_alike, same
from studio.images.splits import Level, Node
from studio.numbers import some

if TYPE_CHECKING:
    from studio.images.folder import Folder

Splits = Literal["auto", "yes", "no"]
"""Whether outer folders split the set, so that what lies in them are the classes; "auto": as the
folders look."""

_MOST_NOTES = 20


@dataclass(frozen=True)
class ClassFolders:
    """What sub-folders say about classes.

    Attributes:
        classes: The names, and what was merged or left out.
        splits: The folders that were taken for parts of a split set.
        other: The other reading, in which `asked` are classes; None where there is none.
        asked: The folders that are either parts of the set or classes.
        doubt: Whether somebody should say which reading is right.
    """

    classes: ClassList = field(default_factory=lambda: ClassList(()))
    splits: tuple[str, ...] = ()
    other: ClassList | None = None
    asked: tuple[str, ...] = ()
    doubt: bool = False

    @property
    def as_parts(self) -> bool:
        """Whether `asked` were taken for parts of the set."""
        return bool(self.asked) and set(self.asked) <= set(self.splits)

    @property
    def sentence(self) -> str:
        """Which reading was taken, for people; "" where there is only one."""
        if self.splits:
            return (
                f"The folders {some(self.splits)} are taken for parts of a split set, and what "
                "lies in them for the classes."
            )
        if self.asked:
            inside = "" if self.other is None else f" ({some(self.other.names)})"
            return (
                f"The folders {some(self.asked)} are taken for classes, not what lies in them"
                f"{inside}."
            )
        return ""


def class_folders(folder: Folder, *, splits: Splits = "auto") -> ClassFolders:
    """Read the class names off a folder's sub-folders; none when they do not suggest at least two.

    Leading folders that all images share are passed over, and so are those that only split or hold
    a set (train, test, images, ...): by their names, and by what lies in them, since `train/cat`
    and `test/cat` are a split while a folder `train` beside `bus` and `car` is a class.
    """
    tree = _tree(image.path for image in folder.images)
    found = _chosen(tree, splits)
    if not folder.refused:
        return found
    paths = [image.path for image in folder.images] + [item.path for item in folder.refused]
    every = _chosen(_tree(paths), splits).classes.names
    if gone := [name for name in every if name not in found.classes.names]:
        note = f"No image can be used of {some(gone)}, so that there is no such class."
        classes = replace(found.classes, notes=(*found.classes.notes, note))
        return replace(found, classes=classes)
    return found


def _tree(paths: Iterable[str]) -> Node:
    tree = Node()
    for parent in dict.fromkeys(PurePosixPath(path).parts[:-1] for path in paths):
        tree.add(parent)
    return tree


def _chosen(tree: Node, splits: Splits) -> ClassFolders:
    """The reading that was asked for."""
    found = _read(tree)
    if splits == "auto" or (found.asked and found.as_parts == (splits == "yes")):
        return found
    if found.other is None:  # nothing was in doubt: the outermost folders, or what lies in them
        level = _first_level(tree)
        inner = level.below(level.names)
        if splits == "no" or not inner.names:
            return ClassFolders(_class_list(level.folders))
        return ClassFolders(_class_list(inner.folders), tuple(level.names))
    passed = tuple(name for name in found.splits if name not in found.asked)
    parts = found.asked if splits == "yes" else ()
    return ClassFolders(found.other, (*passed, *parts), found.classes, found.asked, found.doubt)


def propose_class_names(folder: Folder) -> list[str]:
    """The names of `class_folders`, as they look."""
    return list(class_folders(folder).classes.names)


def _first_level(tree: Node) -> Level:
    level = Level([tree.folders])
    while len(level.names) == 1:
        level = level.below(level.names)
    return level


def _read(tree: Node) -> ClassFolders:
    """The classes as the folders look."""
    level = Level([tree.folders])
    passed: tuple[str, ...] = ()
    outer: ClassList | None = None
    while level.names:
        if len(level.names) == 1:
            level = level.below(level.names)
            continue
        reading = level.read()
        inner = level.below(reading.expand)
        here = _class_list(level.folders)
        if reading.sure:
            outer = outer or here
            level, passed = inner, (*passed, *reading.expand)
            continue
        if not reading.expand or len(inner.names) < 2:
            return ClassFolders(here, passed, outer, passed)
        inside = _class_list(inner.folders)
        chosen, other = (inside, here) if reading.likely else (here, inside)
        taken = (*passed, *reading.expand) if reading.likely else passed
        return ClassFolders(chosen, taken, other, reading.expand, doubt=True)
    return ClassFolders()


# Names --------------------------------------------------------------------------------------------


def _class_list(groups: Sequence[dict[str, Node]]) -> ClassList:
    """The class names of folders that lie beside each other in one or several places."""
    found = dict.fromkeys(name for group in groups for name in group)
    names = [name for name in found if same(name)]
    notes = [
        f"A folder whose name cannot be seen ({n!a}) is no class." for n in found if not same(n)
    ]
    indexed = _indexed(names)
    if indexed:
        notes.append(f"The numbers before the names were left out, as in {some(indexed)}.")
    words = {name: same(INDEX.sub("", clean(name)) if name in indexed else name) for name in names}
    merged = _spellings(groups, words)
    classes: dict[str, list[str]] = {}
    for name in names:
        classes.setdefault(merged.get(words[name], words[name]), []).append(name)
    notes += [
        f"The folders {some(called)} are one class: {name}."
        for name, called in classes.items()
        if len(called) > 1
    ][:_MOST_NOTES]
    notes += [alike_note(group) for group in look_alike(list(classes))[:_MOST_NOTES]]
    return ClassList(tuple(classes), {}, tuple(notes)) if len(classes) > 1 else ClassList(())


def _spellings(groups: Sequence[dict[str, Node]], words: dict[str, str]) -> dict[str, str]:
    """Other spelling -> first spelling, of names in different places (train/Cat, test/cat).

    Folders beside each other are different classes however alike they are: somebody put them apart.
    """
    merged: dict[str, str] = {}
    for alike in look_alike(list(dict.fromkeys(words.values()))):
        most = max(sum(word in alike for word in {words[n] for n in group}) for group in groups)
        if most == 1:
            merged |= dict.fromkeys(alike[1:], alike[0])
    return merged


def _indexed(names: Sequence[str]) -> list[str]:
    """Those of the names that begin with an index; [] where the numbers may belong to the names.

    An index has zeros before it and three digits (`007.traffic_light`), or counts all folders up
    from 0, or from 1 with a dot or with zeros. `5_euro` and `2_door_car` keep their numbers, and so
    does whatever would be called like another folder without it.
    """
    found = {name: match for name in names if (match := INDEX.match(clean(name)))}
    if not found:
        return []
    digits = [match[1] for match in found.values()]
    padded = len({len(d) for d in digits}) == 1 and any(d[0] == "0" for d in digits)
    numbers = sorted(map(int, digits))
    counted = len(found) == len(names) > 1 and numbers == list(
        range(numbers[0], numbers[0] + len(numbers))
    )
    dotted = all(match[0].rstrip().endswith(".") for match in found.values())
    long = padded and len(digits[0]) > 2
    if not (long or (counted and (numbers[0] == 0 or (numbers[0] == 1 and (dotted or padded))))):
        return []
    bare = [same(INDEX.sub("", clean(name))) for name in found]
    others = [same(name) for name in names if name not in found]
    if len(set(map(canonical, bare))) < len(bare) or set(bare) & set(others) or "" in bare:
        return []
    return list(found)
