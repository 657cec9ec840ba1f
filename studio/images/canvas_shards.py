"""Shards: files of many canvases, written once and never changed.

A shard is a `.npy` file of bytes. Of a small folder it holds the pixels themselves, (n, 3, size,
size). Of a large one each canvas is a JPEG picture: one row of bytes, the pictures one behind the
other, then where each begins and where the last one ends (n + 1 numbers of 8 bytes), then n. Both
are mapped into memory, and only what is asked for is read.
"""

from __future__ import annotations

import contextlib
import io
import os
import uuid
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from studio.leftovers import held
from studio.untrusted import Unreadable, load_array

Pixels = npt.NDArray[np.uint8]

LARGE = 1_500_000_000
"""Bytes of pixels from which a folder's canvases are compressed: 10,000 images at size 224."""
_QUALITY, _SUBSAMPLING = 93, "4:2:0"
"""15 KB an image at size 224 (of eight sets 7 to 19), a tenth of its pixels; a millisecond to write
and 0.6 to read. docs/scale.md has the table that this was chosen from."""
_BYTES_A_PIXEL = 0.4  # of a compressed canvas, of the most detailed of eight sets: 0.38
_NUMBER = np.dtype("<i8")


class Shard(Protocol):
    """Canvases in a file; an array of pixels is one."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, row: int, /) -> Pixels:
        """One of them, (3, size, size). Raises Unreadable where it is damaged."""
        ...


class CompressedShard:
    """Canvases that are JPEG pictures, each made into pixels when it is asked for."""

    def __init__(self, held: Pixels, starts: npt.NDArray[np.int64], *, size: int) -> None:
        """Take what a file holds.

        Args:
            held: (bytes,) of the whole shard.
            starts: (n + 1,) where each picture begins, and where the last one ends.
            size: side of the canvases.
        """
        self._held, self._starts, self._size = held, starts, size

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, row: int) -> Pixels:
        begin, end = int(self._starts[row]), int(self._starts[row + 1])
        return decompressed(self._held[begin:end].tobytes(), size=self._size)


def compresses(images: int, *, size: int) -> bool:
    """Whether the canvases of a folder of so many images are compressed: see `LARGE`."""
    return images * 3 * size**2 > LARGE


def bytes_of(images: int, *, size: int, compressed: bool) -> int:
    """About how many bytes of disk so many canvases take."""
    return int(images * size**2 * (_BYTES_A_PIXEL if compressed else 3))


def compressed(pixels: Pixels) -> bytes:
    """A canvas (3, size, size) as a JPEG picture."""
    data = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(
        data, "JPEG", quality=_QUALITY, subsampling=_SUBSAMPLING, optimize=True
    )
    return data.getvalue()


def decompressed(data: bytes, *, size: int) -> Pixels:
    """The canvas that `compressed` made so many bytes of. Raises Unreadable."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            if picture.size != (size, size) or picture.mode != "RGB":
                raise Unreadable("a canvas has another size")
            return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))
    except Unreadable:
        raise
    except Exception as error:  # whatever a damaged picture makes the decoder trip over
        raise Unreadable(f"a canvas is damaged: {type(error).__name__}") from None


def shows(shard: Shard, row: int, pixels: Pixels) -> bool:
    """Whether a canvas of a shard is that of an image with these pixels. Raises Unreadable."""
    if isinstance(shard, CompressedShard):
        pixels = decompressed(compressed(pixels), size=pixels.shape[-1])
    return np.array_equal(shard[row], pixels)


def open_shard(path: Path, *, size: int) -> Shard | None:
    """A shard mapped into memory, None when it is missing, cut short or something else."""
    try:
        found = load_array(path, mapped=True)
    except Unreadable:
        return None
    if found.dtype != np.uint8:
        return None
    if found.ndim == 1:
        return _compressed_shard(found, size)
    return found if found.shape[1:] == (3, size, size) else None


def _compressed_shard(found: Pixels, size: int) -> CompressedShard | None:
    if len(found) < _NUMBER.itemsize:
        return None
    rows = int(found[-_NUMBER.itemsize :].view(_NUMBER)[0])
    tail = (rows + 2) * _NUMBER.itemsize
    if rows < 0 or tail > len(found):
        return None
    starts = np.array(found[len(found) - tail : -_NUMBER.itemsize]).view(_NUMBER)
    if starts[0] != 0 or starts[-1] != len(found) - tail or (np.diff(starts) <= 0).any():
        return None
    return CompressedShard(found, starts, size=size)


class Writer:
    """Appends canvases to a shard of unknown length.

    By ordinary writes, not through a memory map: when the disk fills up a write raises OSError,
    where a memory map would kill the process with SIGBUS.
    """

    def __init__(self, folder: Path, *, size: int, compressed: bool) -> None:
        """Begin a file in the folder. Raises OSError."""
        self.name = f"{uuid.uuid4().hex}.npy"
        self.rows = 0
        self._path, self._size, self._compressed = folder / self.name, size, compressed
        self._starts = [0]
        self._temporary = self._path.with_suffix(".tmp")
        self._file: IO[bytes] = open(self._temporary, "wb")  # noqa: SIM115 (closed by finish)
        self._holds = contextlib.ExitStack()
        self._holds.enter_context(held(self._temporary))
        self._write_header(0)

    def append(self, canvas: Pixels | bytes) -> int:
        """Returns the row of this canvas: pixels, or what `compressed` made of them.

        Raises OSError.
        """
        data = canvas if isinstance(canvas, bytes) else np.ascontiguousarray(canvas).data
        self._file.write(data)
        self._starts.append(self._starts[-1] + len(data) if isinstance(data, bytes) else 0)
        self.rows += 1
        return self.rows - 1

    def finish(self) -> Shard | None:
        """The finished shard, mapped into memory; None (and no file) when it cannot be written."""
        with self._holds:
            return self._finish()

    def _finish(self) -> Shard | None:
        try:
            length = 0
            if self._compressed:
                tail = np.array([*self._starts, self.rows], _NUMBER).tobytes()
                self._file.write(tail)
                length = self._starts[-1] + len(tail)
            self._file.seek(0)
            self._write_header(length)
            self._file.close()
            os.replace(self._temporary, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)
            return None
        return open_shard(self._path, size=self._size)

    def _write_header(self, length: int) -> None:
        # numpy pads the header so that the first axis may grow: its length stays the same
        shape = (length,) if self._compressed else (self.rows, 3, self._size, self._size)
        np.lib.format.write_array_header_1_0(
            self._file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
