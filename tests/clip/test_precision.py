"""Half precision: where it is taken, and where float32 stays."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from studio.clip import precision
from studio.clip.precision import autocast
from studio.clip.scaling import LossScaler
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
    on_gpu(monkeypatch, major=9)


def on_gpu(monkeypatch: pytest.MonkeyPatch, *, major: int, amd: str | None = None) -> None:
    """A GPU of a compute capability, or AMD's of an architecture, in which memory can hold bfloat16
    and be added up, as it can be on all.
    """
    found = SimpleNamespace(major=major, gcnArchName=amd)
    monkeypatch.setattr(torch.version, "hip", "7.0" if amd else None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: found)
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda _: True)


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
@pytest.mark.parametrize(
    ("major", "half"),
    [(6, torch.float16), (7, torch.float16), (8, torch.bfloat16), (9, torch.bfloat16)],
    ids=["GTX", "V100 and T4", "A100", "H100"],
)
def test_a_gpu_takes_bfloat16_and_float16_where_that_is_emulated(
    visual: nn.Module, major: int, half: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_gpu(monkeypatch, major=major)
    assert precision.half_precision(GPU, visual) == half


@pytest.mark.parametrize(
    ("architecture", "half"),
    [
        ("gfx90a:sramecc+:xnack-", torch.bfloat16),
        ("gfx942", torch.bfloat16),
        ("gfx1100", torch.bfloat16),
        ("gfx906:sramecc+:xnack-", torch.float16),
        ("gfx1030", torch.float16),
    ],
    ids=["MI250", "MI300", "RDNA 3", "MI50", "RDNA 2"],
)
def test_amds_gpus_take_bfloat16_where_they_multiply_in_it(
    architecture: str, half: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_gpu(monkeypatch, major=9, amd=architecture)
    assert precision.half_precision(GPU, TRANSFORMER) == half


def test_other_devices_stay_in_float32() -> None:
    assert precision.half_precision(torch.device("mps"), TRANSFORMER) is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_real_gpu_computes_in_bfloat16_from_ampere_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert precision.computes_bfloat16(GPU) == (torch.cuda.get_device_capability()[0] >= 8)


def tf32() -> tuple[bool, bool]:
    """Whether a GPU rounds in products of matrices, and in convolutions."""
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture(params=[False, True])
def products(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether the host has products of matrices rounded."""
    torch.backends.cuda.matmul.allow_tf32 = request.param
    yield request.param
    torch.backends.cuda.matmul.allow_tf32 = False


def test_who_asks_for_float32_gets_no_tf32_forward_or_backward(
    products: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cuDNN takes it for convolutions unless told otherwise. What the host has set comes back."""
    monkeypatch.setenv("STUDIO_PRECISION", "float32")
    seen, leaf = list[tuple[bool, bool]](), torch.ones(2, requires_grad=True)
    scaler = LossScaler(GPU, CONVOLUTIONS)
    with autocast(GPU, CONVOLUTIONS):
        seen.append(tf32())
    for backward in (scaler.backward, lambda loss: scaler.carry([loss], [torch.ones(())])):
        tensor = 2 * leaf
        tensor.register_hook(lambda _: seen.append(tf32()))
        backward(tensor.sum())
    assert seen == [(False, False)] * 3
    assert tf32() == (products, True)


def test_who_asks_for_nothing_finds_what_torch_does_with_float32_as_it_was() -> None:
    before = tf32()
    with autocast(GPU, CONVOLUTIONS):
        assert tf32() == before
    assert before == (False, True), "the studio asks for no TF32"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_real_gpu_convolves_in_true_float32_when_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("STUDIO_PRECISION", "float32")
    draw = torch.Generator().manual_seed(0)
    pixels, weight = (torch.randn(8, 64, n, n, generator=draw).double() for n in (16, 3))
    exact = nn.functional.conv2d(pixels, weight)
    with autocast(GPU, CONVOLUTIONS):
        found = nn.functional.conv2d(pixels.float().cuda(), weight.float().cuda()).cpu().double()
    assert float((found - exact).abs().max() / exact.abs().max()) < 1e-5


@pytest.mark.parametrize("device", [CPU, GPU])
def test_float32_can_be_asked_for(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_PRECISION", "float32")
    assert precision.half_precision(device, TRANSFORMER) is None


def test_an_unknown_precision_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_PRECISION", "int4")
    with pytest.raises(ModelError, match="STUDIO_PRECISION is 'int4'"):
        autocast(CPU, TRANSFORMER)
