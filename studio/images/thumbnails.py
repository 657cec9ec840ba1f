"""Small pictures for the page: JPEG files without metadata, under names that cannot be guessed.

The page never serves a user's own file: a photo may carry a position or a thumbnail of what was cut
away. Thumbnails come from the canvases, large views from a guarded decode.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import io
import os
import secrets
import time
from pathlib import Path
from typing import Protocol

from PIL import Image

from studio.errors import FolderError
from studio.images.folder import ImageRefused, decode
from studio.untrusted import Unreadable, read_file

THUMBNAIL_SIDE = 224
LARGE_SIDE = 1280
KEEP_DAYS = 14


class Pictures(Protocol):
    """What thumbnails are made from; `studio.images.canvases.Canvases` is one."""

    def image(self, index: int, /) -> Image.Image:
        """The square canvas of an image, RGB."""
        ...


class Thumbnails:
    """A folder of small pictures, made when first asked for.

    Args:
        cache_dir: the studio's cache; pictures go to `thumbs/` in it, which the page serves. The
            key that makes their names unguessable lies outside of that folder.
    """

    def __init__(self, *, cache_dir: Path) -> None:
        self.folder = cache_dir / "thumbs"
        with contextlib.suppress(OSError):  # of a cache that cannot be written: see `_save`
            self.folder.mkdir(parents=True, exist_ok=True)
        self._key = secret(cache_dir)
        self._prune()

    def thumbnail(self, pictures: Pictures, index: int, *, key: str) -> Path | bytes | None:
        """The file of a square thumbnail, or what would be in it where the cache cannot be written;
        None when the image cannot be had.

        key: identifies the image's content (folder, path, size and time of change).
        """
        file = self._file(f"small {key}")
        if not file.is_file():
            try:
                picture = pictures.image(index)
            except (ImageRefused, FolderError, OSError, IndexError):
                return None
            small = picture.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
            return self._save(small, file, 82)
        return file

    def large(self, path: Path, *, key: str) -> Path | bytes | None:
        """The same of a whole image, its longer side at most LARGE_SIDE pixels; None when gone."""
        file = self._file(f"large {key}")
        if not file.is_file():
            try:
                picture = decode(path, at_least=LARGE_SIDE)
            except (ImageRefused, OSError):
                return None
            picture.thumbnail((LARGE_SIDE, LARGE_SIDE), Image.Resampling.LANCZOS)
            return self._save(picture, file, 90)
        return file

    def _file(self, key: str) -> Path:
        name = hmac.new(
            self._key, key.encode("utf-8", "surrogateescape"), hashlib.sha256
        ).hexdigest()[:40]
        return self.folder / name[:2] / f"{name}.jpg"

    def _save(self, picture: Image.Image, file: Path, quality: int) -> Path | bytes:
        # A new image of the bare pixels: EXIF, comments and colour profiles stay behind.
        bare, data = Image.new("RGB", picture.size), io.BytesIO()
        bare.paste(picture)
        # In memory first: Pillow hides what the disk says.
        bare.save(data, "JPEG", quality=quality, optimize=True)
        partial = file.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}.tmp")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(data.getbuffer())
            os.replace(partial, file)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            return data.getvalue()
        return file

    def _prune(self) -> None:
        """Forget pictures that have not been made anew for a while."""
        oldest = time.time() - KEEP_DAYS * 86400
        for file in self.folder.glob("*/*"):
            with contextlib.suppress(OSError):
                if file.stat().st_mtime < oldest:
                    file.unlink(missing_ok=True)


def secret(cache_dir: Path) -> bytes:
    """A random key that belongs to this cache; made once, readable by its owner only.

    Where the cache cannot be written it lasts as long as this process.
    """
    file = cache_dir / "secret"
    if (key := _read_secret(file)) is None:
        fresh = secrets.token_hex(_SECRET_BYTES)
        partial = cache_dir / f"secret.{os.getpid()}.tmp"
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
            partial.touch(mode=0o600)
            partial.write_text(fresh, encoding="ascii")
            os.replace(partial, file)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            return _in_memory.setdefault(cache_dir, bytes.fromhex(fresh))
        key = bytes.fromhex(fresh)
    return key


def _read_secret(file: Path) -> bytes | None:
    """None when there is none, or what is there is damaged."""
    try:
        key = bytes.fromhex(read_file(file, most=4 * _SECRET_BYTES).decode("ascii"))
    except (Unreadable, ValueError):
        return None
    return key if len(key) == _SECRET_BYTES else None


_SECRET_BYTES = 32
_in_memory: dict[Path, bytes] = {}
