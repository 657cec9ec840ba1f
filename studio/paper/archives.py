"""What lies in the folder of downloads: loose files, folders, tar and zip archives, and a tar in a
zip; all as one stream of members, read once from front to back.

Archives are never unpacked as they are: a member is asked for by its name and written under a name
of ours, so that no path in an archive means anything.
"""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from studio.errors import FolderError

Member = tuple[str, Callable[[], bytes]]
"""A path with `/`, and what reads it; to be called before the next member is asked for."""

MOST_BYTES = 512 * 2**20  # of one member; the largest real one, CIFAR-100's train, has 148 MiB
_TAR = (".tar", ".tar.gz", ".tgz")
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, OSError, RuntimeError)


def members(folder: Path) -> Iterator[Member]:
    """Everything below the folder; names that begin with a dot, and __MACOSX, are passed over.

    Raises:
        FolderError: an archive is damaged; names it.
    """
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or _hidden(name):
            continue
        with _named(path):
            for inner, read in _inside(path, name):
                yield inner, partial(_read, read, path)


def _inside(path: Path, name: str) -> Iterator[Member]:
    if name.lower().endswith(_TAR):
        with path.open("rb") as file:
            yield from _tar(file, name)
    elif name.lower().endswith(".zip"):
        yield from _zip(path, name)
    else:
        yield name, path.read_bytes


def _read(read: Callable[[], bytes], path: Path) -> bytes:
    with _named(path):
        return read()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise FolderError(
            f"{path} cannot be read ({error}); delete it and run the command again."
        ) from error


def _tar(file: IO[bytes], source: str) -> Iterator[Member]:
    with tarfile.open(fileobj=file, mode="r|*") as archive:
        for entry in archive:
            if entry.isfile() and not _hidden(entry.name):

                def read(entry: tarfile.TarInfo = entry) -> bytes:
                    _check_size(entry.name, entry.size, source)
                    stream = archive.extractfile(entry)
                    assert stream is not None
                    return stream.read()

                yield entry.name, read


def _zip(path: Path, source: str) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.is_dir() or _hidden(entry.filename):
                continue
            if entry.filename.lower().endswith(_TAR):  # Caltech101 comes like this
                with archive.open(entry) as inner:
                    yield from _tar(inner, f"{source}/{entry.filename}")
                continue

            def read(entry: zipfile.ZipInfo = entry) -> bytes:
                _check_size(entry.filename, entry.file_size, source)
                return archive.read(entry)

            yield entry.filename, read


def _hidden(name: str) -> bool:
    return any(
        part.startswith(".") or part == "__MACOSX" for part in name.split("/") if part != "."
    )


def _check_size(name: str, size: int, source: str) -> None:
    if size > MOST_BYTES:
        raise FolderError(
            f"{name} in {source} is {size / 2**20:.0f} MiB large; no file of this set is. "
            "The archive is not the published one."
        )
