"""Which device models go to when nobody names one."""

from __future__ import annotations

import os

from studio.errors import ModelError

VARIABLE = "STUDIO_DEVICE"
"""Of the environment: `cpu`, `cuda`, `cuda:1`; empty: the GPU when there is one."""


def device_name(asked: str | None = None) -> str:
    """The torch device: as asked for, else as the environment says, else the GPU or the CPU.

    Raises:
        ModelError: the environment names none that there is.
    """
    import torch

    if asked:
        return asked
    named = os.environ.get(VARIABLE, "").strip()
    if not named:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(named)
    except RuntimeError:
        raise ModelError(f"{VARIABLE} is {named!r}, which is no device; try cpu or cuda") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"{VARIABLE} is {named!r}, and PyTorch sees no GPU here; try cpu")
    return named
