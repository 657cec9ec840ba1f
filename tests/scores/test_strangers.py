from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from studio.scores.metrics import auroc
from studio.scores.strangers import STRONG, stranger_score, with_neighbours

WIDTH = 64


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def world() -> dict[str, Tensor]:
    """Eight groups of images, of which the last two have no name; nouns, some near to these two."""
    names = normal(0, 8, WIDTH)
    images = names.repeat_interleave(40, dim=0) + 1.5 * normal(1, 320, WIDTH)
    nouns = torch.cat([normal(2, 100, WIDTH), names[6:] + 0.5 * normal(3, 2, WIDTH)])
    return {"images": images + 3, "names": names[:6] + 5, "nouns": nouns + 5}


def score(world: dict[str, Tensor], **more: bool) -> np.ndarray:
    return stranger_score(
        world["images"], world["names"], noun_vectors=world["nouns"], **{"center": True, **more}
    )


def test_images_without_a_name_stand_out(world: dict[str, Tensor]) -> None:
    found, strange = score(world), np.arange(320) >= 240
    assert found.shape == (320,)
    assert found.min() >= 0
    assert found.max() <= 1
    truth = strange.astype(np.int64)
    assert auroc(found, np.ones(320, np.int64), truth) > 0.95
    assert strange[found >= STRONG].mean() > 0.9
    assert np.median(found) == pytest.approx(0.5, abs=0.01)


def test_the_neighbours_count(world: dict[str, Tensor]) -> None:
    values = np.zeros(6)
    values[0] = 11.0
    pictures = np.eye(6) * 0.1 + 1.0
    assert with_neighbours(pictures, values) == pytest.approx(np.full(6, 11 / 6))
    apart = np.repeat(np.eye(2), 12, axis=0)  # two groups: none hears of the other
    group = with_neighbours(apart, np.repeat([0.0, 1.0], 12))
    assert group == pytest.approx(np.repeat([0.0, 1.0], 12))


def test_it_does_not_depend_on_how_far_nouns_are_from_the_names(world: dict[str, Tensor]) -> None:
    plain = {key: world[key] - shift for key, shift in
             [("images", 3), ("names", 5), ("nouns", 5)]}  # fmt: skip
    found = score(plain, center=False)
    assert np.median(found) == pytest.approx(0.5, abs=0.01)
    assert (np.arange(320) >= 240)[found >= STRONG].mean() > 0.9


def test_few_or_equal_images_are_no_strangers(world: dict[str, Tensor]) -> None:
    one = {**world, "images": world["images"][:1]}
    assert score(one).tolist() == [0.5]
    equal = {**world, "images": world["images"][:1].repeat(30, 1)}
    assert (score(equal) < STRONG).all()


@pytest.mark.parametrize("candidates", [None, torch.arange(40).repeat(320, 1)])
def test_it_says_how_far_it_is(world: dict[str, Tensor], candidates: Tensor | None) -> None:
    told: list[tuple[int, int]] = []
    stranger_score(
        world["images"], world["names"], noun_vectors=world["nouns"], center=True,
        candidates=candidates, progress=lambda *far: told.append(far),
    )  # fmt: skip
    assert told == [(160, 320), (320, 320)]
