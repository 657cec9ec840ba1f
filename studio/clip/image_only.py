"""Models that see images and read no names: any of timm, such as a self-supervised one.

`timm:ARCHITECTURE=FILE.safetensors`, or `timm:ARCHITECTURE.TAG` of timm's own repositories on the
hub. They may have a say in first labels (`studio.coft.consensus`); a run's own model they cannot
be. They come as a `Backbone` whose text side is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from studio.clip.backbone import Backbone, load_backbone, quicken
from studio.clip.config import square_side
from studio.clip.device import device_name
from studio.clip.hub import Hub
from studio.clip.presets import IMAGE_ONLY
from studio.clip.weights import read_weights, weights_file
from studio.errors import ModelError
from studio.images.resize import Resize
from studio.progress import Begin, Stop

WEIGHTS = "model.safetensors"
"""Of timm's repositories."""


def load_any(name: str, *, begin: Begin | None = None, stop: Stop | None = None) -> Backbone:
    """A model by any form of its name, image-only ones included; errors of `load_backbone`."""
    if name.startswith(IMAGE_ONLY):
        return load_image_only(name, begin=begin, stop=stop)
    return load_backbone(name, begin=begin, stop=stop)


def load_image_only(
    name: str, *, device: str | None = None, begin: Begin | None = None, stop: Stop | None = None
) -> Backbone:
    """An image model of timm, without its classifier.

    Raises:
        ModelError: timm knows no such model, or the weights are missing, unsafe or of another one.
        Stopped: `stop` said so.
    """
    import timm
    from timm.data.config import resolve_model_data_config

    architecture, equals, file = name.removeprefix(IMAGE_ONLY).partition("=")
    known = architecture.partition(".")[0]
    if not timm.is_model(known):
        raise ModelError(f"timm has no model {architecture!r}; `timm.list_models()` names them.")
    where = torch.device(device_name(device))
    weights = weights_file(file) if equals else None
    trunk = _built(architecture)
    feed = resolve_model_data_config(trunk)
    image_size = square_side(list(feed["input_size"][1:]), name)
    if weights is None:
        weights = Hub(f"timm/{architecture}", begin=begin, stop=stop).get(WEIGHTS)
    _put(trunk, read_weights(weights), name=name)
    backbone = Backbone(
        name=name,
        model=_ImageSide(trunk).to(where).requires_grad_(False).eval(),
        tokenizer=_no_tokens,
        config={"embed_dim": _width(trunk, image_size), "timm_model_name": known},
        image_size=image_size,
        mean=_three(feed["mean"]),
        std=_three(feed["std"]),
        template="{}",
        center=True,
        device=where,
        resize=Resize("crop", str(feed["interpolation"])),
    )
    quicken(backbone.visual, backbone)
    return backbone


def reads_names(backbone: Backbone) -> bool:
    """Whether the model has a text side."""
    return not isinstance(backbone.model, _ImageSide)


def image_space(features: Tensor) -> Tensor:
    """(N, d) unit vectors of raw features, without what all images have in common."""
    return normalize(features - features.mean(0), dim=1)


def _built(architecture: str) -> Any:
    """The model with random weights; of a tag, if one is named, for each is fed in its own way."""
    import timm

    known, _, tag = architecture.partition(".")
    try:
        return timm.create_model(architecture, pretrained=False, num_classes=0)
    except Exception as error:  # whatever timm makes of it
        raise ModelError(
            f"timm knows no weights {tag!r} of {known}, or cannot build it here "
            f"({str(error)[:160]}); `timm.list_pretrained()` names what there is."
        ) from error


def _width(trunk: nn.Module, image_size: int) -> int:
    """How many numbers come out. timm's own `num_features` is another in some families."""
    with torch.inference_mode():
        return int(trunk.eval()(torch.zeros(1, 3, image_size, image_size)).shape[-1])


class _ImageSide(nn.Module):
    """In the place of an open_clip model."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual


def _put(trunk: Any, state: dict[str, Tensor], *, name: str) -> None:
    """Weights into a model without a classifier; that of the file is left out."""
    head = trunk.default_cfg.get("classifier") or ()
    heads = tuple(f"{own}." for own in ((head,) if isinstance(head, str) else head))
    kept = {key: value.float() for key, value in state.items() if not key.startswith(heads or "\0")}
    try:
        trunk.load_state_dict(kept, strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise ModelError(
            f"The weights of {name} do not fit the architecture: {first[:160]}"
        ) from error


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)


def _no_tokens(_: Sequence[str]) -> NoReturn:
    raise ModelError("This model sees images only; it reads no names.")
