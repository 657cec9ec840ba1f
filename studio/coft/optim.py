"""The optimisers of both phases."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR


def build_optimizer(
    groups: list[dict[str, Any]], *, kind: str, momentum: float, weight_decay: float, steps: int
) -> tuple[torch.optim.Optimizer, CosineAnnealingLR]:
    """An optimiser over parameter groups with their own rates, and its cosine schedule.

    The schedule is stepped per batch: on a tiny seed set a step per epoch would be coarse.

    Args:
        groups: "params" and "lr" each.
        kind: "sgd" [sister] or "adamw".
        momentum: of SGD.
        weight_decay: of both.
        steps: after which the rate is zero.
    """
    optimizer: torch.optim.Optimizer
    if kind == "sgd":
        optimizer = torch.optim.SGD(groups, momentum=momentum, weight_decay=weight_decay)
    else:
        optimizer = torch.optim.AdamW(groups, weight_decay=weight_decay)
    return optimizer, CosineAnnealingLR(optimizer, T_max=max(1, steps))
