"""What is known about every file of a folder: whether it is usable, and where its canvas lies.

The index of a folder is `index.json`, and files like it (`part-*.json`) that say what came since.
Each is written once, in one step. `index.json` is made anew when files are gone or the parts are
many; so a million images are not written again for each one that is added.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import PIL

from studio.cache_folder import touch
from studio.images.folder import ImageFile
from studio.untrusted import Unreadable, load_object, read_file

_VERSION = 1
_MOST_PARTS, _MOST_PATH = 32, 65_536
_WHOLE, _ROOT = "index.json", "root"


@dataclass(frozen=True)
class Verdict:
    """What decoding a file showed. reason: "" = usable, else one of folder.REASONS."""

    reason: str = ""
    detail: str = ""

    @property
    def usable(self) -> bool:
        """Whether the file decodes."""
        return not self.reason


_USABLE = Verdict()


class Known(NamedTuple):
    """What is known of a file.

    content: hash of what its canvas shows; "" where it has none, or an earlier version did not
    write it down. shard, row: where its canvas lies; "" and -1 where it is not on the disk.
    """

    verdict: Verdict = _USABLE
    content: str = ""
    shard: str = ""
    row: int = -1


class FolderIndex:
    """The index of one folder's canvases; what it says is in `known`.

    Attributes:
        known: By file.
        shards: The names of the shards that the files on the disk name.
    """

    def __init__(self, path: Path, *, root: Path, size: int) -> None:
        """Read what is there; anything damaged is as if it were not.

        Args:
            path: the folder of the index.
            root: the folder whose images they are.
            size: side of the canvases, in pixels.
        """
        self.known: dict[ImageFile, Known] = {}
        self.shards: tuple[str, ...] = ()
        self._path, self._root, self._size = path, root, size
        self._new: dict[ImageFile, None] = {}  # what the disk does not know yet, in order
        self._parts: list[Path] = []
        self._sound = self._read()

    def put(self, file: ImageFile, known: Known) -> None:
        """Something was found out about a file."""
        self.known[file] = known
        self._new[file] = None

    def without_canvas(self, shards: Iterable[str]) -> None:
        """These shards are not there: their files' canvases have to be made again.

        What they showed is not known then: without a compressed canvas the file's own pixels are
        seen, which are a little different.
        """
        gone = set(shards)
        for file, known in self.known.items():
            if known.shard in gone:
                self.known[file] = known._replace(content="", shard="", row=-1)

    def add(self) -> None:
        """Write down what is new."""
        new = [file for file in self._new if self._lasts(file)]
        name = f"part-{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.json"
        if new and self._write(name, new):
            self._new = {}
            self._parts.append(self._path / name)

    def publish(self, files: Iterable[ImageFile]) -> bool:
        """Write down what is new, and forget all other files; whether anything was written."""
        wanted = set(files)
        gone = [file for file in self.known if file not in wanted]
        for file in gone:
            del self.known[file]
            self._new.pop(file, None)
        if not gone and not self._new:
            with contextlib.suppress(OSError):  # the canvases of a folder that was moved came along
                self._write_root()
            return False
        if self._sound and not gone and len(self._parts) < _MOST_PARTS:
            self.add()
        elif self._write(_WHOLE, [file for file in self.known if self._lasts(file)]):
            for part in self._parts:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
            self._new, self._parts, self._sound = {}, [], True
        return True

    def is_part(self, name: str) -> bool:
        """Whether a file of this name belongs to the index."""
        return name in (_WHOLE, _ROOT) or self._path / name in self._parts

    def _lasts(self, file: ImageFile) -> bool:
        """Whether what is known of a file is worth keeping: "unreadable" may pass (rights, a
        network drive) without a trace in size or time.
        """
        return self.known[file].verdict.reason != "unreadable"

    def _write(self, name: str, files: Sequence[ImageFile]) -> bool:
        """Whether it could be written. Without an index only the next start is slow."""
        used = dict.fromkeys(shard for file in files if (shard := self.known[file].shard))
        numbers = {shard: number for number, shard in enumerate(used)}
        index = {
            "version": _VERSION,
            "root": str(self._root),
            "size": self._size,
            "pillow": PIL.__version__,
            "shards": list(numbers),
            "files": [_entry(file, self.known[file], numbers) for file in files],
        }
        temporary = self._path / f"index-{uuid.uuid4().hex}.tmp"
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(index), encoding="utf-8")
            os.replace(temporary, self._path / name)
            self._write_root()
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            return False
        return True

    def _write_root(self) -> None:
        if root_of(self._path) != self._root:
            (self._path / _ROOT).write_bytes(os.fsencode(self._root))

    def _read(self) -> bool:
        """Whether all that there is could be read."""
        shards, sound = dict[str, None](), True
        for file in (self._path / _WHOLE, *sorted(self._path.glob("part-*.json"))):
            try:
                shards |= self._take(load_object(file))
            except (Unreadable, ValueError, KeyError, TypeError, IndexError, OverflowError):
                sound = False
            if file.name != _WHOLE:
                self._parts.append(file)
            touch(file)
        self.shards = tuple(shards)
        return sound

    def _take(self, index: Mapping[str, Any]) -> dict[str, None]:
        """What one file says, all of it or nothing; the shards that it names."""
        if index["version"] != _VERSION:
            raise ValueError(index["version"])
        shards = [str(name) for name in index["shards"]]
        same_pillow = index["pillow"] == PIL.__version__
        found: dict[ImageFile, Known] = {}
        for path, length, mtime_ns, number, row, reason, detail, *content in index["files"]:
            if reason and not same_pillow:
                continue  # another version may well decode it
            kept = number >= 0 and row >= 0
            found[ImageFile(str(path), int(length), int(mtime_ns))] = Known(
                Verdict(str(reason), str(detail)) if reason else _USABLE,
                str(content[0]) if content else "",
                shards[number] if kept else "",
                int(row) if kept else -1,
            )
        self.known |= found
        return dict.fromkeys(shards)


def root_of(path: Path) -> Path | None:
    """The folder whose canvases lie in `path`; None where that was not written down."""
    try:
        return Path(os.fsdecode(read_file(path / _ROOT, most=_MOST_PATH)))
    except Unreadable:
        return None


def _entry(file: ImageFile, known: Known, numbers: Mapping[str, int]) -> list[str | int]:
    number, verdict = numbers.get(known.shard, -1), known.verdict
    where: list[str | int] = [file.path, file.bytes, file.mtime_ns, number, known.row]
    return [*where, verdict.reason, verdict.detail, known.content]
