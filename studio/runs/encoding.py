"""A model looks at the images of a folder; what it saw before comes from the cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from studio.images.folder import Folder
from studio.imports import import_torch
from studio.progress import Begin, Stop, never

if TYPE_CHECKING:
    from torch import Tensor

    from studio.clip.backbone import Backbone
    from studio.images.canvases import Canvases

LOADING, ENCODING = "Loading the model", "Looking at the images"
"""Steps, as they are told."""


def encode(
    *,
    folder: Folder,
    canvases: Canvases,
    model: str,
    cache_dir: Path,
    begin: Begin,
    stop: Stop = never,
) -> tuple[Backbone, Folder, Tensor]:
    """The model, the folder as it was read for it, and raw features (N, d) of its images.

    Args:
        folder: the folder.
        canvases: its images.
        model: a preset or a local checkpoint.
        cache_dir: where features are kept.
        begin: told of each step.
        stop: asked now and then.

    Raises:
        StudioError: the model cannot be loaded.
        Stopped: `stop` said so.
    """
    backbone, folder, canvases = model_for(
        folder=folder, canvases=canvases, model=model, cache_dir=cache_dir, begin=begin, stop=stop
    )
    from studio.runs import inputs

    features = inputs.encode(
        backbone, folder, canvases, cache_dir, progress=begin(ENCODING), stop=stop
    )
    return backbone, folder, features


def model_for(
    *,
    folder: Folder,
    canvases: Canvases,
    model: str,
    cache_dir: Path,
    begin: Begin,
    stop: Stop = never,
) -> tuple[Backbone, Folder, Canvases]:
    """The model, and the folder and its images as they are read for it.

    Args and errors as in `encode`.
    """
    begin(LOADING)
    import_torch()
    from studio.clip.backbone import load_backbone
    from studio.images.preparing import prepare

    backbone = load_backbone(model, begin=begin, stop=stop)
    if backbone.image_size > canvases.size or backbone.resize != canvases.resize:
        folder, canvases = prepare(
            folder.root,
            cache_dir=cache_dir,
            size=max(backbone.image_size, canvases.size),
            resize=backbone.resize,
            stop=stop,
            progress=begin("Reading the images for this model"),
            follow_links=folder.follows_links,
        )
    return backbone, folder, canvases
