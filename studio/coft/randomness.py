"""Random streams: one for each purpose, model and round, so that none disturbs another."""

from __future__ import annotations

import torch

from studio.settings import Settings

_PURPOSES = (
    "init", "shuffle", "views", "complement", "monitor", "head", "phase2", "contrast", "noise",
)  # fmt: skip


def generator_of(
    settings: Settings, purpose: str, model: int, *, round_number: int = 1
) -> torch.Generator:
    """A generator on the CPU. model: 0 or 1; round_number: counts from 1."""
    stream = _PURPOSES.index(purpose) * 2 + model
    return torch.Generator().manual_seed(
        settings.seed * 1009 + stream + (round_number - 1) * 1_000_003
    )
