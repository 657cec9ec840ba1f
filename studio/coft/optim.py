"""How both phases train: the optimisers, and the random streams they draw from."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from studio.clip.backbone import is_transformer
from studio.coft.adapters import transformer_of
from studio.coft.classifier import Tower
from studio.settings import Settings

RATES = {"sgd": 3e-4, "adamw": 3e-5}
"""Phase II's learning rate of the visual encoder, where none is set."""

_BEHIND_BLOCKS = ("ln_post", "proj", "attn_pool", "norm.", "fc_norm", "head")

_PURPOSES = (
    "init", "shuffle", "views", "complement", "monitor", "head", "phase2", "contrast", "noise",
    "sample",
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


def tower_optimizer(
    tower: Tower, settings: Settings, *, steps: int
) -> tuple[torch.optim.Optimizer, CosineAnnealingLR]:
    """What trains a whole tower in Phase II, and its cosine schedule; the encoder's group is first.

    Transformers and convolutional towers want different ones (docs/method.md); `auto` and 0 in the
    settings stand for what the tower's kind, and then the optimiser, ask for.
    """
    kind = settings.phase2_optimizer
    if kind == "auto":
        kind = "adamw" if is_transformer(tower.visual) else "sgd"
    rate = settings.phase2_lr or RATES[kind]
    if is_transformer(tower.visual) and settings.phase2_frozen_patches:
        transformer_of(tower.visual)[1].requires_grad_(False)
    groups = [
        {"params": parameters, "lr": rate * share}
        for share, parameters in _encoder_groups(tower.visual, settings)
    ]
    groups.append({"params": list(tower.head.parameters()), "lr": rate * settings.head_lr_factor})
    return build_optimizer(
        groups,
        kind=kind,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        steps=steps,
    )


def clip_gradient(optimizer: torch.optim.Optimizer, largest: float) -> None:
    """Shorten the gradient of all that an optimiser trains, taken together, to a norm; 0: leave."""
    if largest:
        trained = [p for group in optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(trained, largest)


def _encoder_groups(
    visual: nn.Module, settings: Settings
) -> list[tuple[float, list[nn.Parameter]]]:
    """An encoder's trained parameters, with their share of the learning rate, the last first.

    On transformers the share falls by `phase2_layer_decay` with every block towards the image, the
    embedding being one more (BEiT).
    """
    if not is_transformer(visual):
        return [(1.0, list(visual.parameters()))]
    blocks = transformer_of(visual)[0]
    depth = {p: number for number, block in enumerate(blocks, 1) for p in block.parameters()}
    levels: dict[int, list[nn.Parameter]] = {}
    for name, parameter in visual.named_parameters():
        behind = name.removeprefix("trunk.").startswith(_BEHIND_BLOCKS)
        level = depth.get(parameter, len(blocks) + 1 if behind else 0)
        if parameter.requires_grad:
            levels.setdefault(level, []).append(parameter)
    decay, last = settings.phase2_layer_decay, len(blocks) + 1
    return [(decay ** (last - level), levels[level]) for level in sorted(levels, reverse=True)]


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
