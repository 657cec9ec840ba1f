"""Labels that came with the images, in a table that a page was given: to be checked by a run.

They are kept in the cache with the folder that they are of, so that a reload, a second browser and
a new start of the studio find them again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from studio.errors import FolderError, RunError
from studio.files import read_json, write_json
from studio.images.folder import Folder
from studio.images.image_names import ImageNames
from studio.numbers import plural
from studio.runs.checking import claimed, read_labels

_log = logging.getLogger(__name__)
_FILE = "label-table.json"
MAX_BYTES = 32 << 20
"""Of a table on the page: about 300,000 rows."""


@dataclass(frozen=True)
class LabelTable:
    """name: of the file; labels: class name by image; notes: what was said of its rows."""

    name: str
    labels: Mapping[str, str]
    notes: tuple[str, ...] = ()


def names_of(folder: Folder) -> ImageNames:
    """The images of a folder, by whatever name a table calls them."""
    return ImageNames((image.path for image in folder.images), roots=(folder.root,))


def check_size(path: Path) -> None:
    """Raise FolderError for a table that is too large to be read while a page waits."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise FolderError(
            f"{path.name} has {size >> 20} MB; tables of at most {MAX_BYTES >> 20} MB are read "
            "here, larger ones by `python -m studio fit`."
        )


def read_table(
    path: Path, *, folder: Folder, class_names: Sequence[str], aliases: Mapping[str, str]
) -> LabelTable:
    """The labels in a table, as `fit --labels` reads them, of the images that are there.

    class_names: as they stand, to which the labels must belong; none: that is left for later.

    Raises:
        StudioError: It cannot be read, none of its images is in the folder, its rows contradict
            each other, or a label is not among the class names.
    """
    check_size(path)
    notes: list[str] = []
    images = names_of(folder)
    labels = read_labels(path, images=images, tell=notes.append)
    there = {image: label for image, label in labels.items() if images.find(image) is not None}
    if not there:
        raise RunError(
            f"{path.name}: none of its {plural(len(labels), 'image')} is among the images at hand, "
            f"{next(iter(labels))[:80]!r} for one; paths are relative to the folder of images."
        )
    if class_names:
        check_table(there, folder=folder, class_names=class_names, aliases=aliases)
    if missing := len(labels) - len(there):
        notes.append(f"{plural(missing, 'row')} of images that are not in the folder left out")
    return LabelTable(path.name, there, tuple(notes))


def check_table(
    labels: Mapping[str, str],
    *,
    folder: Folder,
    class_names: Sequence[str],
    aliases: Mapping[str, str],
) -> None:
    """Raise RunError where a label is not among the class names."""
    paths = [image.path for image in folder.images]
    claimed(labels, paths=paths, class_names=class_names, aliases=aliases, roots=(folder.root,))


def keep(cache_dir: Path, root: Path, table: LabelTable | None) -> None:
    """Keep a table for the images in `root`, in place of the one before; None: keep none."""
    file = cache_dir / _FILE
    try:
        if table is None:
            file.unlink(missing_ok=True)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, {"folder": str(root), **asdict(table)})
    except (OSError, UnicodeEncodeError):  # a full disk: the table holds until the next start
        _log.warning("cannot write %s", file)


def kept(cache_dir: Path, root: Path) -> LabelTable | None:
    """The table that was kept for the images in `root`; None: there is none, or it is damaged."""
    found: Any = read_json(cache_dir / _FILE)
    if not isinstance(found, dict) or found.get("folder") != str(root):
        return None
    name, labels, notes = found.get("name"), found.get("labels"), found.get("notes")
    if not isinstance(name, str) or not isinstance(labels, dict) or not labels:
        return None
    if not isinstance(notes, list) or not all(isinstance(v, str) for v in labels.values()):
        return None
    return LabelTable(name, labels, tuple(map(str, notes)))
