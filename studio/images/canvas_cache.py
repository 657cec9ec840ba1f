"""Canvases on disk, and what is known about every file of a folder.

A folder's cache holds shards (`.npy` files of uint8 canvases, written once and never changed) and
`index.json`, which says for every file of the folder whether it is usable and which row of which
shard is its canvas. The index is replaced in one step. So a killed process loses at most the shard
it was writing, two processes cannot spoil each other's work (the later index wins; rows that it
does not know are decoded again), and a changed folder costs only its new and changed files.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
import numpy.typing as npt
import PIL

from studio.cache_folder import touch
from studio.images.folder import ImageFile
from studio.leftovers import held
from studio.numbers import percent, plural, size
from studio.room import free_bytes, unwritable
from studio.untrusted import Unreadable, load_array, load_object

Pixels = npt.NDArray[np.uint8]

_VERSION = 1
_SHARD_ROWS = 2048  # 400 MB at size 256: the most that a killed process loses
_DISK_SHARE = 0.5  # of the disk's free space may be filled with canvases
_ANEW = "The images are decoded anew whenever they are needed, which takes longer"
_SMALL_ROWS, _MOST_SMALL_SHARDS = 256, 32  # a folder that grows image by image: merged now and then
_LEFTOVER_AFTER_S = 6 * 3600.0  # a shard that no index names and that is older is nobody's


@dataclass(frozen=True)
class Verdict:
    """What decoding a file showed. reason: "" = usable, else one of folder.REASONS."""

    reason: str = ""
    detail: str = ""

    @property
    def usable(self) -> bool:
        """Whether the file decodes."""
        return not self.reason


@dataclass(frozen=True)
class Place:
    """Where a canvas lies: a row of a shard (n, 3, size, size)."""

    shard: Pixels
    row: int


class ShardStore:
    """The cache of one folder at one canvas size. Use it in a `with`; it writes on `publish`.

    Leaving the `with` by an exception (the user stopped) keeps what was decoded until then.
    """

    def __init__(
        self, cache_dir: Path, *, root: Path, size: int, max_pixels: int, kind: str = ""
    ) -> None:
        """kind: of the canvases, where there is more than one kind of this size."""
        text = f"{root}|{size}|{max_pixels}{kind}"
        key = hashlib.sha256(text.encode("utf-8", "surrogateescape"))
        self.path = cache_dir / "canvases" / key.hexdigest()[:24]
        self._root, self._size = root, size
        self._verdicts: dict[ImageFile, Verdict] = {}
        self._rows: dict[ImageFile, tuple[str, int]] = {}
        self._shards: dict[str, Pixels] = {}
        self._writer: _Writer | None = None
        self._changed = self._disk_full = False
        self._in_index = 0
        self._cache_dir = cache_dir
        self._read()

    def __enter__(self) -> ShardStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.publish(list(self._verdicts))

    def verdict(self, file: ImageFile) -> Verdict | None:
        """None when the file is new or changed."""
        return self._verdicts.get(file)

    def place(self, file: ImageFile) -> Place | None:
        """None when there is no canvas of this file on disk; valid after `publish`."""
        if file not in self._rows:
            return None
        shard, row = self._rows[file]
        return Place(self._shards[shard], row) if shard in self._shards else None

    def no_room_for(self, images: int) -> str:
        """Why that many more canvases are not to be written to this disk; "" when they may be."""
        if not images:
            return ""
        # Without a cache they are decoded again whenever they are needed: slow, but right.
        if problem := unwritable(self.path):
            return f"{_ANEW}: {problem}."
        needed, free = images * 3 * self._size**2, free_bytes(self.path)
        if needed <= free * _DISK_SHARE:
            return ""
        return (
            f"{_ANEW}: to keep {plural(images, 'image')} takes {size(needed)} in "
            f"{self._cache_dir}, where {size(free)} are free; at most {percent(_DISK_SHARE)} of "
            "that is used."
        )

    def refuse(self, file: ImageFile, reason: str, detail: str) -> None:
        """A file that is not used. reason: one of folder.REASONS."""
        self._verdicts[file] = Verdict(reason, detail)
        self._changed = True

    def keep(self, file: ImageFile, pixels: Pixels | None) -> None:
        """A usable file. pixels: its canvas, (3, size, size); None: not to be kept on disk."""
        self._verdicts[file] = Verdict()
        self._changed = True
        if pixels is None or self._disk_full:
            return
        try:
            if self._writer is None:
                self._writer = _Writer(self.path, self._size)
            self._rows[file] = (self._writer.name, self._writer.append(pixels))
        except OSError:  # the disk is full after all: the rest is decoded when it is needed
            self._disk_full = True
            self._close_writer()
            return
        if self._writer.rows >= _SHARD_ROWS:
            self.publish(list(self._verdicts))

    def publish(self, files: Iterable[ImageFile]) -> None:
        """Finishes the open shard and writes the index, which forgets all other files."""
        self._close_writer()
        # "unreadable" may pass (rights, a network drive) without a trace in size or time
        wanted = [
            file
            for file in files
            if file in self._verdicts and self._verdicts[file].reason != "unreadable"
        ]
        if not self._changed and len(wanted) == self._in_index:
            return
        numbers = {name: number for number, name in enumerate(self._shards)}
        index = {
            "version": _VERSION,
            "root": str(self._root),
            "size": self._size,
            "pillow": PIL.__version__,
            "shards": list(numbers),
            "files": [self._entry(file, numbers) for file in wanted],
        }
        temporary = self.path / f"index-{uuid.uuid4().hex}.tmp"
        try:
            temporary.write_text(json.dumps(index), encoding="utf-8")
            os.replace(temporary, self.path / "index.json")
        except OSError:  # without an index the next start is slow; this one has all it needs
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            return
        self._changed, self._in_index = False, len(wanted)
        self._remove_leftovers()

    def _entry(self, file: ImageFile, numbers: dict[str, int]) -> list[str | int]:
        verdict = self._verdicts[file]
        name, row = self._rows.get(file, ("", -1))
        number = numbers.get(name, -1)
        return [file.path, file.bytes, file.mtime_ns, number, row, verdict.reason, verdict.detail]

    def _read(self) -> None:
        """Takes over what the index says and the shards bear out; anything damaged is redone."""
        try:
            index = load_object(self.path / "index.json")
            if index["version"] != _VERSION:
                return
            names = [str(name) for name in index["shards"]]
            same_pillow = index["pillow"] == PIL.__version__
            for path, size, mtime_ns, number, row, reason, detail in index["files"]:
                file = ImageFile(str(path), int(size), int(mtime_ns))
                if reason and not same_pillow:
                    continue  # another version may well decode it
                self._verdicts[file] = Verdict(str(reason), str(detail))
                if number >= 0 and row >= 0:
                    self._rows[file] = (names[number], int(row))
        except (Unreadable, ValueError, KeyError, TypeError, IndexError, OverflowError):
            self._verdicts, self._rows = {}, {}
            return
        self._in_index = len(index["files"])
        touch(self.path / "index.json")
        self._open_shards(names)

    def _open_shards(self, names: list[str]) -> None:
        used = Counter(name for name, _ in self._rows.values())
        for name in names:
            # A shard that is mostly forgotten files is let go; the rest of it is decoded again.
            shard = _open(self.path / name, self._size)
            if shard is not None and used[name] * 2 >= len(shard):
                self._shards[name] = shard
        small = [name for name, shard in self._shards.items() if len(shard) < _SMALL_ROWS]
        if len(small) > _MOST_SMALL_SHARDS:
            self._shards = {n: shard for n, shard in self._shards.items() if n not in small}
        rows = {name: len(shard) for name, shard in self._shards.items()}
        self._rows = {
            file: (name, row) for file, (name, row) in self._rows.items() if row < rows.get(name, 0)
        }

    def _close_writer(self) -> None:
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        shard = writer.finish()
        if shard is None:
            self._rows = {f: place for f, place in self._rows.items() if place[0] != writer.name}
        else:
            self._shards[writer.name] = shard

    def _remove_leftovers(self) -> None:
        """Deletes the files that no index names; young ones may be another process's work."""
        before = time.time() - _LEFTOVER_AFTER_S
        for file in self.path.iterdir():
            try:
                named = file.name == "index.json" or file.name in self._shards
                if not named and file.stat().st_mtime < before:
                    file.unlink()
            except OSError:  # another process was quicker, or (Windows) still reads it
                continue


class _Writer:
    """Appends canvases to a shard of unknown length.

    By ordinary writes, not through a memory map: when the disk fills up a write raises OSError,
    where a memory map would kill the process with SIGBUS.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.name = f"{uuid.uuid4().hex}.npy"
        self.rows = 0
        self._path, self._size = folder / self.name, size
        self._temporary = self._path.with_suffix(".tmp")
        self._file: IO[bytes] = open(self._temporary, "wb")  # noqa: SIM115 (closed by finish)
        self._holds = contextlib.ExitStack()
        self._holds.enter_context(held(self._temporary))
        self._write_header()

    def append(self, pixels: Pixels) -> int:
        """Returns the row of this canvas. Raises OSError."""
        self._file.write(np.ascontiguousarray(pixels).data)
        self.rows += 1
        return self.rows - 1

    def finish(self) -> Pixels | None:
        """The finished shard, mapped into memory; None (and no file) when it cannot be written."""
        with self._holds:
            return self._finish()

    def _finish(self) -> Pixels | None:
        try:
            self._file.seek(0)
            self._write_header()
            self._file.close()
            os.replace(self._temporary, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)
            return None
        return _open(self._path, self._size)

    def _write_header(self) -> None:
        # numpy pads the header so that the first axis may grow: its length stays the same
        np.lib.format.write_array_header_1_0(
            self._file,
            {
                "descr": "|u1",
                "fortran_order": False,
                "shape": (self.rows, 3, self._size, self._size),
            },
        )


def _open(path: Path, size: int) -> Pixels | None:
    """A shard mapped into memory, None when it is missing, cut short or something else."""
    try:
        shard = load_array(path, mapped=True)
    except Unreadable:
        return None
    return shard if shard.dtype == np.uint8 and shard.shape[1:] == (3, size, size) else None
