"""How an image file is opened: only with readers of the allow-list, and no larger than allowed.

Nothing is decoded here. Of a JPEG file an eighth of each side can be decoded without the rest ever
being in memory; so what counts is not how large the photo is but how much of it is held.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import IO

from PIL import Image, JpegImagePlugin, PngImagePlugin

from studio.images.kinds import HEAD, HEIC, kind_of

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM")
# Without any magic number: Pillow takes many a file for TGA, so it is asked only when named so.
_TGA = ".tga"
# Entropy decoding goes through the whole file at any scale: 540 megapixels take seconds, not more.
_MOST_OF_JPEG = 6
# Progressive files are held whole, as coefficients: 200 megapixels are 600 MB at 4:2:0.
_MOST_HELD = 2.5
# Pillow decodes these codecs in Python, at about two million pixels a second.
_SLOW_CODECS = ("ppm", "ppm_plain", "bmp_rle")
_MOST_SLOW = 8_000_000
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
# A picture of a few pixels that carries megabytes of text is an attack on its reader, not a photo.
_MOST_TEXT_A_PIXEL = 10_000


class TooLargeError(Exception):
    """An image that would need more than is allowed; the message says how large it is."""


@dataclass(frozen=True)
class Opened:
    """An image that may be decoded now. held_pixels: as many are in memory while it is."""

    image: Image.Image
    held_pixels: int


@contextmanager
def open_image(
    file: IO[bytes], name: str, *, at_least: int | None, max_pixels: int
) -> Iterator[Opened]:
    """Open an image for decoding; arguments as of `studio.images.decoding.decode`.

    name: of the file; what it says counts for TGA alone.
    Raises TooLargeError, and whatever Pillow's readers raise of damaged files.
    """
    kind = kind_of(file.read(HEAD))
    file.seek(0)
    if kind == "JPEG":
        with JpegImagePlugin.jpeg_factory(file) as image:
            yield Opened(image, _reduce(image, file, at_least, max_pixels))
        return
    with _open_whole(file, kind, name) as image:
        pixels = image.width * image.height
        slow = any(tile[0] in _SLOW_CODECS for tile in getattr(image, "tile", ()))
        if pixels > max_pixels or (slow and pixels > _MOST_SLOW):
            raise TooLargeError(_size(image.size))
        yield Opened(image, pixels)


def header_pixels(file: IO[bytes], name: str) -> int:
    """How many pixels an image has, decoded or not. Raises what Pillow's readers raise."""
    kind = kind_of(file.read(HEAD))
    file.seek(0)
    opened = JpegImagePlugin.jpeg_factory(file) if kind == "JPEG" else _open_whole(file, kind, name)
    with opened as image:
        return image.width * image.height


def _open_whole(file: IO[bytes], kind: str, name: str) -> Image.Image:
    if kind == HEIC:
        try:
            from pillow_heif import HeifImageFile
        except ImportError:  # an extra; who opens the file says so
            raise SyntaxError("no reader of HEIC is installed") from None
        heif: Image.Image = HeifImageFile(file)
        return heif
    if kind == "PNG":
        file = _without_large_texts(file)
    formats = (*_FORMATS, "TGA") if name.lower().endswith(_TGA) else _FORMATS
    return Image.open(file, formats=formats)


# JPEG ---------------------------------------------------------------------------------------------


def _reduce(image: Image.Image, file: IO[bytes], at_least: int | None, max_pixels: int) -> int:
    """Choose the scale that a JPEG is decoded at; returns how many pixels are held meanwhile."""
    width, height = image.size
    whole = width * height
    if whole > _MOST_OF_JPEG * max_pixels:
        raise TooLargeError(_size(image.size))
    held = whole if _is_held_whole(image, file) else 0
    if held > _MOST_HELD * max_pixels:
        raise TooLargeError(f"{_size(image.size)} in several scans, which are held whole")
    scale = _wanted_scale(width, height, at_least)
    while scale < 8 and -(-width // scale) * -(-height // scale) > max_pixels:
        scale *= 2
    if scale > 1:
        image.draft(None, (max(1, width // scale), max(1, height // scale)))
    if image.width * image.height > max_pixels:
        raise TooLargeError(_size((width, height)))
    return max(image.width * image.height, held)


def _wanted_scale(width: int, height: int, at_least: int | None) -> int:
    """The largest of 1, 2, 4, 8 by which both sides can be divided and keep `at_least` pixels."""
    if at_least is None:
        return 1
    return next(s for s in (8, 4, 2, 1) if s == 1 or min(width, height) // at_least >= s)


def _is_held_whole(image: Image.Image, file: IO[bytes]) -> bool:
    """Whether all coefficients are held at once, which progressive files and others with several
    scans need at any scale.
    """
    if image.info.get("progressive"):
        return True
    at = file.tell()
    try:
        return _parts_of_first_scan(file) < len(getattr(image, "layer", ()))
    finally:
        file.seek(at)


def _parts_of_first_scan(file: IO[bytes]) -> int:
    """How many colour components the first scan holds; 0 when there is none."""
    file.seek(2)
    while len(marker := file.read(4)) == 4:
        if marker[0] != 0xFF:
            return 0
        if marker[1] in (0xFF, 0x01) or 0xD0 <= marker[1] <= 0xD7:  # fill bytes; without a length
            file.seek(-3 if marker[1] == 0xFF else -2, 1)
            continue
        if marker[1] == 0xDA:
            return (file.read(1) or b"\0")[0]
        file.seek(int.from_bytes(marker[2:], "big") - 2, 1)
    return 0


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} pixels"


# PNG ----------------------------------------------------------------------------------------------


def _without_large_texts(file: IO[bytes]) -> IO[bytes]:
    """The same PNG without texts and profiles that Pillow refuses to unpack, which would cost the
    whole picture; the file itself when it has none.
    """
    large = list(_large_texts(file))
    file.seek(0)
    if not large:
        return file
    width, height = struct.unpack(">II", file.read(24)[16:24])
    if len(large) * PngImagePlugin.MAX_TEXT_CHUNK > _MOST_TEXT_A_PIXEL * width * height:
        raise TooLargeError(f"texts too large for a picture of {width} x {height} pixels")
    kept, at = BytesIO(), 0
    file.seek(0)
    for start, end in large:
        kept.write(file.read(start - at))
        file.seek(end)
        at = end
    kept.write(file.read())
    kept.seek(0)
    return kept


def _large_texts(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Where the chunks begin and end that are too large, or too many, for Pillow."""
    at, total = 8, 0
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        end = at + 12 + length
        if kind in _TEXT_CHUNKS:
            size = length  # of what is too much already, or too large, nothing is unpacked
            if max(length, total) < PngImagePlugin.MAX_TEXT_MEMORY // 2:
                size = _unpacked(kind, file.read(length), length)
            total += size
            if size > PngImagePlugin.MAX_TEXT_CHUNK or total > PngImagePlugin.MAX_TEXT_MEMORY // 2:
                yield at, end
        if kind == b"IEND":
            return
        at = end


def _unpacked(kind: bytes, chunk: bytes, length: int) -> int:
    """How large a text or profile is, or one byte more than is allowed."""
    _, _, rest = chunk.partition(b"\0")
    packed = rest[1:]
    if kind == b"iTXt":
        if not rest.startswith(b"\1"):
            return length
        packed = rest[2:].split(b"\0", 2)[-1]
    if kind == b"tEXt":
        return length
    try:
        return len(zlib.decompressobj().decompress(packed, PngImagePlugin.MAX_TEXT_CHUNK + 1))
    except zlib.error:  # Pillow passes damaged ones over itself
        return length
