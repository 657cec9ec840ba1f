"""How an image becomes a square: by cutting out its middle, or by squashing it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from studio.images.decoding import MAX_PIXELS, decode

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True)
class Resize:
    """What a model was trained on.

    mode: "crop" resizes the short side and cuts out the middle, "squash" gives both sides the same
    length whatever becomes of the proportions; interpolation: "bicubic" or "bilinear".
    """

    mode: str = "crop"
    interpolation: str = "bicubic"

    def __str__(self) -> str:
        """Nothing for what is usual, so that caches made before there was a choice stay good."""
        return "" if self == CROP else f"|{self.mode}|{self.interpolation}"


CROP = Resize()
"""What most models were trained on."""


def square(
    file: Path, *, size: int, resize: Resize = CROP, max_pixels: int = MAX_PIXELS
) -> npt.NDArray[np.uint8]:
    """An image file as a square, (3, size, size) uint8. Raises ImageRefused."""
    # Twice the size: JPEG's own reduction is coarse, the resizing needs pixels to average.
    image = decode(file, at_least=2 * size, max_pixels=max_pixels)
    width, height = image.size
    box: tuple[float, float, float, float] = (0, 0, width, height)
    if resize.mode == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    # Cut and resized in one go: a 1 x 100,000 image must not be blown up before it is cut.
    small = image.resize((size, size), FILTERS[resize.interpolation], box=box, reducing_gap=2.0)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))
