"""Uploaded images and zip files, moved into a folder of their own. No gradio in here."""

from __future__ import annotations

import shutil
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from studio.errors import FolderError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
MAX_FILES = 20_000
MAX_BYTES = 8 << 30
MAX_RATIO = 100
"""Unpacked over packed size of a member: images hardly shrink, so more than this is a bomb."""


def take_uploads(files: Sequence[str], folder: Path) -> Path:
    """Move uploaded images, and those in uploaded zips, into a new folder, and return it.

    The browser's folder upload tells file names only; a zip keeps its sub-folders.

    Raises:
        FolderError: nothing usable arrived, too much, or an archive that is not safe.
    """
    target = folder / uuid.uuid4().hex
    target.mkdir(parents=True)
    try:
        taken = 0
        for file in dict.fromkeys(files):
            path = Path(file)
            if path.suffix.lower() == ".zip":
                taken += _unzip(path, target, room=MAX_FILES - taken)
            elif _is_image(path.name):
                shutil.move(path, _free(target / path.name))
                taken += 1
            if taken > MAX_FILES:
                raise FolderError(
                    f"At most {MAX_FILES:,} images can be uploaded; open their folder by its path."
                )
        if not taken:
            raise FolderError(
                "No image arrived; upload jpg, png, webp, bmp, tiff or gif files, or a zip of them."
            )
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return target


def _is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def _free(path: Path) -> Path:
    """The path, or one like it that does not exist yet."""
    number, free = 2, path
    while free.exists():
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return free


def _unzip(archive: Path, target: Path, *, room: int) -> int:
    """Images of a zip into target, with their sub-folders; returns how many.

    Members that leave the folder, links, and whatever is no image are passed over.
    """
    taken, total = 0, 0
    try:
        with zipfile.ZipFile(archive) as source:
            for member in source.infolist():
                path = PurePosixPath(member.filename.replace("\\", "/"))
                if member.is_dir() or not _is_image(path.name) or _is_link(member):
                    continue
                if path.is_absolute() or any(
                    part in ("..", "__MACOSX") or ":" in part for part in path.parts
                ):
                    continue
                taken, total = taken + 1, total + member.file_size
                if taken > room or total > MAX_BYTES:
                    raise FolderError(
                        f"The zip holds too much; at most {MAX_FILES:,} images and 8 GB are taken."
                    )
                if member.file_size > MAX_RATIO * max(member.compress_size, 1) + 1_000_000:
                    raise FolderError(
                        "The zip would unpack to much more than images do; it was refused."
                    )
                place = target.joinpath(*path.parts)
                place.parent.mkdir(parents=True, exist_ok=True)
                with source.open(member) as packed, _free(place).open("wb") as file:
                    # zipfile stops at the size that the header promises, which was checked above.
                    shutil.copyfileobj(packed, file)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise FolderError(
            f"The zip cannot be read ({error}); unpack it and upload the images."
        ) from error
    return taken


def _is_link(member: zipfile.ZipInfo) -> bool:
    return (member.external_attr >> 16) & 0o170000 == 0o120000
