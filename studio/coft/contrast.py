"""Momentum contrast on all images, the noisy ones included (paper, Section 3.3, Eq. 8 to 10)."""

from __future__ import annotations

import copy

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from torchvision.transforms.v2 import functional as transforms

from studio.coft.views import Rows, random_views

BRIGHTNESS = CONTRAST = SATURATION = 0.4
HUE = 0.1
KEY_CROP_SCALE = 0.2


def queue_size(*, images: int, batch: int, most: int) -> int:
    """Keys in the queue: at most `most` and a quarter of the images, in whole batches.

    A queue as long as the set would hold older keys of the very images in the batch as negatives
    [inferred].
    """
    return max(batch, min(most, images // 4) // batch * batch)


class MomentumContrast:
    """A momentum copy of a visual encoder and the queue of its past keys.

    There is no projection head [inferred: the paper names none]; embeddings are normalised.
    """

    def __init__(
        self, visual: nn.Module, *, size: int, momentum: float, temperature: float
    ) -> None:
        self.encoder = copy.deepcopy(visual).requires_grad_(False).eval()
        self.size, self.momentum, self.temperature = size, momentum, temperature
        self.queue: Tensor | None = None

    def keys(self, pixels: Tensor) -> Tensor:
        """(B, d) unit embeddings of the momentum encoder; no gradient."""
        with torch.no_grad():
            return normalize(self.encoder(pixels).float(), dim=-1)

    def loss(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Mean of Eq. 9: -log of the own key's share among it and the queue; 0 without a queue.

        queries: (B, d) of the live encoder, of any length; keys: (B, d) from `keys`.
        """
        queries = normalize(queries.float(), dim=-1)
        if self.queue is None:
            return queries.sum() * 0
        own = (queries * keys).sum(-1, keepdim=True)
        logits = torch.cat([own, queries @ self.queue.T], dim=1) / self.temperature
        return cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64, device=own.device))

    def push(self, keys: Tensor) -> None:
        """Put keys in; the oldest leave when there are more than `size`."""
        held = keys if self.queue is None else torch.cat([self.queue, keys])
        self.queue = held[-self.size :]

    def follow(self, visual: nn.Module) -> None:
        """Eq. 8: theta_m <- mu theta_m + (1 - mu) theta, for the whole encoder."""
        follow(self.encoder, visual, momentum=self.momentum)


def follow(slow: nn.Module, live: nn.Module, *, momentum: float) -> None:
    """Move every parameter of `slow` towards that of `live`: a moving average over steps."""
    with torch.no_grad():
        for average, parameter in zip(slow.parameters(), live.parameters(), strict=True):
            average.lerp_(parameter, 1 - momentum)


def key_views(
    canvases: Tensor, *, size: int, generator: Generator, of: Rows | None = None
) -> Tensor:
    """The second view of each image: a tighter crop, and colours changed as in MoCo v2.

    Args:
        canvases: (B, 3, S, S) uint8.
        size: side of the views in pixels.
        generator: the source of randomness (CPU).
        of: see `random_views`.

    Returns:
        (B, 3, size, size) uint8.
    """
    crops = random_views(
        canvases, size=size, crop_scale=KEY_CROP_SCALE, generator=generator, of=of
    )  # fmt: skip
    batch, rows = of or (len(canvases), slice(None))
    draws = torch.rand(batch, 6, generator=generator)[rows].tolist()
    if not draws:
        return crops
    return torch.stack([_recolour(view, draw) for view, draw in zip(crops, draws, strict=True)])


def _recolour(view: Tensor, draw: list[float]) -> Tensor:
    """Colour jitter for four in five, grey for one in five. draw: six numbers in [0, 1)."""
    whether, bright, contrast, saturation, hue, grey = draw
    if whether < 0.8:
        view = transforms.adjust_brightness(view, 1 + BRIGHTNESS * (2 * bright - 1))
        view = transforms.adjust_contrast(view, 1 + CONTRAST * (2 * contrast - 1))
        view = transforms.adjust_saturation(view, 1 + SATURATION * (2 * saturation - 1))
        view = transforms.adjust_hue(view, HUE * (2 * hue - 1))
    return transforms.rgb_to_grayscale(view, num_output_channels=3) if grey < 0.2 else view
