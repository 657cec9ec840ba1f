"""What a fit is given, made from a folder and a model; the page's preview makes it the same way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from studio.clip.backbone import Backbone
from studio.clip.space import Space
from studio.clip.store import image_features
from studio.folder import Folder
from studio.pixels import Canvases
from studio.settings import Settings


def templates_of(settings: Settings, backbone: Backbone) -> Sequence[str]:
    """The prompt templates of the zero-shot labels, each with one {} for the class name."""
    from studio.prompts.templates import TEMPLATES

    return (backbone.template,) if settings.templates == "model" else TEMPLATES[settings.templates]


def encode(
    backbone: Backbone,
    folder: Folder,
    canvases: Canvases,
    cache_dir: Path,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Tensor:
    """(N, d) raw features of the folder's images, computed once per image and model.

    Raises:
        Stopped: `stop` said so.
    """
    keys = [
        f"{folder.root}/{image.path}|{image.bytes}|{image.mtime_ns}|{canvases.size}"
        for image in folder.images
    ]
    return image_features(
        backbone, canvases, keys=keys, cache_dir=cache_dir, progress=progress, stop=stop
    )


def zero_shot_probabilities(
    backbone: Backbone, *, features: Tensor, class_vectors: Tensor, of: Tensor
) -> Tensor:
    """(n, C) probabilities of the images `of` (n, d) in the space of the set `features` (N, d)."""
    space = Space.of(
        image_features=features,
        class_vectors=class_vectors,
        scale=backbone.logit_scale,
        center=backbone.center,
    )
    return space.probabilities(of, class_vectors)


def knowledge(backbone: Backbone, features: Tensor, class_vectors: Tensor) -> dict[str, Any]:
    """What the model seems to know about these images, told without any label."""
    return {}
