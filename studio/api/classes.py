"""The classes of a fit, from whatever a user gave: names, a file, sub-folders, or labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import get_args

from studio.errors import FolderError
from studio.images.class_folders import Splits
from studio.images.folder import ClassList, Folder, class_folders, parse_classes, read_classes
from studio.images.names import same
from studio.numbers import some

Classes = Iterable[str] | Mapping[str, str] | str | Path
"""Class names; or folder name -> class name; or a text of names; or a file of them."""

_CLASSES = 200  # whose names are printed


def listed(classes: Classes) -> ClassList:
    """Class names that were given in one of these forms.

    Raises:
        FolderError: They are fewer than two, or the file cannot be read.
    """
    if isinstance(classes, Path):
        return read_classes(classes)
    if isinstance(classes, str):
        if _is_file(classes):
            raise FolderError(
                f"{classes} is a file, not a class name; give it as one: --names {classes}, or "
                f"Path({classes!r}) in Python."
            )
        return parse_classes(classes)
    aliases = dict(classes) if isinstance(classes, Mapping) else {}
    names = list(aliases.values() if aliases else classes)
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise FolderError("Class names are texts, and none of them is empty.")
    alike: dict[str, str] = {}
    for name in names:
        first = alike.setdefault(same(name), name)
        if first != name:
            raise FolderError(f"{first!r} and {name!r} are the same class name; leave one out.")
    if len(alike) < 2:
        raise FolderError("Give at least two class names.")
    return ClassList(tuple(alike.values()), aliases)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a text that is no path, or too long for one
        return False


def classes_of(
    given: ClassList | None,
    folder: Folder,
    labels: Mapping[str, str],
    *,
    splits: Splits,
    demo: bool,
    tell: Callable[[str], None],
) -> ClassList:
    """The classes that `fit` uses, from where it was told to take them.

    They are told, and so is all that was merged, left out or guessed.

    Args:
        given: What the user listed; None: nothing.
        folder: The images.
        labels: Those to check, which name classes where nothing else does.
        splits: Whether outer sub-folders are parts of a split set: auto, yes or no.
        demo: Whether it is the demo set.
        tell: Prints a line.

    Raises:
        StudioError: There are no two classes.
    """
    if splits not in get_args(Splits):
        raise FolderError(f"splits is auto, yes or no, not {splits!r}.")
    if given is not None:
        classes = given
    elif demo:
        from studio.demo import DEMO_CLASSES

        classes = ClassList(DEMO_CLASSES)
    else:
        found = class_folders(folder, splits=splits)
        classes = found.classes
        if found.sentence:
            turn = "no makes them classes" if found.as_parts else "yes takes them for parts"
            tell(f"{found.sentence} (--splits {turn})")
    if not classes.names and labels:
        classes = ClassList(tuple({same(name): name for name in sorted(labels.values())}.values()))
    if not classes.names:
        outer = sorted(
            {image.path.partition("/")[0] for image in folder.images if "/" in image.path}
        )
        what = (
            f"no classes but {some(outer)}" if outer else "no sub-folders to take class names from"
        )
        raise FolderError(
            f"{folder.root} has {what}; give the class names with --names FILE or --classes a,b,c "
            "(in Python: classes=[...])"
        )
    for note in classes.notes:
        tell(f"note: {note}")
    more = f", and {len(classes.names) - _CLASSES} more" if len(classes.names) > _CLASSES else ""
    tell(f"{len(classes.names)} classes: {' | '.join(classes.names[:_CLASSES])}{more}")
    return classes
