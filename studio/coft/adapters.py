"""The visual side of Phase I: a few trainable parameters beside a frozen image tower.

Transformers get visual prompt tokens (VPT, [paper]); convolutional towers, which have no tokens,
get a scale and a shift on their normalisation layers (SSF, an adapter that DeFT offers too). The
frozen weights are never written to: tokens come in through hooks, scales through functional calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.functional import pad, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from studio.clip.backbone import Backbone
from studio.errors import ModelError
from studio.settings import Settings

NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)


class VisualAdapter(nn.Module):
    """Added parameters of an image tower. `tail(prefix(pixels))` is the adapted tower.

    `prefix` has no trainable part, so its outcome can be kept and shared by both models.
    """

    has_frozen_prefix = False

    def prefix(self, visual: nn.Module, pixels: Tensor) -> Tensor:  # noqa: ARG002 (others need it)
        """(B, 3, S, S) normalised pixels to what `tail` takes."""
        return pixels

    def tail(self, visual: nn.Module, hidden: Tensor) -> Tensor:
        """What `prefix` gave to raw features (B, d)."""
        raise NotImplementedError

    def merged_state(self, visual: nn.Module) -> dict[str, Tensor]:
        """The tower's state dict with the adapter worked in, as far as that is possible."""
        return dict(visual.state_dict())


def build_adapter(backbone: Backbone, settings: Settings, generator: Generator) -> VisualAdapter:
    """VPT for a vision transformer, scale-and-shift for a convolutional tower.

    Raises:
        ModelError: the tower is neither.
    """
    if backbone.is_transformer:
        return PromptTokens(
            backbone.visual, kind=settings.vpt, tokens=settings.n_visual_tokens, generator=generator
        )
    return ScaleShift(backbone.visual, stages=settings.adapted_stages, generator=generator)


class PromptTokens(VisualAdapter):
    """Visual prompt tokens, deep (fresh ones before every block) or shallow (before the first).

    Init uniform within sqrt(6 / (3 P^2 + d)) for patch size P and width d [VPT, DeFT]. The tokens
    stand behind the image's own and leave behind the last block, so pooling never sees them.
    """

    def __init__(self, visual: nn.Module, *, kind: str, tokens: int, generator: Generator) -> None:
        super().__init__()
        blocks, _, batch_first = transformer_of(visual)
        width, patch = _width_and_patch(visual)
        depth = len(blocks) if kind == "deep" else 1
        bound = math.sqrt(6 / (3 * patch * patch + width))
        start = torch.rand(depth, tokens, width, generator=generator) * 2 * bound - bound
        self.tokens = nn.Parameter(start)
        self._batch_first = batch_first

    def tail(self, visual: nn.Module, hidden: Tensor) -> Tensor:
        """Normalised pixels (B, 3, S, S) to raw features (B, d), with the tokens in."""
        blocks, *_ = transformer_of(visual)
        axis = 1 if self._batch_first else 0
        count = self.tokens.shape[1]

        def put_in(layer: int) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
            def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
                x = inputs[0]
                if layer > 0:  # drop the previous block's tokens [DeFT]
                    x = x.narrow(axis, 0, x.shape[axis] - count)
                own = self.tokens[layer].to(x.dtype)
                images = x.shape[1 - axis]
                shape = (images, -1, -1) if self._batch_first else (-1, images, -1)
                own = own[None].expand(shape) if self._batch_first else own[:, None].expand(shape)
                return (torch.cat([x, own], dim=axis), *inputs[1:])

            return hook

        def take_out(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            return output.narrow(axis, 0, output.shape[axis] - count)

        def turn_not(
            _module: nn.Module, inputs: tuple[Any, ...], more: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return inputs, {**more, "rope": with_unturned(more["rope"], count)}

        handles = [blocks[i].register_forward_pre_hook(put_in(i)) for i in range(len(self.tokens))]
        if getattr(getattr(visual, "trunk", None), "rope", None) is not None:
            handles += [
                block.register_forward_pre_hook(turn_not, with_kwargs=True) for block in blocks
            ]
        handles.append(blocks[-1].register_forward_hook(take_out))
        try:
            with _Unbiased(count) if has_relative_places(visual) else nullcontext():
                features: Tensor = visual(hidden)
        finally:
            for handle in handles:
                handle.remove()
        return features


class _Unbiased(TorchFunctionMode):
    """Attention to and from tokens without a place gets no bias for how far apart places are.

    Towers with relative positions (BEiT, timm's vit_relpos and vit_srelpos) add a bias of
    (1, heads, N, N) for the N tokens that they know; `count` more stand behind these.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        more = kwargs or {}
        bias = more.get("attn_mask") if func is scaled_dot_product_attention else None
        if bias is not None and bias.shape[-1] == args[1].shape[-2] - self._count:
            more = {**more, "attn_mask": pad(bias, (0, self._count, 0, self._count))}
        return func(*args, **more)


def has_relative_places(visual: nn.Module) -> bool:
    """Whether attention in a tower has a bias for how far apart two tokens are."""
    return any(hasattr(module, "relative_position_index") for module in visual.modules())


def with_unturned(rope: Tensor, count: int) -> Tensor:
    """Rotary embeddings (..., N, 2w) of N patches, sines then cosines, and of `count` tokens more.

    The tokens have no place in the image, so they are not turned: sine 0, cosine 1.
    """
    half = rope.shape[-1] // 2
    tokens = rope.new_zeros(*rope.shape[:-2], count, rope.shape[-1])
    tokens[..., half:] = 1
    return torch.cat([rope, tokens], dim=-2)


def transformer_of(visual: Any) -> tuple[list[nn.Module], nn.Module, bool]:
    """Blocks, patch embedding and batch-first layout of open_clip's and timm's transformers.

    The embedding is a convolution in open_clip's; in timm's whatever makes tokens of an image, some
    stages of convolutions among them (ViTamin, MobileCLIP-B).
    """
    if hasattr(visual, "transformer") and hasattr(visual.transformer, "resblocks"):
        batch_first = bool(getattr(visual.transformer, "batch_first", False))
        return list(visual.transformer.resblocks), visual.conv1, batch_first
    trunk: Any = getattr(visual, "trunk", None)
    if hasattr(trunk, "patch_embed") and hasattr(trunk, "blocks"):
        return list(trunk.blocks), trunk.patch_embed, True
    raise ModelError(
        "This model's image tower takes no visual prompt tokens; choose another model."
    )


def _width_and_patch(visual: Any) -> tuple[int, int]:
    """Length of a token, and the side in pixels of the patch that it stands for."""
    trunk = getattr(visual, "trunk", None)
    if trunk is None:
        return visual.conv1.out_channels, visual.conv1.kernel_size[0]
    embedding = trunk.patch_embed
    return trunk.embed_dim, embedding.img_size[0] // embedding.grid_size[0]


class ScaleShift(VisualAdapter):
    """x -> (1 + scale) * norm(x) + shift on the normalisation layers of the last stages.

    Init Gaussian of standard deviation 0.02 [SSF]. Folded into the layer's own affine weights, so
    the adapted tower costs nothing extra and can be exported as an ordinary one.
    """

    def __init__(self, visual: nn.Module, *, stages: int, generator: Generator) -> None:
        super().__init__()
        self._stages = stages if 0 < stages < _depth(visual) else 0
        self.has_frozen_prefix = self._stages > 0
        tail = _Tail(visual, self._stages)
        names = [
            name
            for name, module in tail.named_modules()
            if isinstance(module, NORMS)
            and getattr(module, "weight", None) is not None
            and _in_tail(name, visual, self._stages)
        ]
        if not names:
            raise ModelError(
                "This model's image tower has no normalisation layer to adapt; choose another."
            )
        self._names = names
        self.scale = nn.ParameterList()
        self.shift = nn.ParameterList()
        for name in names:
            norm: Any = tail.get_submodule(name)
            channels = len(norm.weight)
            self.scale.append(nn.Parameter(0.02 * torch.randn(channels, generator=generator)))
            self.shift.append(nn.Parameter(0.02 * torch.randn(channels, generator=generator)))

    def prefix(self, visual: nn.Module, pixels: Tensor) -> Tensor:
        """The frozen stages: what every image goes through only once."""
        if not self.has_frozen_prefix:
            return pixels
        trunk: Any = visual.trunk
        x: Tensor = trunk.bn1(trunk.conv_stem(pixels))
        for stage in list(trunk.blocks)[: -self._stages]:
            x = stage(x)
        return x

    def tail(self, visual: nn.Module, hidden: Tensor) -> Tensor:
        """The adapted stages, pooling and projection: raw features (B, d)."""
        tail = _Tail(visual, self._stages)
        # No two norms share their weights; to look for those that do takes longer than the norms.
        features: Tensor = functional_call(tail, self._affine(tail), (hidden,), tie_weights=False)
        return features

    def merged_state(self, visual: nn.Module) -> dict[str, Tensor]:
        """The state of an ordinary tower that does the same."""
        state = dict(visual.state_dict())
        with torch.no_grad():
            for name, tensor in self._affine(_Tail(visual, self._stages)).items():
                state[name.removeprefix("visual.")] = tensor.detach().clone()
        return state

    def _affine(self, tail: nn.Module) -> dict[str, Tensor]:
        """(1 + s) * (w n + b) + t written as the layer's own weight and bias."""
        changed: dict[str, Tensor] = {}
        for name, scale, shift in zip(self._names, self.scale, self.shift, strict=True):
            norm: Any = tail.get_submodule(name)
            changed[f"{name}.weight"] = norm.weight * (1 + scale)
            changed[f"{name}.bias"] = norm.bias * (1 + scale) + shift
        return changed


class _Tail(nn.Module):
    """The last stages of a tower as a module of its own (0 stages: the whole tower)."""

    def __init__(self, visual: nn.Module, stages: int) -> None:
        super().__init__()
        self.visual: Any = visual
        self._stages = stages

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor
        if not self._stages:
            features = self.visual(x)
            return features
        trunk: Any = self.visual.trunk
        for stage in list(trunk.blocks)[-self._stages :]:
            x = stage(x)
        x = trunk.forward_head(trunk.bn2(trunk.conv_head(x)))
        features = self.visual.head(x)
        return features


def _staged(visual: nn.Module) -> bool:
    """Whether this is a timm EfficientNet-like trunk whose stages can be run apart."""
    trunk = getattr(visual, "trunk", None)
    return all(hasattr(trunk, part) for part in ("conv_stem", "bn1", "blocks", "conv_head", "bn2"))


def _depth(visual: Any) -> int:
    return len(visual.trunk.blocks) if _staged(visual) else 0


def _in_tail(name: str, visual: nn.Module, stages: int) -> bool:
    if not stages:
        return True
    parts = name.split(".")  # visual.trunk.blocks.<stage>...., visual.trunk.bn2
    if parts[2:3] == ["blocks"]:
        return int(parts[3]) >= _depth(visual) - stages
    return parts[2:3] == ["bn2"] or parts[1] == "head"
