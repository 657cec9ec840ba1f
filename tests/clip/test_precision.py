"""Half precision: where it is taken, and where float32 stays."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from studio.clip import precision
from studio.clip.precision import autocast
from studio.errors import ModelError

CPU, GPU = torch.device("cpu"), torch.device("cuda")


class Transformer(nn.Module):
    """What `is_transformer` takes for one."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = nn.Identity()


TRANSFORMER, CONVOLUTIONS = Transformer(), nn.Conv2d(3, 3, 1)


@pytest.fixture(autouse=True)
def _auto(monkeypatch: pytest.MonkeyPatch) -> None:
    """The studio's own choice, on a machine with everything."""
    monkeypatch.setenv("STUDIO_PRECISION", "auto")
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)


def product(visual: nn.Module) -> torch.dtype:
    """In what a product of matrices comes out on the CPU."""
    with autocast(CPU, visual):
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


def test_transformers_multiply_in_half_where_the_processor_can() -> None:
    assert product(TRANSFORMER) == torch.bfloat16


def test_convolutions_stay_in_float32_on_the_cpu() -> None:
    assert product(CONVOLUTIONS) == torch.float32


def test_a_processor_without_matrix_products_of_bfloat16_stays_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: False)
    assert product(TRANSFORMER) == torch.float32


def test_a_torch_that_cannot_tell_stays_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert not precision.multiplies_bfloat16()


@pytest.mark.parametrize("visual", [TRANSFORMER, CONVOLUTIONS])
def test_a_gpu_takes_bfloat16_and_else_float16(
    visual: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert precision._half_precision(GPU, visual) == torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert precision._half_precision(GPU, visual) == torch.float16


@pytest.mark.parametrize("device", [CPU, GPU])
def test_float32_can_be_asked_for(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_PRECISION", "float32")
    assert precision._half_precision(device, TRANSFORMER) is None


def test_an_unknown_precision_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_PRECISION", "int4")
    with pytest.raises(ModelError, match="STUDIO_PRECISION is 'int4'"):
        autocast(CPU, TRANSFORMER)
