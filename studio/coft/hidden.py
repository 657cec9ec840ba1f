"""Outputs of the frozen stages for test views and seed views, cached: they are most of the cost."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import zip_longest
from typing import Protocol

import torch
from torch import Tensor

from studio.clip.backbone import Backbone
from studio.clip.encode import Images, moved, to_pixels
from studio.clip.precision import autocast
from studio.coft.adapters import VisualAdapter
from studio.coft.ahead import Ahead, Made
from studio.coft.dual import test_hidden
from studio.coft.events import Progress
from studio.coft.views import Each, Rows
from studio.ranks import Team

CACHED_BYTES = 2 * 2**30
"""Memory for test views between rounds: some 24,000 images of the embedded model."""

TAIL_BATCH = 64


def tail_batch(backbone: Backbone, adapter: VisualAdapter) -> int:
    """Images that go through the adapted stages at a time.

    Behind frozen stages little is left of an image, and the weights are most of what a pass reads:
    64 at a time take three quarters of the time of 16, on one CPU core.
    """
    if not adapter.has_frozen_prefix:
        return backbone.forward_batch
    return max(TAIL_BATCH, backbone.forward_batch)


class TestViews:
    """Prefix outputs of all images' test views, chunk by chunk [studio].

    keep: hold them for the next round, as far as `CACHED_BYTES` reach: the frozen stages are most
    of the cost of labelling everything. Without a frozen prefix there is nothing to keep.
    """

    __test__ = False  # not a test case

    def __init__(
        self, backbone: Backbone, adapter: VisualAdapter, images: Images, *, keep: bool
    ) -> None:
        self._source = backbone, adapter, images
        self._room = CACHED_BYTES if keep and adapter.has_frozen_prefix else 0
        self._cached: dict[int, Tensor] = {}
        self._watched: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self._source[2])

    @property
    def starts(self) -> range:
        """The first image of each chunk."""
        return range(0, len(self), self._source[0].forward_batch)

    def chunk(self, start: int) -> Tensor:
        """Prefix outputs (B, ...) of the chunk that starts there."""
        backbone, _, images = self._source
        hidden = self._cached.get(start)
        if hidden is None:
            chunk = range(start, min(start + backbone.forward_batch, len(images)))
            hidden = self._made(chunk)
            if hidden.nbytes <= self._room:
                self._cached[start] = hidden
                self._room -= hidden.nbytes
        return hidden

    def of(self, indices: Sequence[int]) -> Tensor:
        """Prefix outputs (n, ...) of these images; chunks with some of them take those from here,
        where there are frozen stages to spare.
        """
        hidden = self._made(indices)
        if self._source[1].has_frozen_prefix:
            self._watched.update(zip(indices, hidden, strict=True))
        return hidden

    def _made(self, indices: Sequence[int]) -> Tensor:
        backbone, adapter, images = self._source
        new = [index for index in indices if index not in self._watched]
        rows: dict[int, Tensor] = {}
        for start in range(0, len(new), backbone.forward_batch):
            part = new[start : start + backbone.forward_batch]
            hidden = test_hidden(backbone, adapter, images, part)
            if len(part) == len(indices):
                return hidden
            rows.update(zip(part, hidden, strict=True))
        known = {**self._watched, **rows}
        whole = torch.stack([known[index] for index in indices])
        return whole.contiguous(memory_format=backbone.pixel_format) if whole.dim() == 4 else whole

    def chunks(self) -> Iterator[Tensor]:
        """Prefix outputs (B, ...), in the order of the images."""
        for start in self.starts:
            yield self.chunk(start)


class Draw(Protocol):
    """Canvases (B, 3, S, S) uint8 to random views (B, 3, s, s) uint8, see `studio.coft.views`; or
    to what is made of them on the device, as by `studio.coft.contrast.key_crops`.
    """

    def __call__(
        self,
        canvases: Tensor,
        *,
        generator: torch.Generator,
        of: Rows | None = None,
        each: Each = map,
    ) -> Tensor | Made:
        """One view of each canvas; of, each: see `random_views`."""
        ...


class Views(Protocol):
    """Prefix outputs of random views of some images."""

    def __call__(
        self, generator: torch.Generator, positions: Tensor, *, then: Tensor | None = None
    ) -> Tensor:
        """Of this rank's rows of those at these positions (B,); then: those of the next batch."""
        ...


def seed_views(
    backbone: Backbone,
    adapter: VisualAdapter,
    images: Images,
    indices: Tensor,
    *,
    draw: Draw,
    cached: int,
    generator: torch.Generator,
    finish: Callable[..., Tensor] = lambda views: views,
    team: Team | None = None,
) -> Generator[Progress, None, Views]:
    """A function (generator, positions) -> prefix outputs of random views of some images.

    Args:
        backbone: frozen.
        adapter: whose prefix it is; it has no trainable part, so that both models share the views.
        images: the image set.
        indices: (n,) of the images; positions count among them.
        draw: makes the views.
        cached: how many views of each image are computed once and picked from; the frozen stages
            are most of the cost. 0: a fresh view at each visit.
        generator: of the cached views; fresh ones, and the choice among cached ones, are drawn from
            the generator that the function is given.
        finish: what `draw` made, on the device, to the views.
        team: who shares a batch; cached views each rank makes for itself. None: this rank alone.
    """
    shared = team or Team(1)

    def drawn(share: Team) -> Views:
        def made(positions: Tensor, streams: Sequence[torch.Generator], each: Each) -> Made:
            rows = share.rows(len(positions))
            canvases = images.batch(indices[positions[rows]].tolist())
            of = len(positions), rows
            found = draw(canvases, generator=streams[0], of=of, each=each)
            return found if isinstance(found, tuple) else (found,)

        ahead = Ahead(made, device=backbone.device)

        def fresh(
            generator: torch.Generator, positions: Tensor, *, then: Tensor | None = None
        ) -> Tensor:
            made = ahead.of(positions, [generator], then=then)
            with torch.no_grad(), autocast(backbone.device, backbone.visual):
                views = finish(*(moved(own, backbone.device) for own in made))
                pixels = to_pixels(views, backbone)
                return adapter.prefix(backbone.visual, pixels)

        return fresh

    if not cached:
        return drawn(shared)
    own, stack = drawn(Team(1)), []
    everyone = torch.arange(len(indices)).split(backbone.forward_batch)
    for number in range(cached):
        parts = []
        for positions, then in zip_longest(everyone, everyone[1:]):
            parts.append(own(generator, positions, then=then))
            done = number * len(indices) + int(positions[-1]) + 1
            yield Progress("seed views", done, cached * len(indices))
        stack.append(torch.cat(parts))
    views = torch.stack(stack)  # (views, n, ...)

    def pick(
        generator: torch.Generator, positions: Tensor, *, then: Tensor | None = None
    ) -> Tensor:
        del then
        rows = shared.rows(len(positions))
        which = torch.randint(len(views), positions.shape, generator=generator)
        return views[moved(which[rows], views.device), moved(positions[rows], views.device)]

    return pick
