"""Images and class names to features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torchvision.transforms.v2 import functional as transforms

from studio.clip.backbone import Backbone
from studio.clip.precision import autocast
from studio.errors import ModelError, Stopped
from studio.progress import Progress, Stop
from studio.ranks import ALONE, Ranks


class Images(Protocol):
    """A set of images as square uint8 canvases, decoded once (see `studio.images.canvases`)."""

    def __len__(self) -> int:
        """Number of images N."""
        ...

    def batch(self, indices: Sequence[int]) -> Tensor:
        """(B, 3, S, S) uint8 canvases of the images with these indices."""
        ...


def pinned(images: Tensor, device: torch.device) -> Tensor:
    """The same on the CPU, where a GPU takes it from without keeping anybody waiting.

    As it is where the system lets no more memory be pinned, as in small containers.
    """
    if device.type != "cuda":
        return images
    try:
        return images.pin_memory()
    except RuntimeError:
        return images


def moved(images: Tensor, device: torch.device) -> Tensor:
    """The same on the device. A GPU may still be at work on what came before: nobody waits for it,
    as they would if a tensor were sent from ordinary memory or made there.
    """
    return pinned(images, device).to(device, non_blocking=device.type == "cuda")


def preprocess(canvases: Tensor, backbone: Backbone, *, size: int | None = None) -> Tensor:
    """Canvases (B, 3, S, S) uint8 to normalised pixels (B, 3, size, size) on the model's device."""
    side = size or backbone.image_size
    canvases = moved(canvases, backbone.device)
    if canvases.shape[-1] != side:
        canvases = transforms.resize(
            canvases,
            [side, side],
            interpolation=transforms.InterpolationMode(backbone.resize.interpolation),
            antialias=True,
        )
    return to_pixels(canvases, backbone)


def to_pixels(images: Tensor, backbone: Backbone) -> Tensor:
    """(B, 3, s, s) uint8 of the right size to normalised float pixels, as the model wants them."""
    mean, std = (
        moved(torch.tensor(own).view(3, 1, 1) * 255, images.device)
        for own in (backbone.mean, backbone.std)
    )
    pixels = (images.float() - mean) / std
    return pixels.contiguous(memory_format=backbone.pixel_format)


def encode_images(
    backbone: Backbone,
    images: Images,
    *,
    forward: Callable[[Tensor], Tensor] | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Raw features (N, d) float32 on the CPU, in the images' order, from the test view.

    Args:
        backbone: the model.
        images: the image set.
        forward: pixels to features; None is the model's own image tower.
        progress: called with (done, total) after each batch.
        stop: asked before each batch.
        ranks: who share the batches out; the writer gets all of them, the others none.

    Raises:
        Stopped: `stop` returned true.
    """
    encode, count = forward or backbone.visual, len(images)

    def features(start: int) -> tuple[Tensor]:
        if stop is not None and stop():
            raise Stopped
        indices = range(start, min(start + backbone.forward_batch, count))
        with torch.inference_mode():
            pixels = preprocess(images.batch(indices), backbone)
            with autocast(backbone.device, backbone.visual):
                found = encode(pixels)
            return (found.float(),)

    parts, done = list[Tensor](), 0
    for (part,) in ranks.spread(range(0, count, backbone.forward_batch), features):
        parts.append(part)
        done += len(part)
        if progress is not None:
            progress(done, count)
    return torch.cat(parts) if parts else torch.empty(0, 0)


def encode_texts(backbone: Backbone, sentences: Sequence[str]) -> Tensor:
    """Raw text features (n, d) float32 on the CPU.

    Raises:
        ModelError: they are no finite numbers, so that no label would mean anything.
    """
    parts = []
    with torch.inference_mode():
        for start in range(0, len(sentences), 256):
            tokens = backbone.tokenizer(list(sentences[start : start + 256])).to(backbone.device)
            parts.append(backbone.model.encode_text(tokens).float().cpu())  # type: ignore[operator]
    features = torch.cat(parts)
    if not bool(features.isfinite().all()):
        raise ModelError("The model gives no finite numbers for texts; its weights are damaged.")
    return features


def class_vectors(
    backbone: Backbone, class_names: Sequence[str], templates: Sequence[str]
) -> Tensor:
    """(C, d) one unit vector per class: the mean over templates, normalised before and after.

    Underscores in names become spaces [DeFT]; the ensemble is the usual one of CLIP.
    """
    words = [name.replace("_", " ") for name in class_names]
    # Not str.format: a template or a name may hold braces of its own.
    sentences = [t.replace("{}", word) for word in words for t in templates]
    features = normalize(encode_texts(backbone, sentences), dim=-1)
    return normalize(features.view(len(class_names), len(templates), -1).mean(1), dim=-1)
