"""Canvases on disk.

A folder's cache holds shards (files of canvases, `studio.images.canvas_shards`) and an index
(`studio.images.canvas_index`), which says for every file of the folder whether it is usable and
which row of which shard is its canvas. So a killed process loses at most the shard it
was writing, two processes cannot spoil each other's work (the later index wins; rows that it does
not know are decoded again), and a changed folder costs only its new and changed files.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.images.canvas_index import FolderIndex, Known, Verdict
from studio.images.canvas_shards import (
    Pixels,
    Shard,
    Writer,
    bytes_of,
    compressed,
    open_shard,
)
from studio.images.canvas_summary import Summary, array_of, is_summary
from studio.images.folder import Folder, ImageFile, Refused
from studio.numbers import percent, plural, size
from studio.room import CACHE, free_bytes, unwritable

_SHARD_ROWS = 2048  # 400 MB of pixels at size 256: the most that a killed process loses
_DISK_SHARE = 0.5  # of the disk's free space may be filled with canvases
_ANEW = "The images are decoded anew whenever they are needed, which takes longer"
_SMALL_ROWS, _MOST_SMALL_SHARDS = 256, 32  # a folder that grows image by image: merged now and then
_LEFTOVER_AFTER_S = 6 * 3600.0  # a shard that no index names and that is older is nobody's


@dataclass(frozen=True)
class Place:
    """Where a canvas lies: a row of a shard."""

    shard: Shard
    row: int


class Places(Sequence["Place | None"]):
    """Where the canvases of N images lie, at 8 bytes an image.

    shards: of which (N,) `shard` are the numbers, -1 = not on the disk; row: (N,) in its shard.
    """

    def __init__(
        self, shards: Sequence[Shard], shard: npt.NDArray[np.int32], row: npt.NDArray[np.int32]
    ) -> None:
        self.shards, self.shard, self.row = shards, shard, row

    @classmethod
    def of(cls, places: Sequence[Place | None]) -> Places:
        """From a place for each image."""
        if isinstance(places, Places):
            return places
        numbers: dict[int, int] = {}
        shards: list[Shard] = []
        shard, row = (np.full(len(places), -1, np.int32) for _ in range(2))
        for i, place in enumerate(places):
            if place is not None:
                if id(place.shard) not in numbers:
                    numbers[id(place.shard)] = len(shards)
                    shards.append(place.shard)
                shard[i], row[i] = numbers[id(place.shard)], place.row
        return cls(shards, shard, row)

    def __len__(self) -> int:
        return len(self.shard)

    def __getitem__(self, index: Any) -> Any:
        number = int(self.shard[index])
        return None if number < 0 else Place(self.shards[number], int(self.row[index]))

    def some(self, indices: Sequence[int]) -> Places:
        """Of the images with these indices alone, in this order."""
        chosen = np.asarray(indices, np.int64).reshape(-1)
        return Places(self.shards, self.shard[chosen], self.row[chosen])


def store_path(cache_dir: Path, *, root: Path, size: int, max_pixels: int, kind: str = "") -> Path:
    """Where the canvases of a folder lie. kind: where there is more than one kind of a size."""
    text = f"{root}|{size}|{max_pixels}{kind}"
    key = hashlib.sha256(text.encode("utf-8", "surrogateescape"))
    return cache_dir / "canvases" / key.hexdigest()[:24]


class ShardStore:
    """The cache of one folder at one canvas size. Use it in a `with`; it writes on `publish`.

    Leaving the `with` by an exception (the user stopped) keeps what was decoded until then.
    """

    def __init__(
        self,
        cache_dir: Path,
        *,
        root: Path,
        size: int,
        max_pixels: int,
        kind: str = "",
        compress: bool = False,
    ) -> None:
        """compress: the canvases that are new; all others are those of `store_path`."""
        self.path = store_path(cache_dir, root=root, size=size, max_pixels=max_pixels, kind=kind)
        self._size, self._cache_dir, self._compress = size, cache_dir, compress
        self._index = FolderIndex(self.path, root=root, size=size)
        self._shards: dict[str, Shard] = {}
        self._writer: Writer | None = None
        self._disk_full = False
        self._open_shards()

    def __enter__(self) -> ShardStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.publish(list(self._index.known))

    def verdict(self, file: ImageFile) -> Verdict | None:
        """None when the file is new or changed."""
        known = self._index.known.get(file)
        return None if known is None else known.verdict

    def content(self, file: ImageFile) -> str:
        """Hash of what its canvas shows, 16 hexadecimal digits; "" where that is not known."""
        return self._index.known.get(file, Known()).content

    def place(self, file: ImageFile) -> Place | None:
        """None when there is no canvas of this file on disk; valid after `publish`."""
        known = self._index.known.get(file, Known())
        shard = self._shards.get(known.shard)
        return None if shard is None else Place(shard, known.row)

    def no_room_for(self, images: int) -> str:
        """Why that many more canvases are not to be written to this disk; "" when they may be."""
        if not images:
            return ""
        # Without a cache they are decoded again whenever they are needed: slow, but right.
        if problem := unwritable(self.path, what=CACHE):
            return f"{_ANEW}: {problem}."
        needed = bytes_of(images, size=self._size, compressed=self._compress)
        free = free_bytes(self.path)
        if needed <= free * _DISK_SHARE:
            return ""
        return (
            f"{_ANEW}: to keep {plural(images, 'image')} takes {size(needed)} in "
            f"{self._cache_dir}, where {size(free)} are free; at most {percent(_DISK_SHARE)} of "
            "that is used."
        )

    def refuse(self, file: ImageFile, reason: str, detail: str) -> None:
        """A file that is not used. reason: one of folder.REASONS."""
        self._index.put(file, Known(Verdict(reason, detail)))

    def keep(
        self, file: ImageFile, pixels: Pixels, *, picture: bytes = b"", on_disk: bool = True
    ) -> None:
        """A usable file.

        Args:
            file: its entry in the folder's listing.
            pixels: its canvas, (3, size, size).
            picture: what `compressed` makes of that, where it is at hand.
            on_disk: whether to keep it.
        """
        self._index.put(file, Known(content=_hash(np.ascontiguousarray(pixels).data)))
        if not on_disk or self._disk_full:
            return
        kept = (picture or compressed(pixels)) if self._compress else pixels
        try:
            if self._writer is None:
                self._writer = Writer(self.path, size=self._size, compressed=self._compress)
            row = self._writer.append(kept)
        except OSError:  # the disk is full after all: the rest is decoded when it is needed
            self._disk_full = True
            self._close_writer()
            return
        # Compressed, an image shows something else, if only by a little.
        known = Known(content=_hash(kept)) if isinstance(kept, bytes) else self._index.known[file]
        self._index.put(file, known._replace(shard=self._writer.name, row=row))
        if self._writer.rows >= _SHARD_ROWS:
            self._close_writer()
            self._index.add()

    def publish(self, files: Iterable[ImageFile]) -> None:
        """Finishes the open shard and completes the index, which forgets all other files."""
        self._close_writer()
        if self._index.publish(files):
            self._remove_leftovers()

    def summarise(
        self, scanned: Folder, refused: Sequence[Refused], places: Places, contents: Sequence[str]
    ) -> None:
        """Keep what is known of a folder that was read, for `whole_folder`.

        scanned: its listing; refused: of its images those that cannot be used; places, contents: of
        all others.
        """
        content = array_of(contents)
        if content is None or (places.shard < 0).any():
            return
        name = {id(shard): name for name, shard in self._shards.items()}
        names = tuple(name[id(shard)] for shard in places.shards)
        summary = Summary(names, places.shard, places.row, content, tuple(refused))
        summary.write(self.path, scanned)

    def _open_shards(self) -> None:
        """Maps the shards that the index names and the disk bears out."""
        used = Counter(known.shard for known in self._index.known.values())
        for name in self._index.shards:
            # A shard that is mostly forgotten files is let go; the rest of it is decoded again.
            shard = open_shard(self.path / name, size=self._size)
            if shard is not None and used[name] * 2 >= len(shard):
                self._shards[name] = shard
        small = [name for name, shard in self._shards.items() if len(shard) < _SMALL_ROWS]
        if len(small) > _MOST_SMALL_SHARDS:
            self._shards = {n: shard for n, shard in self._shards.items() if n not in small}
        last = {name: len(shard) - 1 for name, shard in self._shards.items()}
        self._index.without_canvas(
            {
                known.shard
                for known in self._index.known.values()
                if known.shard and known.row > last.get(known.shard, -1)
            }
        )

    def _close_writer(self) -> None:
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        shard = writer.finish()
        if shard is None:
            self._index.without_canvas([writer.name])
        else:
            self._shards[writer.name] = shard

    def _remove_leftovers(self) -> None:
        """Deletes the files that no index names; young ones may be another process's work."""
        before = time.time() - _LEFTOVER_AFTER_S
        for file in self.path.iterdir() if self.path.is_dir() else ():
            try:
                named = self._index.is_part(file.name) or file.name in self._shards
                named = named or is_summary(file.name)
                if not named and file.stat().st_mtime < before:
                    file.unlink()
            except OSError:  # another process was quicker, or (Windows) still reads it
                continue


def whole_folder(path: Path, scanned: Folder, *, size: int) -> tuple[Summary, Places] | None:
    """What was known of a folder when it was last read, where nothing has changed since and all its
    canvases are on the disk; None: it has to be read. path: see `store_path`.
    """
    summary = Summary.read(path, scanned)
    if summary is None:
        return None
    shards: list[Shard] = []
    for name in summary.shards:
        shard = None if Path(name).name != name else open_shard(path / name, size=size)
        if shard is None:
            return None
        shards.append(shard)
    rows = np.array([len(shard) for shard in shards], np.int64)
    if summary.shard.min(initial=0) < 0 or (summary.row >= rows[summary.shard]).any():
        return None
    if summary.row.min(initial=0) < 0:
        return None
    return summary, Places(shards, summary.shard, summary.row)


def _hash(canvas: bytes | memoryview) -> str:
    return hashlib.blake2b(canvas, digest_size=8).hexdigest()
