"""What the command line asks of a run, in so far as it has to be worked out: the classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from studio.errors import FolderError, SettingsError
from studio.images.class_lists import shown
from studio.images.folder import ClassList, Folder, class_folders, parse_classes, read_classes
from studio.images.names import same

if TYPE_CHECKING:
    import argparse

_CLASSES = 200  # whose names are printed


def classes_of(
    options: argparse.Namespace,
    folder: Folder,
    labels: Mapping[str, str],
    *,
    demo: bool,
    tell: Callable[[str], None],
) -> ClassList:
    """The classes that `fit` uses, from where it was told to take them.

    They are told, and so is all that was merged, left out or guessed.

    Args:
        options: Of the command line: names, classes, splits.
        folder: The images.
        labels: Those to check, which name classes where nothing else does.
        demo: Whether it is the demo set.
        tell: Prints a line.

    Raises:
        StudioError: There are no two classes.
    """
    if options.names is not None and options.classes is not None:
        raise SettingsError("Give the class names with --names or with --classes, not with both.")
    if options.names is not None:
        classes = read_classes(options.names)
    elif options.classes is not None:
        classes = parse_classes(options.classes)
    elif demo:
        from studio.demo import DEMO_CLASSES

        classes = ClassList(DEMO_CLASSES)
    else:
        found = class_folders(folder, splits=options.splits)
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
            f"no classes but {shown(outer)}" if outer else "no sub-folders to take class names from"
        )
        raise FolderError(
            f"{folder.root} has {what}; give the class names with --names FILE or --classes a,b,c"
        )
    for note in classes.notes:
        tell(f"note: {note}")
    more = f", and {len(classes.names) - _CLASSES} more" if len(classes.names) > _CLASSES else ""
    tell(f"{len(classes.names)} classes: {' | '.join(classes.names[:_CLASSES])}{more}")
    return classes
