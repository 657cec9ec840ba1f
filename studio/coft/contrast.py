"""Momentum contrast on all images, the noisy ones included (paper, Section 3.3, Eq. 8 to 10)."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from studio.clip.encode import moved
from studio.coft.views import Each, Rows, random_views

BRIGHTNESS = CONTRAST = SATURATION = 0.4
HUE = 0.1
KEY_CROP_SCALE = 0.2
AT_ONCE, AT_ONCE_ON_CPU = 64, 4
"""Views that are recoloured at a time: 7 times their pixels are held beside them; and on the CPU,
where few stay in its cache: with 64 each takes twice the time."""


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


def key_crops(
    canvases: Tensor,
    *,
    size: int,
    generator: Generator,
    of: Rows | None = None,
    each: Each = map,
) -> tuple[Tensor, Tensor]:
    """The second view of each image, a tighter crop, and what `recoloured` makes of it.

    Args:
        canvases: (B, 3, S, S) uint8.
        size: side of the views in pixels.
        generator: the source of randomness (CPU).
        of: see `random_views`.
        each: see `random_views`.

    Returns:
        (B, 3, size, size) uint8, and six random numbers of each in [0, 1), (B, 6).
    """
    crops = random_views(
        canvases, size=size, crop_scale=KEY_CROP_SCALE, generator=generator, of=of, each=each
    )
    batch, rows = of or (len(canvases), slice(None))
    return crops, torch.rand(batch, 6, generator=generator)[rows]


def training_views(
    canvases: Tensor,
    streams: Sequence[Generator],
    *,
    size: int,
    crop_scale: float,
    of: Rows | None = None,
    each: Each = map,
) -> tuple[Tensor, ...]:
    """One view of each image, drawn from the first stream; with a second one `key_crops` besides.

    Arguments as of `random_views`.
    """
    first, *second = streams
    views = random_views(
        canvases, size=size, crop_scale=crop_scale, generator=first, of=of, each=each
    )
    if not second:
        return (views,)
    return views, *key_crops(canvases, size=size, generator=second[0], of=of, each=each)


def recoloured(views: Tensor, draws: Tensor) -> Tensor:
    """Views (B, 3, s, s) uint8 with colours changed as in MoCo v2; draws: (B, 6), see `key_crops`.

    Jitter for four in five, grey for one in five. Many at a time on a GPU: on a core of the CPU one
    takes as long as five crops, and a GPU would wait for it. After each step values are whole
    numbers again, as those of torchvision are.
    """
    at_once = AT_ONCE_ON_CPU if views.device.type == "cpu" else AT_ONCE
    parts = zip(views.split(at_once), draws.split(at_once), strict=True)
    return torch.cat([_recoloured(*part) for part in parts])


def _recoloured(views: Tensor, draws: Tensor) -> Tensor:
    # (6, B, 1, 1, 1) beside (B, 3, s, s)
    whether, bright, contrast, saturation, hue, grey = draws.T[..., None, None, None]
    found = views.float()
    found = _between(torch.zeros(()), found, 1 + BRIGHTNESS * (2 * bright - 1))
    mean = _grey(found).mean((1, 2, 3), keepdim=True)
    found = _between(mean, found, 1 + CONTRAST * (2 * contrast - 1))
    found = _between(_grey(found), found, 1 + SATURATION * (2 * saturation - 1))
    found = _turned(found / 255, HUE * (2 * hue - 1)).mul(255.999).floor()
    found = torch.where(whether < 0.8, found, views)
    return torch.where(grey < 0.2, _grey(found), found).to(torch.uint8)


def _between(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """So far on the way, and beyond it from 1 on, in whole numbers from 0 to 255."""
    return (share * end + (1 - share) * start).clamp(0, 255).floor()


def _grey(views: Tensor) -> Tensor:
    """(B, 1, s, s) in whole numbers."""
    weights = moved(torch.tensor([0.2989, 0.587, 0.114]).view(3, 1, 1), views.device)
    return (weights * views).sum(1, keepdim=True).floor()


def _turned(views: Tensor, turn: Tensor) -> Tensor:
    """Views (B, 3, s, s) in [0, 1] with their hue turned by a share of a circle, (B, 1, 1, 1)."""
    value, most = views.max(1, keepdim=True)
    chroma = value - views.amin(1, keepdim=True)
    # From each colour's place on the circle of six, how far the other two pull away from it.
    pull = (views.roll(-1, 1) - views.roll(-2, 1)).gather(1, most)
    hue = 2 * most + pull / chroma.clamp_min(torch.finfo(chroma.dtype).tiny)
    apart = moved(torch.tensor([5.0, 3.0, 1.0]).view(3, 1, 1), views.device)
    place = (apart + hue + 6 * turn) % 6
    return value - chroma * torch.minimum(place, 4 - place).clamp(0, 1)
