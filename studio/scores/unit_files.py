"""Unit vectors of very many images, on the disk: half the memory, and only what is looked at.

A million images of 512 numbers are 2 GB as a model gives them, and as much again around their mean.
So above `FEWEST` images they are kept in a file, as half-precision numbers (a cosine is off by
0.0001 at most), which is mapped into memory. Whatever goes through all of them does so in blocks.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from studio.cache_folder import touch
from studio.files import replace_file
from studio.scores import graph_files
from studio.scores.neighbours import Floats, lengths_around, mean_of, products, unit_rows
from studio.untrusted import Unreadable, load_array

FEWEST = 100_000
"""Images from which they lie in a file; 200 MB of 512 numbers each as they come."""
_ROWS = 8192
_VERSION = 1
_AROUND = np.dtype([("lengths", "<f4"), ("norms", "<f4"), ("mean", "<f4"), ("graph", "u1")])

Halves: TypeAlias = NDArray[np.float16]


@dataclass(frozen=True)
class Kept:
    """A set's N vectors in a file.

    units: (N, d) around the set's mean, see `neighbours.unit`, mapped; mean: (d,); lengths: (N,)
    of the vectors from the mean; norms: (N,) of the vectors themselves; graph: what the set's graph
    of nearest images is kept under.
    """

    units: Halves
    mean: Floats
    lengths: Floats
    norms: Floats
    graph: str

    def along(self, direction: Floats) -> Floats:
        """(N,) products of the units with a vector (d,)."""
        return products(self.units, direction)

    def cosines(self, direction: Floats) -> Floats:
        """(N,) cosines of the vectors as they are, not around their mean, with a vector (d,)."""
        length = max(float(np.linalg.norm(direction)), 1e-12)
        whole = self.lengths * self.along(direction) + float(self.mean @ direction)
        return np.asarray(whole / np.maximum(self.norms * length, 1e-12), np.float32)


def blocks(units: NDArray[np.floating], rows: int = _ROWS) -> Iterator[tuple[slice, Floats]]:
    """Vectors (N, d) of any precision, some rows at a time, in single precision."""
    for begin in range(0, len(units), rows):
        part = slice(begin, min(begin + rows, len(units)))
        yield part, np.asarray(units[part], np.float32)


@dataclass(frozen=True)
class UnitFiles:
    """The files in a cache folder."""

    cache_dir: Path

    def of(self, key: str, features: Callable[[], Floats]) -> Kept:
        """The vectors under this key, made of raw features (N, d) where there are none.

        Raises:
            OSError: They cannot be written.
        """
        folder = self.cache_dir / "units"
        name = hashlib.blake2b(f"{_VERSION} {key}".encode(), digest_size=16).hexdigest()
        places = (folder / f"{name}.npy", folder / f"{name}.around.npy")
        found = _read(*places)
        if found is None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(*places, features())
            found = _read(*places)
        if found is None:
            raise OSError(None, "the file cannot be read again", str(places[0]))
        for place in places:
            touch(place)
        return found


def in_memory(features: Floats) -> Kept:
    """The same without a file."""
    units = np.empty(features.shape, np.float16)
    return _made(features, lambda part, block: np.copyto(units[part], block), units)


def _made(features: Floats, take: Callable[[slice, Halves], object], units: Halves) -> Kept:
    """All there is to know of raw features (N, d); take: given the units, some rows at a time."""
    mean = mean_of(features)
    lengths, norms, floor = lengths_around(features, mean)
    key = graph_files.Key(features.shape)
    for part, block in blocks(features):
        found = unit_rows(block, mean, lengths[part], floor)
        key.take(found)
        take(part, found.astype(np.float16))
    return Kept(units, mean, lengths, norms, key.text())


def _write(units: Path, around: Path, features: Floats) -> None:
    """Two files: the units, and all else; the first one is there only where the other one is."""

    def write(file: Path) -> Kept:
        with file.open("wb") as opened:
            head = {"descr": "<f2", "fortran_order": False, "shape": features.shape}
            np.lib.format.write_array_header_1_0(opened, head)
            nothing = np.zeros((0, features.shape[1]), np.float16)
            return _made(features, lambda _, block: opened.write(block.data), nothing)

    def both(file: Path) -> None:
        kept = write(file)
        rows = np.zeros(max(*features.shape, 64), _AROUND)
        for name, values in (
            ("lengths", kept.lengths), ("norms", kept.norms), ("mean", kept.mean),
            ("graph", np.frombuffer(kept.graph.encode("ascii"), np.uint8)),
        ):  # fmt: skip
            rows[name][: len(values)] = values
        replace_file(around, lambda beside: _save(beside, rows))

    replace_file(units, both)


def _save(file: Path, rows: NDArray[np.void]) -> None:
    with file.open("wb") as opened:
        np.save(opened, rows, allow_pickle=False)


def _read(units: Path, around: Path) -> Kept | None:
    """None: there are none that can be used."""
    with contextlib.suppress(Unreadable, ValueError, KeyError, UnicodeDecodeError):
        halves, rows = load_array(units, mapped=True, own=True), load_array(around)
        if halves.dtype != np.float16 or halves.ndim != 2:
            return None
        number, width = halves.shape
        if rows.dtype != _AROUND or len(rows) < max(number, width, 64):
            return None
        graph = rows["graph"][:64].tobytes().rstrip(b"\0").decode("ascii")
        mean, lengths, norms = (
            rows[name][:count].copy()
            for name, count in (("mean", width), ("lengths", number), ("norms", number))
        )
        return Kept(halves, mean, lengths, norms, graph)
    return None
