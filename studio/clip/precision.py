"""In what precision models multiply: half where the machine computes in it, else float32."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

import torch
from torch import nn

from studio.clip.backbone import is_transformer
from studio.errors import ModelError

VARIABLE = "STUDIO_PRECISION"
"""Of the environment: `float32` or `float16` asks for it everywhere; empty or `auto`: what is best
there."""
_CHOICES = ("auto", "float32", "float16")


def autocast(device: torch.device, visual: nn.Module) -> AbstractContextManager[None]:
    """The context in which a model works, by its image tower and the device that it is on.

    On a GPU bfloat16, or float16 where it only emulates bfloat16. On the CPU float32, but for
    vision transformers on processors that multiply matrices of bfloat16 (AMX): ViT-B/16 takes a
    third of the time there, and 2.6 times less to train. Convolutional towers are slower to train
    in bfloat16 on such a processor (their depthwise convolutions are), and stay in float32.

    Raises:
        ModelError: the environment names no precision that there is.
    """
    return _autocast(device, half_precision(device, visual))


@contextmanager
def _autocast(device: torch.device, half: torch.dtype | None) -> Iterator[None]:
    with (
        float32_as_asked(device),
        torch.autocast(device.type, dtype=half or torch.bfloat16, enabled=half is not None),
    ):
        yield


@contextmanager
def float32_as_asked(device: torch.device) -> Iterator[None]:
    """Around what a tower computes, forward or backward: float32 is float32 where it is asked for.

    Of its own accord cuDNN's convolutions round float32 to TF32, 10 bits of 23, from Ampere on.
    Where nothing is asked for, towers work in half precision, and what is in float32 are judged
    quantities, the losses and class vectors: torch leaves their products in true float32, and TF32
    is never asked for.
    """
    if device.type != "cuda" or not float32_asked_for():
        yield
        return
    products: Any = torch.backends.cuda.matmul
    convolutions: Any = torch.backends.cudnn
    before = products.fp32_precision == "tf32", convolutions.conv.fp32_precision == "tf32"
    # By the older names, which set the newer ones too: torch refuses to work where they disagree.
    products.allow_tf32 = convolutions.allow_tf32 = False
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


def float32_asked_for() -> bool:
    """Whether the environment asks for float32 everywhere.

    Raises:
        ModelError: it names no precision that there is.
    """
    return _asked() == "float32"


def half_precision(device: torch.device, visual: nn.Module) -> torch.dtype | None:
    """The half precision of `autocast`, with the same arguments; None: float32.

    Raises:
        ModelError: the environment names no precision that there is.
    """
    asked = _asked()
    if asked != "auto":
        return torch.float16 if asked == "float16" else None
    if device.type == "cuda":
        return torch.bfloat16 if computes_bfloat16(device) else torch.float16
    if device.type == "cpu" and is_transformer(visual) and multiplies_bfloat16():
        return torch.bfloat16
    return None


def _asked() -> str:
    asked = os.environ.get(VARIABLE, "").strip() or "auto"
    if asked not in _CHOICES:
        raise ModelError(f"{VARIABLE} is {asked!r}, which is not one that there is; try float32")
    return asked


_AMD_WITHOUT = ("gfx8", "gfx900", "gfx902", "gfx904", "gfx906", "gfx909", "gfx90c", "gfx10")
"""AMD's architectures without products of bfloat16: before MI100, and Radeons before RDNA 3."""


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a GPU computes in bfloat16 itself.

    NVIDIA's do from Ampere on. Older ones (V100, T4, GTX) only emulate it, more slowly
    than float16, and `torch.cuda.is_bf16_supported()` says yes to them; of AMD's it says yes to
    all.
    """
    with torch.cuda.device(device):
        supported = bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if supported and torch.version.hip:
        return not torch.cuda.get_device_properties(device).gcnArchName.startswith(_AMD_WITHOUT)
    return supported


def multiplies_bfloat16() -> bool:
    """Whether the processor multiplies matrices of bfloat16 (AMX), and torch knows how to."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(supported and cast(bool, supported()) and torch.backends.mkldnn.is_available())
