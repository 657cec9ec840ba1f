"""The pre-trained CLIP model, loaded from wherever its name says (see `studio.clip.sources`).

Everything is an ordinary open_clip model. Weights are read from safetensors only: a pickle can run
code when it is opened.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from studio.clip.attention import straighten_attention
from studio.clip.config import checked_config, image_only, least_parameters
from studio.clip.device import device_name
from studio.clip.presets import is_embedded
from studio.clip.sources import EMBEDDED_FOLDER, find_source
from studio.clip.weights import put_weights, read_weights, weights_bytes
from studio.errors import ModelError
from studio.images.resize import CROP, Resize
from studio.progress import Begin, Stop

__all__ = [
    "EMBEDDED_FOLDER",
    "Backbone",
    "build_model",
    "build_visual",
    "is_transformer",
    "load_backbone",
]


@dataclass(frozen=True)
class Backbone:
    """A frozen CLIP model and what is needed to feed it.

    image_size in pixels; mean and std per RGB channel of [0, 1] images; template has one {} for the
    class name; center: subtract the image set's own mean feature (see `studio.clip.space`);
    config: open_clip's model_cfg, enough to build the architecture again; resize: how images were
    made square for its training.
    """

    name: str
    model: nn.Module
    tokenizer: Callable[[Sequence[str]], Tensor]
    config: dict[str, Any]
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    template: str
    center: bool
    device: torch.device
    resize: Resize = CROP

    @property
    def visual(self) -> nn.Module:
        """The image tower: normalised pixels (B, 3, S, S) to features (B, embed_dim)."""
        tower = self.model.visual
        assert isinstance(tower, nn.Module)
        return tower

    @property
    def embed_dim(self) -> int:
        """Length d of the joint features."""
        return int(self.config["embed_dim"])

    @property
    def logit_scale(self) -> float:
        """1 / tau: what cosines are multiplied by. It belongs to the model (CLIP: 100)."""
        scale = self.model.logit_scale
        assert isinstance(scale, Tensor)
        return float(scale.detach().exp())

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that features come from, weights, architecture and preprocessing: their key.

        Weights alone do not tell: twins with another activation have the same names and forms. The
        embedded model has no twin, and what is kept of it stays good.
        """
        feed = f"{self.image_size}{self.mean}{self.std}{self.resize}"
        config = _without_false(self.config)
        built = "" if is_embedded(self.name) else json.dumps(config, sort_keys=True)
        digest = hashlib.sha256(f"{feed}{built}".encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()[:16]

    @property
    def is_transformer(self) -> bool:
        """Whether the image tower is a vision transformer."""
        return is_transformer(self.visual)

    @cached_property
    def pixel_format(self) -> torch.memory_format:
        """How pixels lie in memory: channels last, with which the CPU is faster, where it can be.

        A convolution of 1 x 1 pixels with steps of 2 over the three colours, as FastViT's stem has
        (MobileCLIP), spoils the memory in its backward pass on channels last: torch 2.14 on the CPU
        crashes.
        """
        for module in getattr(self.model, "visual", self.model).modules():
            if (
                isinstance(module, nn.Conv2d)
                and module.in_channels == 3
                and module.kernel_size == (1, 1)
                and module.stride != (1, 1)
            ):
                return torch.contiguous_format
        return torch.channels_last

    @property
    def forward_batch(self) -> int:
        """Images that go through the image tower at a time.

        On the CPU 16 are as fast as 64, and a run takes less than half of the memory
        (docs/lab-notes.md).
        """
        return 16 if self.device.type == "cpu" else 64

    @property
    def takes_any_size(self) -> bool:
        """Whether nothing speaks against images of other sizes than the image tower's own.

        Transformers have a position embedding per patch, and so has the pooling of CLIP's ResNets.
        Of others `studio.clip.trial.takes_side` tells, which tries it.
        """
        return not self.is_transformer and not hasattr(self.visual, "attnpool")


def _without_false(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same configuration, whether or not it says what is off anyway."""
    return {
        key: _without_false(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if value is not False
    }


def is_transformer(visual: nn.Module) -> bool:
    """Whether an image tower is a vision transformer, open_clip's own or timm's."""
    trunk = getattr(visual, "trunk", None)
    return hasattr(visual, "transformer") or (
        hasattr(trunk, "patch_embed") and hasattr(trunk, "blocks")
    )


def load_backbone(
    name: str = "embedded",
    *,
    device: str | None = None,
    begin: Begin | None = None,
    stop: Stop | None = None,
) -> Backbone:
    """Load a model by any form of its name; what is not on this machine is fetched.

    Args:
        name: a preset of `presets()`; ARCHITECTURE:TAG of open_clip; hf-hub:OWNER/NAME; a folder
            with open_clip_config.json and safetensors; or ARCHITECTURE=FILE.safetensors, also with
            a tag, e.g. ViT-B-32:openai=/models/mine.safetensors.
        device: a torch device; None takes the GPU when there is one.
        begin: told when weights begin to be fetched, and how many MB of them are here.
        stop: asked while they are fetched; what has come is kept, and the next time goes on there.

    Raises:
        ModelError: unknown or ambiguous name, missing or unsafe file, weights that do not fit, a
            model that the studio cannot work with, or why it could not be fetched.
        Stopped: `stop` said so.
    """
    where = torch.device(device_name(device))
    source = find_source(name, begin=begin, stop=stop)
    tokenizer, weights = source.tokenizer(), source.weights()
    model = build_model(source.config, name=name, values=weights_bytes(weights))
    put_weights(model, read_weights(weights), source=name)
    feed = source.preprocess
    backbone = Backbone(
        name=name,
        model=model.to(where).requires_grad_(False).eval(),
        tokenizer=tokenizer,
        config=source.config,
        image_size=feed.size,
        mean=feed.mean,
        std=feed.std,
        template=source.template,
        center=source.center,
        device=where,
        resize=feed.resize,
    )
    if not 0 < backbone.logit_scale < math.inf:
        raise ModelError(
            f"The weights of {name} have no usable logit scale ({backbone.logit_scale}); they are "
            "damaged, or keep it in another form than its logarithm."
        )
    quicken(backbone.visual, backbone)
    return backbone


def quicken(visual: nn.Module, backbone: Backbone) -> None:
    """Make the convolutions of a model's image tower, or of a copy that was trained, fast on the
    CPU: the same features up to rounding.
    """
    if backbone.device.type != "cpu" or is_transformer(visual):
        return
    # Convolutions run about four times faster on the CPU with channels last.
    visual.to(memory_format=backbone.pixel_format)
    from studio.clip.folding import fold_norms  # timm takes seconds to import

    fold_norms(visual, size=backbone.image_size)


_HARMLESS = 50_000_000
"""Parameters that can be built whatever the weights hold: 200 MB."""


def count_values(state: Mapping[str, Tensor]) -> int:
    """How many numbers a state dict holds."""
    return sum(tensor.numel() for tensor in state.values())


def build_model(
    config: dict[str, Any], *, name: str = "The model", values: int | None = None
) -> nn.Module:
    """An open_clip model with random weights from its model_cfg; nothing is fetched for it.

    values: how many numbers the weights hold that it is built for, at most: a model that is far
    larger is not built, for it might take all memory.

    Raises:
        ModelError: the studio, or the installed open_clip, cannot work with such a model.
    """
    import open_clip

    config = checked_config(config, name=name)
    if values is not None and least_parameters(config) > values + _HARMLESS:
        raise ModelError(
            f"{name} describes a model of at least {least_parameters(config):,} parameters, and "
            f"its weights hold at most {values:,}: they are not of this architecture, or damaged."
        )
    config.pop("hf_hub_id", None)
    custom_text = config.pop("custom_text", False)
    kind = open_clip.CustomTextCLIP if custom_text else open_clip.CLIP
    try:
        model: nn.Module = kind(**config)
    except Exception as error:  # whatever open_clip and timm make of a configuration
        raise ModelError(
            f"{name} cannot be built by the installed open_clip ({str(error)[:160]}); update "
            "it, or choose another model."
        ) from error
    straighten_attention(model)
    return model


def build_visual(config: dict[str, Any], *, values: int | None = None) -> nn.Module:
    """The image tower alone, with random weights. Arguments and errors as of `build_model`."""
    visual = build_model(image_only(config), values=values).visual
    assert isinstance(visual, nn.Module)
    return visual
