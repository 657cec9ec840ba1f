"""An export on disk: as a folder, or as one file to download."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path, PurePosixPath

from studio.errors import RunError, StudioError
from studio.export.entry import Entry
from studio.files import replace_file
from studio.room import cannot_write

Count = Callable[[int], None]
"""Told how many files are written."""


def check_folder(out: Path) -> None:
    """Raise where an export would write over something.

    Raises:
        RunError: The folder is there and not empty, or is a file.
    """
    if out.is_file():
        raise RunError(f"{out} is a file; --out takes a folder that is not there yet, or is empty")
    if out.exists() and any(out.iterdir()):
        raise RunError(f"{out} is there already and not empty; choose another folder")


def write_folder(
    entries: Iterable[Entry], out: Path, *, links: bool = False, told: Count | None = None
) -> list[str]:
    """Write the files into a folder that is not there yet, or is empty; whole or not at all.

    links: make links to the images in place of copies. Returns the names.

    Raises:
        RunError: There is something already, or it cannot be written.
    """
    check_folder(out)
    names: list[str] = []
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise _said(error, out.parent) from error
    try:
        for entry in entries:
            target = partial / _inside(entry.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not isinstance(entry.data, Path):
                with target.open("wb") as file:
                    entry.write(file)
            elif links:
                os.symlink(entry.data.resolve(), target)
            else:
                shutil.copyfile(entry.data, target)
            names.append(entry.name)
            if told is not None:
                told(len(names))
        partial.chmod(0o755)
        if out.exists():
            out.rmdir()
        os.replace(partial, out)
    except OSError as error:
        raise _said(error, out.parent) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return names


def write_file(
    entries: Iterable[Entry],
    folder: Path,
    stem: str,
    *,
    inside: str,
    told: Count | None = None,
) -> Path:
    """Write one file to download: the only file of an export as it is, several as a zip.

    inside: the folder that a zip unpacks to. Returns its path: `<stem>-<name>`, or `<stem>.zip`.

    Raises:
        RunError: It cannot be written.
    """
    listed = iter(entries)
    first, second = next(listed, None), next(listed, None)
    if first is None:
        raise RunError("There is nothing to export.")
    try:
        if second is None:
            return _single(first, folder / f"{stem}-{PurePosixPath(first.name).name}")
        target = folder / f"{stem}.zip"

        def pack(partial: Path) -> None:
            # Neither photographs nor weights shrink: stored is as small, and much faster.
            with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
                for number, entry in enumerate(chain((first, second), listed), start=1):
                    name = f"{inside}/{_inside(entry.name)}"
                    if isinstance(entry.data, Path):
                        archive.write(entry.data, name)
                    else:
                        with archive.open(name, "w", force_zip64=True) as file:
                            entry.write(file)
                    if told is not None:
                        told(number)

        replace_file(target, pack)
        return target
    except OSError as error:
        raise _said(error, folder) from error


def _said(error: OSError, folder: Path) -> StudioError:
    if isinstance(error, StudioError):
        return error
    return cannot_write(error, folder) or RunError(
        f"cannot write the export: {error.strerror or error}"
    )


def _single(entry: Entry, target: Path) -> Path:
    def copy(partial: Path) -> None:
        if isinstance(entry.data, Path):
            shutil.copyfile(entry.data, partial)
        else:
            with partial.open("wb") as file:
                entry.write(file)

    replace_file(target, copy)
    return target


def _inside(name: str) -> str:
    """A relative name that stays inside of the export.

    Raises:
        RunError: It leads out.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise RunError(f"{name} is no name for a file of an export")
    return str(path)
