"""An image as a vision-language model gets it: small, bare pixels, nothing of its file."""

from __future__ import annotations

import hashlib
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image

from studio.ask.judge_question import Picture
from studio.errors import FolderError
from studio.files import file_digest
from studio.images.decoding import ImageRefused, decode

SIDE = 512
"""Pixels of the longer side, at most."""
_QUALITY = 85


def picture_of(path: Path) -> Picture:
    """An image file as it is asked about; it is decoded when it is sent.

    Raises:
        FolderError: The file is gone or cannot be read; `jpeg` raises it too.
    """
    try:
        content = file_digest(path, hashlib.sha256())
    except OSError as error:
        raise FolderError(f"{path.name} cannot be read: {error.strerror}.") from None
    return Picture(content, cache(lambda: _small(path)))


def bare_jpeg(image: Image.Image) -> bytes:
    """An image as JPEG without EXIF, comments or profiles, its longer side at most SIDE pixels."""
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    bare, data = Image.new("RGB", image.size), BytesIO()
    bare.paste(image)
    bare.save(data, "JPEG", quality=_QUALITY)
    return data.getvalue()


def plain_picture(name: str, colour: tuple[int, int, int]) -> Picture:
    """A picture of one colour and nothing else, 128 pixels a side. name: tells it from others."""
    image = Image.new("RGB", (128, 128), colour)
    return Picture(name, cache(lambda: bare_jpeg(image)))


def _small(path: Path) -> bytes:
    try:
        return bare_jpeg(decode(path, at_least=SIDE))
    except ImageRefused as error:
        raise FolderError(f"{path.name} cannot be read: {error.detail}") from None
