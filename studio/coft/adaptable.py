"""Whether an image tower takes the adapter of Phase I, and can be trained as a whole, as Phase II
does: tried before its weights are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import nn

from studio.clip.backbone import is_transformer
from studio.clip.trial import blank_images, blank_tower, fails_to_train
from studio.coft.adapters import PromptTokens, ScaleShift, VisualAdapter
from studio.errors import ModelError


def check_adaptable(config: Mapping[str, Any], *, size: int, name: str) -> None:
    """Try the adapter on a tower without weights.

    open_clip's own towers, and those of timm that its list names, take it: tests say so. Of timm's
    others some look at the places of tokens in ways that leave none for tokens more, or at scales.

    Args:
        config: open_clip's model_cfg, checked.
        size: side of an image, in pixels.
        name: the model, for the message.

    Raises:
        ModelError: the tower does not take it, or cannot be built.
    """
    trunk = config["vision_cfg"].get("timm_model_name")
    if not trunk or trunk in _listed_trunks():
        return
    visual, pixels = blank_tower(config), blank_images(size)
    if _fails(visual, pixels, None):
        return  # it does what cannot be tried without numbers
    if _fails(visual, pixels, PromptTokens if is_transformer(visual) else ScaleShift):
        raise ModelError(
            f"{name} has an image tower ({trunk}) to which nothing can be added that learns beside "
            "it; choose another model, or a method that only labels, such as together."
        )


def check_trainable(config: Mapping[str, Any], *, size: int, name: str) -> None:
    """Try two steps on a tower without weights.

    Some of timm's keep what they work out of their weights for the next image, which goes wrong
    once the weights change. Arguments as of `check_adaptable`.

    Raises:
        ModelError: the tower cannot be trained as a whole, or cannot be built.
    """
    trunk = config["vision_cfg"].get("timm_model_name")
    if not trunk or trunk in _listed_trunks():
        return
    if not fails_to_train(blank_tower(config), size):
        return
    if not _fails(blank_tower(config), blank_images(size), None):  # else it needs numbers
        raise ModelError(
            f"{name} has an image tower ({trunk}) that cannot be trained as a whole, as Phase II "
            "does; choose another model, or a method that only labels, such as together."
        )


@cache
def _listed_trunks() -> frozenset[str]:
    """Towers of timm in open_clip's own list."""
    import open_clip

    configs = [open_clip.get_model_config(name) or {} for name in open_clip.list_models()]
    return frozenset(own.get("vision_cfg", {}).get("timm_model_name") or "" for own in configs)


def _fails(visual: nn.Module, pixels: torch.Tensor, kind: type[VisualAdapter] | None) -> bool:
    """Whether images (2, 3, S, S) do not get through, with the adapter or, None, without."""
    options: dict[type, dict[str, Any]] = {
        PromptTokens: {"kind": "deep", "tokens": 3}, ScaleShift: {"stages": 0},
    }  # fmt: skip
    try:
        with torch.no_grad():
            if kind is None:
                return len(visual(pixels)) != len(pixels)
            made: Any = kind
            adapter = made(visual, generator=torch.Generator(), **options[kind]).to("meta")
            return len(adapter.tail(visual, adapter.prefix(visual, pixels))) != len(pixels)
    except Exception:  # of timm and torch, of every kind
        return True
