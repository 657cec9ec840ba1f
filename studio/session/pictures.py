"""Addresses of the small and large views of images that a page shows."""

from __future__ import annotations

import os
import stat
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.images.canvases import OneFile
from studio.images.folder import Folder
from studio.images.thumbnails import Pictures, Thumbnails


@dataclass(frozen=True)
class PagePictures:
    """See the module. thumbnails: makes the views and keeps them; address: of a file that the page
    serves; links_allowed: see `Options`.
    """

    thumbnails: Thumbnails
    address: Callable[[Path], str]
    links_allowed: bool

    def small(self, folder: Folder, canvases: Pictures, index: int) -> str:
        """Address of the thumbnail of an image; empty when it cannot be had.

        canvases: those of the folder, or of one that is still being read (`DataState.arriving`).
        """
        picture = self.thumbnails.thumbnail(canvases, index, key=picture_key(folder, index))
        return self._address(picture)

    def large(self, folder: Folder, index: int) -> str:
        """Address of a large view of an image, without metadata; empty when it cannot be had."""
        picture = self.thumbnails.large(
            folder.root / folder.images[index].path, key=picture_key(folder, index)
        )
        return self._address(picture)

    def small_of(self, root: Path, path: str, *, follow_links: bool) -> str:
        """The same as `small`, of an image of a folder that nobody has looked through yet."""
        found = self._image_of(root, path, follow_links)
        if found is None:
            return ""
        file, key = found
        return self._address(self.thumbnails.thumbnail(OneFile(file), 0, key=key))

    def large_of(self, root: Path, path: str, *, follow_links: bool) -> str:
        """The same as `large`, of such an image."""
        found = self._image_of(root, path, follow_links)
        return "" if found is None else self._address(self.thumbnails.large(found[0], key=found[1]))

    def _image_of(self, root: Path, path: str, follow_links: bool) -> tuple[Path, str] | None:
        """An image's file and `picture_key`; None where it is gone or, unless links are followed,
        does not lie in the folder.
        """
        try:
            real, file = Path(os.path.realpath(root)), root / path
            status = file.stat()
            inside = Path(os.path.realpath(file)).is_relative_to(real)
        except (OSError, ValueError):
            return None
        links = follow_links and self.links_allowed
        lies_here = ".." not in Path(path).parts and not Path(path).is_absolute()
        if not stat.S_ISREG(status.st_mode) or not lies_here or not (inside or links):
            return None
        return file, _key(real, path, status.st_size, status.st_mtime_ns)

    def _address(self, picture: Path | bytes | None) -> str:
        """Of a picture that is no file, because the cache takes none: the picture itself."""
        if isinstance(picture, bytes):
            return f"data:image/jpeg;base64,{b64encode(picture).decode('ascii')}"
        return self.address(picture) if picture else ""


def picture_key(folder: Folder, index: int) -> str:
    """What identifies the content of an image: folder, path, size and time of change."""
    image = folder.images[index]
    return _key(folder.root, image.path, image.bytes, image.mtime_ns)


def _key(root: Path, path: str, bytes: int, mtime_ns: int) -> str:
    return f"{root}\0{path}\0{bytes}\0{mtime_ns}"
