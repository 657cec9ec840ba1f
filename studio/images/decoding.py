"""One image file -> upright RGB pixels, or the reason why not.

Files come from anywhere, so nothing about them is trusted: the content is checked against an
allow-list of formats whatever the extension says, the number of pixels is read from the header
before anything is decoded, and whatever a decoder raises becomes a refusal. How a file is opened is
in `studio.images.opening`.
"""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from studio.forking import Lock
from studio.images.kinds import SHOWN, is_read, kind_of, read_head, why_not
from studio.images.opening import TooLargeError, header_pixels, open_image

MAX_PIXELS = 90_000_000
"""Most pixels that are decoded (Pillow's own warning level is 89.5 million). A larger JPEG file is
decoded at a half, a quarter or an eighth of its size, see `studio.images.opening`."""

MAX_BYTES = 320 * 2**20
"""Largest file that is opened; 90 million uncompressed RGB pixels are 257 MiB."""

REASONS = (
    "corrupt",
    "truncated",
    "too large",
    "not an image",
    "symlink out of the tree",
    "unreadable",
    "unsupported type",
)

# Images that need more memory than this many pixels are decoded one at a time, whatever the number
# of threads: eight threads with a 90-megapixel image each would need several gigabytes.
_LARGE = 12_000_000
_one_large_image = Lock()
_EXIF_ORIENTATION = 0x0112


class ImageRefused(Exception):  # noqa: N818 (a verdict more than an error)
    """A file that is not used. `reason` is one of REASONS, `detail` says more in one line."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def decode(
    path: Path,
    *,
    at_least: int | None = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Image.Image:
    """The first frame of an image file, upright, in mode RGB, transparent parts on white.

    at_least: JPEG files may be decoded at a reduced size, as long as both sides keep at least this
    many pixels; several times faster for photos. None: full size, or as much of it as is allowed.
    max_pixels, max_bytes: of what is decoded; larger images are refused before that.
    Raises ImageRefused, and nothing else.
    """
    try:
        _check_file(path, max_bytes=max_bytes)
        with (
            quiet_pillow(),
            open(path, "rb") as file,
            open_image(file, path.name, at_least=at_least, max_pixels=max_pixels) as opened,
        ):
            if opened.held_pixels > _LARGE:
                with _one_large_image:
                    return _to_upright_rgb(opened.image)
            return _to_upright_rgb(opened.image)
    except ImageRefused:
        raise
    except Exception as error:  # decoders raise whatever a damaged file makes them trip over
        raise _refusal(path, error) from error


def pixels_of(path: Path) -> int | None:
    """How many pixels an image has, as its header says; None when that cannot be told."""
    try:
        _check_file(path, max_bytes=MAX_BYTES)
        with quiet_pillow(), open(path, "rb") as file:
            return header_pixels(file, path.name)
    except Exception:  # as in `decode`, which says what is wrong with it
        return None


_quiet_lock = Lock()
_quiet_depth = 0
_quiet_context: warnings.catch_warnings[None] | None = None


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silences Pillow's warnings (odd EXIF and TIFF tags, large sizes) while any thread is inside.

    warnings.catch_warnings alone is not safe here: threads that leave in another order than they
    entered restore each other's filters. The first one in saves them, the last one out restores.
    """
    global _quiet_depth, _quiet_context
    with _quiet_lock:
        if _quiet_depth == 0:
            _quiet_context = warnings.catch_warnings()
            _quiet_context.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
        _quiet_depth += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0 and _quiet_context is not None:
                _quiet_context.__exit__(None, None, None)
                _quiet_context = None


def _check_file(path: Path, *, max_bytes: int) -> None:
    """Refuses what must not even be opened: pipes and devices, huge and empty files."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ImageRefused("unreadable", "not a regular file")
    if status.st_size > max_bytes:
        raise ImageRefused("too large", f"{status.st_size / 2**20:.0f} MiB")
    if status.st_size == 0:
        raise ImageRefused("not an image", "the file is empty")


def _refusal(path: Path, error: Exception) -> ImageRefused:
    """What went wrong, in the words of REASONS."""
    text = " ".join(str(error).replace(str(path), path.name).split())[:200]
    detail = text or type(error).__name__
    if isinstance(error, (UnidentifiedImageError, SyntaxError)):
        return _unknown(path, "" if isinstance(error, UnidentifiedImageError) else detail)
    too_large = (TooLargeError, Image.DecompressionBombError, MemoryError)
    if isinstance(error, too_large) or "too large" in text:
        return ImageRefused("too large", detail)
    if "truncated" in text.lower():
        return ImageRefused("truncated", detail)
    # A decoder's own OSError has no errno; one from the operating system has.
    if isinstance(error, OSError) and error.errno is not None:
        return ImageRefused("unreadable", error.strerror or detail)
    return ImageRefused("corrupt", detail)


def _unknown(path: Path, detail: str) -> ImageRefused:
    """What a file is that no reader takes, by its first bytes. detail: what a reader said."""
    kind = kind_of(read_head(path))
    if is_read(kind):
        return ImageRefused("corrupt", detail or "the header is damaged")
    if kind:
        return ImageRefused("unsupported type", why_not(kind))
    return ImageRefused("not an image", f"no content of type {SHOWN}")


def _to_upright_rgb(image: Image.Image) -> Image.Image:
    image.load()
    if image.width == 0 or image.height == 0:
        raise ImageRefused("corrupt", "the image has no pixels")
    rgb = _to_rgb(image)
    # The orientation is read after load(): TIFF turns itself while it loads, and says so then.
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # damaged EXIF says nothing about the pixels, which are fine
        orientation = 1
    if orientation == 1:
        return rgb
    rgb.getexif()[_EXIF_ORIENTATION] = orientation
    return ImageOps.exif_transpose(rgb)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _from_wide(np.asarray(image))
    if image.mode == "LAB":  # Pillow converts it only with a colour profile at hand
        raise ImageRefused("unsupported type", "colour mode LAB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        alpha = rgba.getchannel("A")
        # Alpha zero everywhere is a writer's mistake (32-bit BMP): show the colours, not a blank.
        if alpha.getextrema() != (0, 0):
            white = Image.new("RGB", rgba.size, "white")
            white.paste(rgba, mask=alpha)
            return white
        return rgba.convert("RGB")
    return image.convert("RGB")


def _from_wide(values: np.ndarray) -> Image.Image:
    """Grey values of more than 8 bits -> RGB.

    Integers: white is the largest value of the smallest depth of 8, 10, 12, 14 or 16 bits that
    holds them all, since cameras and scanners store 12 bits in 16. Others are stretched.
    """
    grey = np.nan_to_num(values.astype(np.float32))
    low, high = float(grey.min()), float(grey.max())
    if values.dtype.kind in "iu" and low >= 0 and high < 2**16:
        low, high = 0.0, next(2.0**bits - 1 for bits in (8, 10, 12, 14, 16) if high < 2**bits)
    elif values.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    grey = (grey - low) * (255.0 / (high - low) if high > low else 0.0)
    return Image.fromarray(np.round(grey).astype(np.uint8)).convert("RGB")
