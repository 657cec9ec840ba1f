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
    visual = copy.deepcopy(backbone.visual)
    if adapter is not None:
        visual.load_state_dict(adapter.merged_state(backbone.visual))
    head = nn.Linear(texts.shape[1], len(texts))
    with torch.no_grad():
        head.weight.copy_(space.scale * texts)
        head.bias.zero_()
    tokens = copy.deepcopy(adapter) if isinstance(adapter, PromptTokens) else None
    return Tower(visual, head, mean=space.image_mean, tokens=tokens).to(backbone.device)
