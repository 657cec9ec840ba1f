"""Random training views of the canvases: random-resized crop and flip [CoOp, UPL], pure torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional as transforms

from studio.clip.backbone import Backbone
from studio.clip.trial import takes_side

MAX_ASPECT = 4 / 3
"""Widest crop, as in torchvision's RandomResizedCrop."""


def training_size(backbone: Backbone, share: float) -> int:
    """Side of training views in pixels: a share of the model's own, in steps of 32, where it can.

    A random crop shows objects larger than the test view does, so a convolutional tower that trains
    on smaller images meets them at about the same size, and trains faster (Touvron et al., 2019, on
    the discrepancy of train and test resolution). Some that are no transformers take their own size
    alone (Swin, mixers): they train at that.
    """
    own = backbone.image_size
    if not backbone.takes_any_size:
        return own
    smaller = max(32, round(own * share / 32) * 32)
    return smaller if takes_side(backbone.config, smaller, own=own) else own


Rows = tuple[int, slice]
"""A batch of so many images, and which of them are meant."""
Each = Callable[[Callable[..., Any], Iterable[Any]], Iterator[Any]]
"""What maps a function over images, as `map` does; that of a pool takes several at a time."""


def random_views(
    canvases: Tensor,
    *,
    size: int,
    crop_scale: float,
    generator: Generator,
    of: Rows | None = None,
    each: Each = map,
) -> Tensor:
    """One random crop of each image, resized, half of them mirrored.

    Args:
        canvases: (B, 3, S, S) uint8.
        size: side of the views in pixels.
        crop_scale: smallest area of a crop as a share of the canvas; the largest is 1.
        generator: the source of randomness (CPU).
        of: the batch of which these are some rows; its other rows, which somebody else has, draw
            their numbers too. None: they are all of it.
        each: see `Each`.

    Returns:
        (B, 3, size, size) uint8.
    """
    side = canvases.shape[-1]
    batch, rows = of or (len(canvases), slice(None))
    draws = torch.rand(batch, 5, generator=generator)[rows]

    def cut(one: tuple[Tensor, list[float]]) -> Tensor:
        canvas, (area, aspect, left, top, mirror) = one
        share = crop_scale + (1 - crop_scale) * area
        ratio = math.exp((2 * aspect - 1) * math.log(MAX_ASPECT))
        width = min(side, round(side * math.sqrt(share * ratio)))
        height = min(side, round(side * math.sqrt(share / ratio)))
        view = transforms.resized_crop(
            canvas,
            int(top * (side - height + 1)),
            int(left * (side - width + 1)),
            height,
            width,
            [size, size],
            interpolation=transforms.InterpolationMode.BILINEAR,
            antialias=True,
        )
        return transforms.horizontal_flip(view) if mirror < 0.5 else view

    views = list(each(cut, zip(canvases, draws.tolist(), strict=True)))
    return torch.stack(views) if views else canvases.new_empty(0, 3, size, size)
