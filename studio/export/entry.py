"""A file of an export: its bytes, the file they are in, or how they are made when they are wanted.

The page shows what an export would hold before anybody asks for it. So whatever takes time or
memory is made while it is written, and tells how large it will be without being made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from studio.progress import Begin, unheard

SAMPLE = 64
"""Images by whose rows the size of a table is told: of 64 rows of one table the mean length is
within a few per cent of that of all."""

_PIECES = 4096
_TOLD_FROM = 20_000
"""Images: fewer rows are written before anybody wonders."""

Parts = Callable[[Sequence[int]], Iterator[str]]
"""The pieces of a text file for the images of these numbers; for none, what stands around them."""


@dataclass(frozen=True)
class Made:
    """write: writes the file; about: its bytes, told without making it; exact: whether that is
    how many they are.
    """

    write: Callable[[IO[bytes]], object]
    about: int
    exact: bool = False


@dataclass(frozen=True)
class Entry:
    """A file of an export. name: relative, with `/`; data: its bytes, the file they are in, or how
    they are made.
    """

    name: str
    data: bytes | Path | Made

    @property
    def size(self) -> int:
        """Bytes, see `exact`; 0 of a file that is gone."""
        if isinstance(self.data, bytes):
            return len(self.data)
        if isinstance(self.data, Made):
            return self.data.about
        try:
            return self.data.stat().st_size
        except OSError:
            return 0

    @property
    def exact(self) -> bool:
        """Whether `size` is the size, and not about that."""
        return not isinstance(self.data, Made) or self.data.exact

    def write(self, file: IO[bytes]) -> None:
        """Write what is not in a file already."""
        if isinstance(self.data, Made):
            self.data.write(file)
        elif isinstance(self.data, bytes):
            file.write(self.data)


def text_of_rows(
    name: str, parts: Parts, indices: Sequence[int], *, begin: Begin = unheard
) -> Entry:
    """A text file with something for each image, written piece by piece.

    parts: see `Parts`; it is also asked for a few images, by which the size is told; begin: told of
    it while very many are written.
    """
    few = _spread(indices)
    about = _bytes(parts(few))
    if len(few) < len(indices):
        frame = _bytes(parts(()))
        about = frame + round((about - frame) * len(indices) / len(few))

    def write(file: IO[bytes]) -> None:
        pieces, done, number = parts(indices), 0, len(indices)
        progress = begin(f"Writing {name}") if number >= _TOLD_FROM else unheard(name)
        while some := list(islice(pieces, _PIECES)):  # a million small writes take seconds
            file.write("".join(some).encode())
            done += len(some)
            progress(min(done, number), number)  # what stands around the rows is counted as well

    return Entry(name, Made(write, about=about, exact=len(few) == len(indices)))


def _spread(indices: Sequence[int]) -> Sequence[int]:
    """At most SAMPLE of them, evenly spread."""
    if len(indices) <= SAMPLE:
        return indices
    return [indices[i * len(indices) // SAMPLE] for i in range(SAMPLE)]


def _bytes(parts: Iterable[str]) -> int:
    return sum(len(part.encode()) for part in parts)
