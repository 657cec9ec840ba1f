"""The names of a labelled set, and the true labels of its images, for tools that measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.images.folder import Folder, read_classes, truth


def names_of(root: Path) -> list[str]:
    """The class names of SET/classes.txt, which says folders beside them or not."""
    return list(read_classes(root / "classes.txt").names)


def true_labels(folder: Folder, root: Path) -> NDArray[np.int64]:
    """(N,) class numbers of a folder of the set, by its sub-folders.

    Raises:
        SystemExit: They are not called like the classes.
    """
    listed = read_classes(root / "classes.txt")
    known = truth(folder, list(listed.names), aliases=listed.aliases)
    if known is None:
        raise SystemExit(f"{folder.root} has no sub-folders that are called like a class of {root}")
    return known
