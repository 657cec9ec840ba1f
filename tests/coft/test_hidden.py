"""Which images the kept outputs of the frozen stages are of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from studio.clip.backbone import Backbone
from studio.clip.encode import to_pixels
from studio.coft import hidden
from studio.coft.events import Progress
from studio.coft.hidden import TestViews, seed_views
from tests.coft.conftest import Canvases, drained


class Whole:
    """An adapter whose frozen stages do nothing."""

    has_frozen_prefix = True

    def prefix(self, visual: object, pixels: torch.Tensor) -> torch.Tensor:
        return pixels


def seen_through(
    backbone: Backbone, images: Canvases, indices: torch.Tensor, cached: int
) -> tuple[Callable[..., torch.Tensor], list[Any]]:
    """The function that `seed_views` returns, and what it told on the way."""
    work = seed_views(
        backbone, Whole(), images, indices, draw=lambda canvases, **_: canvases,  # type: ignore[arg-type]
        cached=cached, generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    return drained(work)


@pytest.mark.parametrize("cached", [0, 2])
def test_views_are_of_the_images_that_are_asked_for(vit: Backbone, cached: int) -> None:
    images, indices = Canvases(40, size=32), torch.arange(39, 3, -2)
    views, _ = seen_through(vit, images, indices, cached)
    positions = torch.tensor([3, 0, 0, 17, 9])
    found = views(torch.Generator().manual_seed(1), positions)
    expected = to_pixels(images.data[indices[positions]], vit)
    assert torch.equal(found, expected)


def test_kept_views_are_computed_once_and_picked_from(vit: Backbone) -> None:
    images, indices = Canvases(40, size=32), torch.arange(20)
    views, told = seen_through(vit, images, indices, 2)
    assert sorted(images.calls) == sorted([*range(20)] * 2)
    batch = vit.forward_batch
    ends = [*range(batch, 20, batch), 20]
    assert told == [Progress("seed views", n * 20 + end, 40) for n in (0, 1) for end in ends]
    images.calls.clear()
    views(torch.Generator().manual_seed(1), torch.arange(20))
    assert images.calls == []
    fresh, told = seen_through(vit, images, indices, 0)
    assert (told, images.calls) == ([], [])
    fresh(torch.Generator(), torch.tensor([4, 4]))
    assert images.calls == [4, 4]


def test_both_of_the_kept_views_are_used(vit: Backbone) -> None:
    """Drawn as random numbers, to tell one view from the next."""
    draw = torch.Generator().manual_seed(2)
    work = seed_views(
        vit, Whole(), Canvases(8, size=32), torch.arange(8),  # type: ignore[arg-type]
        draw=lambda canvases, generator, **_: torch.randint(
            256, canvases.shape, generator=generator, dtype=torch.uint8
        ),
        cached=2, generator=draw,
    )  # fmt: skip
    views, _ = drained(work)
    seen = {
        float(views(torch.Generator().manual_seed(seed), torch.tensor([5])).sum())
        for seed in range(20)
    }
    assert len(seen) == 2


def test_no_more_test_views_are_kept_than_there_is_room_for(
    vit: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = Canvases(2 * vit.forward_batch + 3, size=32)
    one = vit.forward_batch * 3 * 32 * 32 * 4  # bytes of a whole chunk
    monkeypatch.setattr(hidden, "CACHED_BYTES", one + one // 2)
    views = TestViews(vit, Whole(), images, keep=True)  # type: ignore[arg-type]
    assert len(views) == len(images)
    first = torch.cat(list(views.chunks()))
    assert images.calls == list(range(len(images)))
    images.calls.clear()
    assert torch.equal(torch.cat(list(views.chunks())), first)
    # The first chunk was kept; there was no room for the second, and for the small third one.
    assert images.calls == list(range(vit.forward_batch, 2 * vit.forward_batch))
    forgetful = TestViews(vit, Whole(), images, keep=False)  # type: ignore[arg-type]
    for _ in range(2):
        images.calls.clear()
        list(forgetful.chunks())
        assert images.calls == list(range(len(images)))


def test_watched_images_are_not_seen_again(vit: Backbone) -> None:
    images, whole = Canvases(40, size=32), Whole()
    views = TestViews(vit, whole, images, keep=False)  # type: ignore[arg-type]
    expected = to_pixels(images.data, vit)
    indices = [30, 3, 17, 39, 16]
    assert torch.equal(views.of(indices), expected[indices])
    assert sorted(images.calls) == sorted(indices)
    assert torch.equal(views.of([3, 5]), expected[[3, 5]])
    assert torch.equal(torch.cat(list(views.chunks())), expected)
    assert sorted(images.calls) == [*range(40)]
    whole.has_frozen_prefix = False
    plain = TestViews(vit, whole, images, keep=False)  # type: ignore[arg-type]
    images.calls.clear()
    plain.of(indices)
    assert torch.equal(torch.cat(list(plain.chunks())), expected)
    assert len(images.calls) == 45
