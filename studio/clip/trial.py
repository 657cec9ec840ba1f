"""An image tower tried without weights, on torch's `meta` device, where it takes no memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from studio.clip.backbone import build_visual
from studio.errors import ModelError

_IMAGES = 2
_STEPS = 2
"""A tower that keeps something of one step for the next fails at the second."""


def blank_tower(config: Mapping[str, Any]) -> nn.Module:
    """The image tower of an open_clip model_cfg, without weights.

    Raises:
        ModelError: It cannot be built.
    """
    with torch.device("meta"):
        return build_visual(dict(config)).eval()


def blank_images(side: int) -> Tensor:
    """Two images for it: (2, 3, S, S)."""
    return torch.zeros(_IMAGES, 3, side, side, device="meta")


def takes_side(config: Mapping[str, Any], side: int, *, own: int) -> bool:
    """Whether an image tower takes images of so many pixels a side in place of its own.

    True of one that cannot be tried so: it does what needs numbers.
    """
    return side == own or _takes(json.dumps(config, sort_keys=True), side, own)


@cache
def _takes(config: str, side: int, own: int) -> bool:
    try:
        visual = blank_tower(json.loads(config))
    except ModelError:
        return True
    return _passes(visual, side) or not _passes(visual, own)


def _passes(visual: nn.Module, side: int) -> bool:
    try:
        with torch.no_grad():
            return len(visual(blank_images(side))) == _IMAGES
    except Exception:  # of timm and torch, of every kind
        return False


def fails_to_train(visual: nn.Module, side: int) -> bool:
    """Whether a blank tower, which has seen no image yet, cannot be trained as a whole on images of
    so many pixels a side.
    """
    try:
        for _ in range(_STEPS):
            visual(blank_images(side)).sum().backward()
    except Exception:  # of timm and torch, of every kind
        return True
    return False
