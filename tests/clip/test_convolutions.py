"""Quick parts of convolutions: in double precision the same as torch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from studio.clip import convolutions
from studio.clip.convolutions import QuickReLU6, depthwise, padded


def numbers(*shape: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=draw, dtype=torch.float64).requires_grad_(True)


def with_gradients(work: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    """What it gives, and the gradients of its inputs for a loss without symmetry."""
    result = work(*inputs)
    weights = torch.arange(result.numel(), dtype=result.dtype).view(result.shape).sin()
    return [result.detach(), *torch.autograd.grad((result * weights).sum(), inputs)]


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (3, 4), (5, 7), (7, 9)])
@pytest.mark.parametrize(
    ("stride", "padding"), [((1, 1), (2, 2)), ((2, 2), (0, 1)), ((1, 2), (1, 0))]
)
def test_depthwise_is_a_convolution_of_each_channel(
    kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> None:
    x, weight, bias = numbers(2, 6, 12, 14), numbers(6, 1, *kernel, seed=1), numbers(6, seed=2)
    mine = with_gradients(
        lambda *of: depthwise(*of, stride=stride, padding=padding), x, weight, bias
    )
    theirs = with_gradients(lambda *of: conv2d(*of, stride, padding, groups=6), x, weight, bias)
    for own, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(own, other)


def test_the_weight_gradient_is_made_of_strips_that_are_quick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    own = convolutions.conv2d_weight

    def watched(x: Tensor, shape: Any, *rest: Any, **more: Any) -> Tensor:
        seen.append(shape[-1])
        return own(x, shape, *rest, **more)

    monkeypatch.setattr(convolutions, "conv2d_weight", watched)
    for width in (3, 5, 7):
        weight = numbers(6, 1, 5, width)
        depthwise(
            numbers(2, 6, 9, 9), weight, numbers(6), stride=(1, 1), padding=(2, 2)
        ).sum().backward()
    assert seen == [3, 3, 3, 3, 3]


def test_frozen_inputs_get_no_gradient() -> None:
    x, weight, bias = numbers(2, 6, 9, 9).detach(), numbers(6, 1, 5, 5), numbers(6)
    depthwise(x, weight, bias, stride=(1, 1), padding=(2, 2)).sum().backward()
    assert x.grad is None
    assert weight.grad is not None


def test_padded_is_pad() -> None:
    for around in ((0, 1, 0, 1), (2, 1, 3, 0)):
        mine = with_gradients(lambda x, of=around: padded(x, of), numbers(2, 3, 5, 4))
        theirs = with_gradients(lambda x, of=around: pad(x, of), numbers(2, 3, 5, 4))
        for own, other in zip(mine, theirs, strict=True):
            assert torch.equal(own, other)


@pytest.mark.parametrize("inplace", [True, False])
def test_relu6_is_torchs_at_its_edges_too(inplace: bool) -> None:
    values = torch.tensor([-1.0, 0.0, 3.0, 6.0, 7.0], dtype=torch.float64).requires_grad_(True)
    for quick in (True, False):
        module = nn.ReLU6(inplace=inplace)
        if quick:
            module.__class__ = QuickReLU6
        result = module(values * 1)
        (gradient,) = torch.autograd.grad(result.sum() * 2, values)
        assert result.tolist() == [0, 0, 3, 6, 6]
        assert gradient.tolist() == [0, 0, 2, 0, 0]


def test_relu6_keeps_its_result_alone() -> None:
    """The memory of what it changed is not held a second time for the backward pass."""
    module = QuickReLU6(inplace=True)
    before = numbers(4) * 1
    after = module(before)
    assert after.data_ptr() == before.data_ptr()
    with torch.no_grad():
        assert module(torch.full((2,), 9.0)).tolist() == [6, 6]
