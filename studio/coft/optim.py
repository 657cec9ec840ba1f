"""How both phases train: the optimisers, and the random streams they draw from."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from studio.settings import Settings

_PURPOSES = (
    "init", "shuffle", "views", "complement", "monitor", "head", "phase2", "contrast", "noise",
)  # fmt: skip


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


def generator_of(
    settings: Settings, purpose: str, model: int, *, round_number: int = 1
) -> torch.Generator:
    """A random stream on the CPU: one for each purpose, model and round, so none disturbs another.

    model: 0 or 1; round_number: counts from 1.
    """
    stream = _PURPOSES.index(purpose) * 2 + model
    return torch.Generator().manual_seed(
        settings.seed * 1009 + stream + (round_number - 1) * 1_000_003
    )
