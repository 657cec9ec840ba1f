"""A set of the paper on disk: what is missing is said, fetched, checked and laid out."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from studio.errors import StudioError
from studio.locks import FileLock
from studio.paper.archives import members
from studio.paper.fetch import DownloadError, fetch, megabytes
from studio.paper.layout import LaidOut, laid_out, lay_out
from studio.paper.model import Download, PaperSet
from studio.terminal import Terminal

_MB = 1_000_000


def downloads_of(data: PaperSet, folder: Path) -> Path:
    """Where the set's archives are kept, and where those are put that are brought by hand."""
    return folder / "downloads" / data.name


def prepare(data: PaperSet, folder: Path) -> LaidOut:
    """The set in `folder`; fetched and laid out unless it is there.

    A set whose split was made by CoOp's rules is laid out anew when CoOp's split file has been
    brought.

    Raises:
        StudioError: something cannot be fetched, read or written; what there is by then is kept.
    """
    downloads = downloads_of(data, folder)
    there = laid_out(folder / data.name)
    split = data.split_file
    brought = split is not None and (downloads / split.name).is_file()
    if there is not None and not (there.split == "derived" and brought):
        return there
    downloads.mkdir(parents=True, exist_ok=True)
    lock = FileLock(downloads / ".lock")
    if not lock.acquire():
        raise StudioError(f"Another process is at work in {downloads}; wait until it has ended.")
    try:
        for text in described(data):
            print(text, file=sys.stderr)
        with Terminal() as terminal:
            _fetch_all(data, downloads, terminal)
            terminal.line("reading the archives")
            return lay_out(
                data, downloads, folder / data.name,
                progress=lambda done, total: terminal.progress("images written", done, total),
            )  # fmt: skip
    finally:
        lock.release()


def described(data: PaperSet) -> list[str]:
    """Size, licence, source and split, line by line; said before anything is fetched."""
    known = [file for file in data.downloads if file.need != "derive"]
    size = megabytes(sum(file.bytes for file in known))
    unknown = any(not file.bytes and file.need == "always" for file in known)
    more = " and one more file" if unknown else ""
    lines = [
        f"{data.title}: {data.classes} classes, {data.train:,} images to train on without their "
        f"labels, {data.test:,} to measure on",
        f"size     {size}{more} to fetch, and as much again to lay out",
        f"licence  {data.licence} (as far as is known here; read its publisher's page)",
        f"source   {data.page}",
    ]
    for file in data.downloads:
        note = {"always": "", "split": " (CoOp's split)", "derive": " (without CoOp's split)"}
        where = file.url or f"by hand, from {file.page}"
        lines.append(f"         {file.name}{note[file.need]}: {where}")
    if data.split_file is None:
        lines.append(f"split    {data.rule}")
    else:
        lines.append(f"split    CoOp's {data.split_file.name}; its val is left out")
        lines.append(f"         where that cannot be had, by its rule: {data.rule}")
    return lines


def _fetch_all(data: PaperSet, downloads: Path, terminal: Terminal) -> None:
    divided = data.split_file is not None and not _has_split(data.split_file, downloads, terminal)
    for file in data.downloads:
        if file.need == "always":
            wanted = (downloads / file.name).exists() or not _brought(data, downloads)
        else:
            wanted = file.need == "derive" and divided
        if wanted:
            _fetch(file, downloads, terminal)


def _has_split(file: Download, downloads: Path, terminal: Terminal) -> bool:
    """Whether CoOp's split file is there or can be had; one that was brought is taken as it is."""
    if (downloads / file.name).is_file():
        return True
    try:
        _fetch(file, downloads, terminal)
    except DownloadError as error:
        terminal.line(
            f"note: {str(error).rstrip('.')}. Until then the images are divided by CoOp's rule, "
            "which gives other images than the paper's."
        )
        return False
    return True


def _brought(data: PaperSet, downloads: Path) -> bool:
    """Whether the images are there, whatever their archive is called, or unpacked."""
    return any(re.search(data.images, name) for name, _ in members(downloads))


def _fetch(file: Download, downloads: Path, terminal: Terminal) -> None:
    def progress(done: int, total: int) -> None:
        terminal.progress(f"{file.name}, MB", done // _MB, max(total // _MB, done // _MB, 1))

    fetch(file, downloads, progress=progress)
