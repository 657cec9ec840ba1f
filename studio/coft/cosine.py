"""Towers that compare with class texts: what is shipped when nothing was fine-tuned."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from studio.clip.backbone import Backbone
from studio.clip.space import Space
from studio.coft.adapters import PromptTokens, VisualAdapter
from studio.coft.classifier import Tower


def cosine_tower(
    backbone: Backbone, space: Space, texts: Tensor, *, adapter: VisualAdapter | None = None
) -> Tower:
    """The backbone's image tower, with an adapter worked in, under unit class vectors (C, d)."""
    return unit_tower(backbone, space, space.scale * texts, adapter=adapter)


def unit_tower(
    backbone: Backbone,
    space: Space,
    weight: Tensor,
    *,
    bias: Tensor | None = None,
    adapter: VisualAdapter | None = None,
) -> Tower:
    """The same tower under any linear head on the space's unit vectors: (C, d) and (C,) or None."""
    visual = copy.deepcopy(backbone.visual)
    if adapter is not None:
        visual.load_state_dict(adapter.merged_state(backbone.visual))
    head = nn.Linear(weight.shape[1], len(weight))
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(torch.zeros(len(weight)) if bias is None else bias)
    tokens = copy.deepcopy(adapter) if isinstance(adapter, PromptTokens) else None
    return Tower(visual, head, mean=space.image_mean, tokens=tokens).to(backbone.device)
