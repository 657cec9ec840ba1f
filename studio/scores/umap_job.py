"""UMAP in a process of its own: `python -m studio.scores.umap_job FEATURES LAYOUT`.

FEATURES is a .npy file with (N, d) unit vectors, LAYOUT the .npy file to write, (N, 2). Beside
FEATURES may stand `indices.npy` and `cosines.npy`, (N, k), of their nearest images. A line on
standard output says how far it is: done, total and the text, separated by tabs. Compiling UMAP
keeps Python's lock for seconds at a time; a page in the same process would stand still meanwhile.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import numpy as np

from studio.files import replace_file
from studio.scores.neighbours import Floats, Neighbours
from studio.scores.projection import umap

INDICES, COSINES = "indices.npy", "cosines.npy"


def main(features: Path, layout: Path) -> None:
    """Do it; the layout appears under its name when it is whole."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    units = np.asarray(np.load(features, allow_pickle=False), np.float32)

    def report(text: str, done: int, total: int) -> None:
        print(done, total, text, sep="\t", flush=True)

    plane = umap(units, alike=_alike(features.parent), report=report)
    replace_file(layout, lambda partial: save(partial, plane))


def _alike(folder: Path) -> Neighbours | None:
    indices, cosines = folder / INDICES, folder / COSINES
    if not cosines.is_file():
        return None
    return Neighbours(*(np.load(file, allow_pickle=False) for file in (indices, cosines)))


def save(file: Path, plane: Floats) -> None:
    """Write a layout (N, 2) under just this name, whatever its ending."""
    with file.open("wb") as opened:
        np.save(opened, plane, allow_pickle=False)


def _end_with_the_parent() -> None:
    """The parent holds our standard input; when it is gone, however it went, nobody waits."""
    # Not through sys.stdin: Python aborts when a thread still holds its lock at the end.
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
