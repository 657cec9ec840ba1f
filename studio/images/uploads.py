"""Uploaded images and zip files, moved into a folder of their own. No gradio in here.

What is uploaded is gone afterwards, whether it was of use or not.
"""

from __future__ import annotations

import os
import shutil
import uuid
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from studio.errors import FolderError, StudioError
from studio.images import kinds
from studio.images.archive_names import member_names
from studio.images.archives import directory_bytes, path_of, unreadable
from studio.images.decoding import pixels_of
from studio.room import disk_is_full

ENDINGS = tuple(sorted(kinds.EXTENSIONS | (kinds.HEIF_ENDINGS if kinds.reads_heic() else set())))
TAKEN = (*ENDINGS, ".zip")
"""Endings of what can be uploaded as images."""
MAX_FILES = 20_000
MAX_BYTES = 8 << 30
MAX_RATIO = 100
"""Unpacked over packed size of a member: images hardly shrink, so more than this is a bomb."""

MAX_DIRECTORY = 16 << 20
"""Bytes of a zip's list of members, which is read as a whole: 20,000 names need about 3 MB."""

SPARE = 256 << 20
"""Bytes that stay free on the disk."""

_PIECE, _ASK_EVERY = 1 << 20, 32 << 20
_TABLES = frozenset({".csv", ".tsv", ".txt", ".json", ".jsonl"})
"""What other fields of the page read, and some drop here."""
_LONGEST_NAME = 200
"""Bytes of a file's name, of 255 that file systems take; longer ones are cut."""


@dataclass(frozen=True)
class Allowance:
    """What an upload may hold; `bytes`: unpacked; `pixels`: of one image, None: as decoding has it;
    `kept`: bytes that lie in the folder for uploads in all, None: any number.
    """

    files: int = MAX_FILES
    bytes: int = MAX_BYTES
    pixels: int | None = None
    kept: int | None = None


def take_uploads(
    files: Sequence[str],
    folder: Path,
    *,
    allowance: Allowance | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """Move uploaded images, and those in uploaded zips, into a new folder, and return it.

    The browser's folder upload tells file names only; a zip keeps its sub-folders. tell: told what
    was guessed about their names.

    Raises:
        FolderError: nothing usable arrived, too much, or an archive that is not safe.
    """
    allowance = allowance or Allowance(MAX_FILES, MAX_BYTES)
    target = folder / uuid.uuid4().hex
    try:
        try:
            target.mkdir(parents=True)
            before = _size(folder) if allowance.kept else 0
            taking = _Taking(target, allowance, before=before, tell=tell)
            for file in dict.fromkeys(files):
                taking.take(Path(file))
        except OSError as error:
            if disk_is_full(error):
                raise FolderError("The disk is full; make room, then upload again.") from error
            reason = error.strerror or type(error).__name__
            raise FolderError(f"The upload cannot be kept ({reason}); try again.") from error
        if not taking.taken and taking.tables and not taking.others:
            raise FolderError(
                f"No image arrived, and {taking.tables[0]} is none: class names are read beside "
                "their field, labels below it, and prompts on the Prompts tab."
            )
        if not taking.taken:
            what = f": {', '.join(sorted(taking.others))}" if taking.others else ""
            raise FolderError(
                f"No image arrived that is read here{what}; upload {kinds.SHOWN} files, or a zip "
                "of them."
            )
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    finally:
        discard(files)
    return target


def discard(files: Sequence[str]) -> None:
    """Delete uploaded files, and the folders that were made for each of them."""
    for file in files:
        with suppress(OSError):
            os.unlink(file)
        with suppress(OSError):  # not empty, or somebody else's
            os.rmdir(os.path.dirname(file))


@contextmanager
def reading(file: str | None) -> Iterator[Path]:
    """An uploaded file, which is gone afterwards; errors call it as its user does.

    Raises:
        StudioError: it did not arrive, or what the block raises.
    """
    if not file:
        raise FolderError("That file did not arrive; try again.")
    try:
        yield Path(file)
    except StudioError as error:
        raise type(error)(str(error).replace(file, os.path.basename(file))) from error
    except OSError as error:
        raise FolderError(f"That file cannot be read ({error.strerror}); try again.") from error
    finally:
        discard([file])


class _Taking:
    """Images on their way into `target`; before: bytes that lay in the folder for uploads."""

    def __init__(
        self, target: Path, allowance: Allowance, *, before: int, tell: Callable[[str], None]
    ) -> None:
        self.taken, self.others, self._tell = 0, set[str](), tell
        self.tables: list[str] = []  # their names
        self._target, self._allowance = target, allowance
        self._bytes, self._before, self._ask_at = 0, before, 0
        # By folder and name: the number of the next one of that name. To try 2, 3, 4 and so on for
        # each anew took 19 minutes for 20,000 files of one name.
        self._next: dict[str, int] = defaultdict(lambda: 2)
        self._used: set[str] = set()
        self._made: set[Path] = set()

    def take(self, file: Path) -> None:
        """An uploaded file; what is neither image nor zip is passed over."""
        if file.suffix.lower() == ".zip":
            self._unzip(file)
        elif self._is_image(file.name) and _is_read(file):
            try:
                size = file.stat().st_size
            except OSError:
                raise FolderError("That file did not arrive; try again.") from None
            self._count(size)
            place = self._free(PurePosixPath(file.name))
            shutil.move(file, place)
            self._look(place)
        elif file.suffix.lower() in _TABLES:
            self.tables.append(file.name)

    def _count(self, size: int) -> None:
        """One more image of `size` bytes."""
        self.taken += 1
        if self.taken > self._allowance.files:
            raise FolderError(
                f"At most {self._allowance.files:,} images can be uploaded at once; where paths "
                "can be typed, open their folder instead."
            )
        self._more(size)

    def _more(self, size: int) -> None:
        """So many bytes more."""
        self._bytes += size
        allowed = self._allowance
        if self._bytes > allowed.bytes:
            raise FolderError(f"That is too much: {_amount(allowed.bytes)} are taken at most.")
        if allowed.kept is not None and self._before + self._bytes > allowed.kept:
            raise FolderError(
                f"Your uploads would need more than {_amount(allowed.kept)} in all; come back when "
                "the first ones have been deleted."
            )
        if self._bytes >= self._ask_at:
            self._ask_at = self._bytes + _ASK_EVERY
            self._room(0)

    def _room(self, needed: int) -> None:
        free = shutil.disk_usage(self._target).free
        if free < needed + SPARE:
            raise FolderError(
                f"There is not enough room on the disk: {_amount(max(0, free))} are free, and "
                f"{_amount(needed + SPARE)} are needed."
            )

    def _free(self, path: PurePosixPath) -> Path:
        """A place for this path, or one like it that is not taken yet; its folder is made."""
        stem, ending = os.path.splitext(path.name)
        while len(os.fsencode(stem)) > _LONGEST_NAME - len(ending):
            stem = stem[:-1]
        folder = self._target.joinpath(*path.parts[:-1])
        if folder not in self._made:
            folder.mkdir(parents=True, exist_ok=True)
            self._made.add(folder)
        # Some disks take "A.jpg" and "a.jpg" for one name.
        first = free = f"{folder}/{stem}{ending}".lower()
        name = stem + ending
        while free in self._used:
            name = f"{stem}-{self._next[first]}{ending}"
            free = f"{folder}/{name}".lower()
            self._next[first] += 1
        self._used.add(free)
        return folder / name

    def _look(self, place: Path) -> None:
        """Refuse an image that is too large; what is damaged is listed when it is read."""
        most = self._allowance.pixels
        if most is None:
            return
        pixels = pixels_of(place)
        if pixels is not None and pixels > most:
            raise FolderError(
                f"{place.name} has {pixels / 1e6:.0f} megapixels; images may have "
                f"{most / 1e6:.0f} here. Make it smaller, then upload again."
            )

    def _is_image(self, name: str) -> bool:
        """Whether a file may be one that is read; notes what others of that kind are."""
        kind = None if name.startswith(".") else kinds.by_name(name)
        if kind not in ("", "?", None):
            self.others.add(str(kind))
        return kind in ("", "?")

    def _unzip(self, archive: Path) -> None:
        """Images of a zip, with their sub-folders.

        Members that leave the folder, links, and whatever is no image are passed over.
        """
        try:
            if directory_bytes(archive) > MAX_DIRECTORY:
                raise FolderError(
                    f"The zip lists too many files; at most {self._allowance.files:,} images are "
                    "taken."
                )
            with zipfile.ZipFile(archive) as source:
                names, guessed = member_names(source)
                if guessed:
                    self._tell(f"{archive.name}: {guessed}.")
                wanted = [
                    (member, path)
                    for member, name in names.items()
                    if (path := path_of(member, name)) and self._is_image(path.name)
                ]
                self._room(sum(member.file_size for member, _ in wanted))
                for member, path in wanted:
                    self._member(source, member, path)
        except FolderError:
            raise
        except OSError as error:
            if disk_is_full(error):
                raise
            raise unreadable(error) from error
        except Exception as error:  # zipfile and zlib raise whatever a damaged archive trips over
            raise unreadable(error) from error

    def _member(
        self, source: zipfile.ZipFile, member: zipfile.ZipInfo, path: PurePosixPath
    ) -> None:
        if kinds.by_name(path.name) == "?":  # its first bytes tell
            with source.open(member) as packed:
                if not kinds.is_read(kinds.kind_of(packed.read(kinds.HEAD))):
                    return
        self._count(0)
        # What the header promises is checked first, and what comes out of it as well.
        most = MAX_RATIO * max(member.compress_size, 1) + 1_000_000
        if member.file_size > most:
            raise FolderError("The zip would unpack to much more than images do; it was refused.")
        if self._bytes + member.file_size > self._allowance.bytes:
            self._more(member.file_size)
        place = self._free(path)
        with source.open(member) as packed, place.open("wb") as file:
            self._copy(packed, file, most=most)
        self._look(place)

    def _copy(self, packed: IO[bytes], file: IO[bytes], *, most: int) -> None:
        written = 0
        while piece := packed.read(_PIECE):
            written += len(piece)
            if written > most:
                raise FolderError(
                    "The zip would unpack to much more than images do; it was refused."
                )
            self._more(len(piece))
            file.write(piece)


def _is_read(file: Path) -> bool:
    """Whether a file's ending, or else its first bytes, are those of an image that is read."""
    if kinds.by_name(file.name) == "":
        return True
    try:
        return kinds.is_read(kinds.kind_of(kinds.read_head(file)))
    except OSError:
        return False


def _size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_size
    return total


def _amount(size: int) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 1 << 30 else f"{size / 2**20:.0f} MB"
