"""What a run ships: image towers with a linear or cosine head, and labelling with them."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from studio.clip.backbone import Backbone, build_visual, count_values, quicken
from studio.clip.device import device_name
from studio.clip.encode import preprocess
from studio.clip.precision import autocast
from studio.clip.space import Space
from studio.coft.adapters import PromptTokens, VisualAdapter
from studio.errors import ModelError
from studio.images.resize import Resize


class Tower(nn.Module):
    """An image tower with a head: pixels (B, 3, S, S) to logits (B, C).

    A linear head is W f + b. A cosine head (nothing was fine-tuned) is W (f - mean) / |f - mean|,
    the rows of W being class vectors times 1 / tau.
    """

    mean: Tensor | None

    def __init__(
        self,
        visual: nn.Module,
        head: nn.Linear,
        *,
        mean: Tensor | None = None,
        tokens: PromptTokens | None = None,
    ) -> None:
        super().__init__()
        self.visual, self.head, self.tokens = visual, head, tokens
        self.register_buffer("mean", mean)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, C) of normalised pixels (B, 3, S, S)."""
        features = self.tokens.tail(self.visual, pixels) if self.tokens else self.visual(pixels)
        return self.logits(features)

    def logits(self, features: Tensor) -> Tensor:
        """Logits (B, C) of the tower's features, always in float32.

        In half precision cosines times 100 lie up to .25 apart: classes would tie.
        """
        if torch.is_autocast_enabled(features.device.type):
            with torch.autocast(features.device.type, enabled=False):
                return self.logits(features.float())
        if self.mean is not None:
            features = normalize(features - self.mean, dim=-1)
        logits: Tensor = self.head(features)
        return logits


class Classifier:
    """One or two towers; the probabilities are the mean of their softmax outputs."""

    def __init__(self, towers: Sequence[Tower], backbone: Backbone) -> None:
        self.towers, self.backbone = [tower.eval() for tower in towers], backbone

    def each(self, canvases: Tensor) -> Tensor:
        """(models, B, C) class probabilities of uint8 canvases (B, 3, S, S), on the device."""
        with torch.inference_mode(), autocast(self.backbone.device, self.towers[0].visual):
            pixels = preprocess(canvases, self.backbone)
            return torch.stack([tower(pixels).float().softmax(-1) for tower in self.towers])

    def quicken(self) -> None:
        """Make convolutions fast on the CPU; worth its two passes where more than a few images are
        labelled. What a tower holds and gives stays the same, up to rounding.
        """
        for tower in self.towers:
            quicken(tower.visual, self.backbone)

    def probabilities(self, canvases: Tensor) -> Tensor:
        """(B, C) class probabilities of uint8 canvases (B, 3, S, S)."""
        return self.each(canvases).mean(0).cpu()

    def state(self) -> dict[str, Tensor]:
        """All tensors by name, `models.<i>.visual.*`, `models.<i>.head.*`, on the CPU."""
        return {
            f"models.{i}.{name}": tensor.detach().cpu()
            for i, tower in enumerate(self.towers)
            for name, tensor in tower.state_dict().items()
        }

    def meta(self, *, kind: str, head_input: str, class_names: Sequence[str]) -> dict[str, Any]:
        """Plain facts that, with `state`, are enough to build the classifier again."""
        tokens = self.towers[0].tokens
        return {
            "kind": kind,
            "class_names": list(class_names),
            "backbone": self.backbone.name,
            "open_clip": json.loads(json.dumps(self.backbone.config)),
            "image_size": self.backbone.image_size,
            "mean": list(self.backbone.mean),
            "std": list(self.backbone.std),
            "resize": self.backbone.resize.mode,
            "interpolation": self.backbone.resize.interpolation,
            "head_input": head_input,
            "head": "cosine" if self.towers[0].mean is not None else "linear",
            "visual_tokens": list(tokens.tokens.shape) if tokens else None,
            "models": len(self.towers),
        }

    @classmethod
    def load(
        cls, tensors: dict[str, Tensor], meta: dict[str, Any], *, device: str | None = None
    ) -> Classifier:
        """Build from `state` and `meta`.

        Raises:
            ModelError: the tensors do not fit the description.
        """
        where = torch.device(device_name(device))
        towers = []
        for i in range(meta["models"]):
            prefix = f"models.{i}."
            own = {
                k.removeprefix(prefix): v.float()
                for k, v in tensors.items()
                if k.startswith(prefix)
            }
            values = count_values(own)
            visual = build_visual(meta["open_clip"], values=values)
            if meta["head_input"] == "pre_proj":
                visual, _ = without_projection(visual)
            classes, width = own["head.weight"].shape
            tokens = None
            if meta["visual_tokens"]:
                depth, count, _ = meta["visual_tokens"]
                if not 0 < depth * count <= values:
                    raise ModelError("The classifier's weights do not fit its description.")
                tokens = PromptTokens(
                    visual,
                    kind="deep" if depth > 1 else "shallow",
                    tokens=count,
                    generator=torch.Generator(),
                )
            tower = Tower(visual, nn.Linear(width, classes), mean=own.get("mean"), tokens=tokens)
            try:
                tower.load_state_dict(own)
            except RuntimeError as error:
                raise ModelError(
                    f"The classifier's weights do not fit its description: {error}"
                ) from error
            if where.type == "cpu":
                tower.to(memory_format=torch.channels_last)
            towers.append(tower.to(where))
        backbone = Backbone(
            name=meta["backbone"],
            model=nn.Module(),
            tokenizer=lambda _: torch.empty(0),
            config=meta["open_clip"],
            image_size=meta["image_size"],
            mean=tuple(meta["mean"]),
            std=tuple(meta["std"]),
            template="{}",
            center=False,
            device=where,
            resize=Resize(meta.get("resize", "crop"), meta.get("interpolation", "bicubic")),
        )
        return cls(towers, backbone)


def cosine_tower(
    backbone: Backbone, space: Space, texts: Tensor, *, adapter: VisualAdapter | None = None
) -> Tower:
    """The backbone's image tower, with an adapter worked in, under unit class vectors (C, d).

    It compares images with texts: what is shipped when nothing was fine-tuned.
    """
    return unit_tower(backbone, space, space.scale * texts, adapter=adapter)


def unit_tower(
    backbone: Backbone,
    space: Space,
    weight: Tensor,
    *,
    bias: Tensor | None = None,
    adapter: VisualAdapter | None = None,
) -> Tower:
    """The same tower under any linear head on the space's unit vectors: (C, d) and (C,) or None."""
    visual = copy.deepcopy(backbone.visual)
    if adapter is not None:
        visual.load_state_dict(adapter.merged_state(backbone.visual))
    head = nn.Linear(weight.shape[1], len(weight))
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(torch.zeros(len(weight)) if bias is None else bias)
    tokens = copy.deepcopy(adapter) if isinstance(adapter, PromptTokens) else None
    return Tower(visual, head, mean=space.image_mean, tokens=tokens).to(backbone.device)


def without_projection(visual: nn.Module) -> tuple[nn.Module, tuple[Tensor, Tensor] | None]:
    """A copy of the tower that ends before CLIP's projection, and the projection as (P, b).

    features = P pre + b with P (d, d_pre). None where the tower does not end in a linear one;
    the copy is then the whole tower.
    """
    copied: Any = copy.deepcopy(visual)
    projection = getattr(copied, "proj", None)
    if isinstance(projection, nn.Parameter):
        weight = projection.detach().T.clone()
        copied.proj = None
        return copied, (weight, torch.zeros(len(weight), device=weight.device))
    head = getattr(copied, "head", None)
    linear = getattr(head, "proj", None)
    if isinstance(head, nn.Sequential) and isinstance(linear, nn.Linear):
        weight = linear.weight.detach().clone()
        bias = (
            torch.zeros(len(weight), device=weight.device)
            if linear.bias is None
            else linear.bias.detach().clone()
        )
        copied.head = nn.Sequential(*(m for m in head.children() if m is not linear))
        return copied, (weight, bias)
    return copied, None
