"""What oneDNN, torch's library on the CPU, does slowly in convolutions, done by its quick parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.nn.grad import conv2d_input, conv2d_weight

_QUICK_WIDTH = 3
"""oneDNN has a depthwise weight gradient for kernels up to this width, of any height. For wider
ones it takes the kernel of ordinary convolutions: with 672 channels of 12 x 12 pixels, 16 images
and 5 x 5 weights 25 to 30 ms instead of 2 for 5 x 3.
"""

Pair = tuple[int, int]


def depthwise(x: Tensor, weight: Tensor, bias: Tensor, *, stride: Pair, padding: Pair) -> Tensor:
    """A convolution of every channel by itself, whose backward pass is quick at any width.

    x: (B, C, H, W); weight: (C, 1, h, w); bias: (C,); zeros lie around.
    """
    if weight.shape[-1] <= _QUICK_WIDTH or not torch.is_grad_enabled():
        return conv2d(x, weight, bias, stride, padding, groups=len(weight))
    result: Tensor = _Depthwise.apply(x, weight, bias, stride, padding)
    return result


class _Depthwise(torch.autograd.Function):
    """The weight gradient is put together from strips of weights of the width that is quick."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: Pair, padding: Pair
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return conv2d(x, weight, bias, stride, padding, groups=len(weight))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, (above, beside), channels = ctx.stride, ctx.padding, len(weight)
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = conv2d_input(x.shape, weight, gradient, stride, ctx.padding, groups=channels)
        of_weight, last = torch.empty_like(weight), weight.shape[-1] - _QUICK_WIDTH
        reach = (gradient.shape[-1] - 1) * stride[1] + _QUICK_WIDTH
        for left in (*range(0, last, _QUICK_WIDTH), last):
            strip = of_weight[..., left : left + _QUICK_WIDTH]
            seen = _columns(x, left - beside, reach)
            strip.copy_(
                conv2d_weight(seen, strip.shape, gradient, stride, (above, 0), groups=channels)
            )
        return of_x, of_weight, gradient.sum((0, 2, 3)), None, None


def _columns(x: Tensor, first: int, count: int) -> Tensor:
    """So many columns from the first on, which may lie outside, where zeros are."""
    begin, end = max(0, first), min(x.shape[-1], first + count)
    return padded(x[..., begin:end], (begin - first, first + count - end, 0, 0))


def padded(x: Tensor, around: Sequence[int]) -> Tensor:
    """(B, C, H, W) with so many zeros on the left, on the right, above and below.

    torch's own fills all of the new tensor before it copies into it, and copies the gradient.
    """
    result: Tensor = _Padded.apply(x, around)
    return result


class _Padded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, around: Sequence[int]) -> Tensor:
        left, right, above, below = around
        batch, channels, height, width = x.shape
        ctx.inner = slice(above, above + height), slice(left, left + width)
        wider = torch.empty(
            (batch, channels, above + height + below, left + width + right),
            dtype=x.dtype,
            device=x.device,
            memory_format=torch.channels_last,
        )
        wider[:, :, :above] = 0
        wider[:, :, above + height :] = 0
        wider[:, :, :, :left] = 0
        wider[:, :, :, left + width :] = 0
        wider[:, :, ctx.inner[0], ctx.inner[1]] = x
        return wider

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[:, :, ctx.inner[0], ctx.inner[1]], None


class QuickReLU6(nn.ReLU6):
    """ReLU6 in place as torch's, which for its gradient copies what it is about to change.

    The result tells as well where the gradient passes. With the copies go a twelfth of the time of
    EfficientNet-Lite0, forward and backward, and much of the memory.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Between 0 and 6, in the same memory."""
        if not (self.inplace and torch.is_grad_enabled() and input.requires_grad):
            return super().forward(input)
        result: Tensor = _Clamped.apply(input)
        return result


class _Clamped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        x.clamp_(0, 6)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        passed: Tensor = torch.ops.aten.hardtanh_backward(gradient, x, 0, 6)
        return passed
