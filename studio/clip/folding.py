"""Batch norms worked into the convolutions before them, wherever their statistics stand still.

Everywhere in the studio batch norms use the statistics of pre-training, so that a norm behind a
convolution is one more multiplication of its weights. Done at each call, on the weights as they are
then, it gives the same features and the same gradients of weights and norms, and saves the passes
over the images' activations: on one CPU core EfficientNet-Lite0 takes about 0.75 of the time
forward and 0.85 forward and backward.

The modules stay where they are, with their names and parameters: only their classes change, to
subclasses. State dicts, copies and parameters swapped in from outside are as before.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from timm.layers.padding import pad_same_arg
from torch import Tensor, nn
from torch.nn.functional import conv2d

from studio.clip.convolutions import QuickReLU6, depthwise, padded


def fold_norms(visual: nn.Module, *, size: int) -> int:
    """Make an image tower's convolutions do the work of the batch norms that follow them.

    Which norm follows which convolution is seen by watching an image go through, not read from
    names; where a convolution's output serves anything else too, all stays as it is.

    Args:
        visual: on the CPU, in evaluation mode; changed in place.
        size: side of an image that it takes, in pixels.

    Returns:
        How many norms are folded.
    """
    for module in visual.modules():
        if type(module) is nn.ReLU6:
            module.__class__ = QuickReLU6
    pixels = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    pairs, features = _pairs(visual, pixels)
    if not pairs or not _serve_nothing_else(visual, pairs, pixels, features):
        return 0
    for convolution, norm in pairs:
        pair: Any = convolution, norm
        for module in pair:
            module.__class__ = _FOLDED[type(module)]
            # In a tuple, so that neither is a submodule of the other; a copy gets its own pair.
            module.pair = pair
    return len(pairs)


def _folds(pair: tuple[Any, Any]) -> bool:
    """Whether the convolution does its norm's work now: asked by both, with the same answer.

    A convolution that stays as it is beside a norm that learns, as in Phase I, is cheaper alone:
    folded, it would need the gradient of all its weights to tell that of the norm.
    """
    convolution, norm = pair
    learns = torch.is_grad_enabled() and not convolution.weight.requires_grad
    return not norm.training and not learns


def _depthwise(convolution: nn.Conv2d) -> bool:
    """Whether it takes every channel by itself, and neighbouring pixels."""
    channels = convolution.groups == convolution.in_channels == convolution.out_channels
    return channels and all(step == 1 for step in convolution.dilation)


def _folded(pair: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
    """Weights and bias of the one convolution that does the work of both."""
    convolution, norm = pair
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    middle = norm.running_mean
    if convolution.bias is not None:
        middle = middle - convolution.bias
    return convolution.weight * scale[:, None, None, None], norm.bias - middle * scale


class FoldedConv2d(nn.Conv2d):
    """A convolution that does its norm's work."""

    pair: tuple[Any, Any]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), normalised already where it can be."""
        if not _folds(self.pair):
            return super().forward(x)
        weight, bias = _folded(self.pair)
        if _depthwise(self) and self.padding_mode == "zeros" and isinstance(self.padding[0], int):
            shape: Any = {"stride": self.stride, "padding": self.padding}
            return depthwise(x, weight, bias, **shape)
        return self._conv_forward(x, weight, bias)


class FoldedConv2dSame(Conv2dSame):
    """The same with TensorFlow's padding."""

    pair: tuple[Any, Any]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), normalised already where it can be."""
        if not _folds(self.pair):
            plain: Tensor = super().forward(x)
            return plain
        weight, bias = _folded(self.pair)
        step: Any = self.stride
        shape: Any = self.kernel_size, step, self.dilation
        around = pad_same_arg(list(x.shape[-2:]), *shape)
        x = padded(x, around) if any(around) else x
        if _depthwise(self):
            return depthwise(x, weight, bias, stride=step, padding=(0, 0))
        return conv2d(x, weight, bias, step, 0, self.dilation, self.groups)


class FoldedBatchNorm2d(nn.BatchNorm2d):
    """A batch norm whose work is done when its input comes."""

    pair: tuple[Any, Any]

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W)."""
        return input if _folds(self.pair) else super().forward(input)


class FoldedBatchNormAct2d(BatchNormAct2d):
    """The same of timm, with an activation behind it."""

    pair: tuple[Any, Any]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W)."""
        done: Tensor = self.act(self.drop(x)) if _folds(self.pair) else super().forward(x)
        return done


_FOLDED: dict[type, type] = {
    nn.Conv2d: FoldedConv2d,
    Conv2dSame: FoldedConv2dSame,
    nn.BatchNorm2d: FoldedBatchNorm2d,
    BatchNormAct2d: FoldedBatchNormAct2d,
}

Pairs = list[tuple[nn.Conv2d, nn.BatchNorm2d]]


def _pairs(visual: nn.Module, pixels: Tensor) -> tuple[Pairs, Tensor]:
    """Convolutions and the norms that take their outputs, each called once for an image; and the
    image's features.
    """
    made: dict[int, tuple[nn.Conv2d, Tensor]] = {}
    takes: dict[nn.BatchNorm2d, nn.Conv2d] = {}
    calls: dict[nn.Module, int] = {}

    def after(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls[module] = calls.get(module, 0) + 1
        if isinstance(module, nn.Conv2d):
            made[id(output)] = module, output  # held, so that no other tensor gets its number
        elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in made:
            takes[module] = made[id(inputs[0])][0]

    watched = [module for module in visual.modules() if type(module) in _FOLDED]
    handles = [module.register_forward_hook(after) for module in watched]
    try:
        with torch.inference_mode():
            features = visual(pixels)
    finally:
        for handle in handles:
            handle.remove()
    pairs = [
        (convolution, norm)
        for norm, convolution in takes.items()
        if norm.affine and norm.track_running_stats and calls[norm] == calls[convolution] == 1
    ]
    return pairs, features


def _serve_nothing_else(visual: nn.Module, pairs: Pairs, pixels: Tensor, features: Tensor) -> bool:
    """Whether nothing but its norm takes a convolution's output, and just as it is.

    Everybody is given NaN in its place, and the norm alone the output itself. The features must be
    the same then: not NaN, and not others because something was done to the output in its place.
    """
    outputs: dict[nn.Module, Tensor] = {}

    def spoil(module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        outputs[module] = output
        return torch.full_like(output, float("nan"))

    def heal(convolution: nn.Module) -> Any:
        return lambda _module, _inputs: (outputs.pop(convolution),)

    handles = [convolution.register_forward_hook(spoil) for convolution, _ in pairs]
    handles += [norm.register_forward_pre_hook(heal(convolution)) for convolution, norm in pairs]
    try:
        with torch.inference_mode():
            return torch.allclose(visual(pixels), features, rtol=1e-3, atol=0)
    finally:
        for handle in handles:
            handle.remove()
