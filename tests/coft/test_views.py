"""Training views, optimisers and streams of randomness."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from studio.clip.backbone import Backbone
from studio.coft.optim import _PURPOSES, build_optimizer, generator_of
from studio.coft.views import random_views, training_size
from studio.settings import Settings


def ramp(count: int, side: int = 64) -> torch.Tensor:
    """Canvases whose red is the column and whose green is the row."""
    columns = torch.arange(side).expand(side, side)
    one = torch.stack([columns, columns.T, torch.zeros_like(columns)]).to(torch.uint8)
    return one.expand(count, -1, -1, -1)


def seen(crop_scale: float, count: int = 400) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Width and height of the crops in pixels of a canvas of 64, and which were mirrored."""
    views = random_views(
        ramp(count), size=32, crop_scale=crop_scale, generator=torch.Generator().manual_seed(0)
    ).float()
    across = views[:, 0, 16, 28] - views[:, 0, 16, 4]
    down = views[:, 1, 28, 16] - views[:, 1, 4, 16]
    return across.abs() * 32 / 24, down * 32 / 24, across < 0


def test_crops_are_of_the_area_and_shape_that_is_asked_for() -> None:
    width, height, mirrored = seen(0.25)
    assert (height > 0).all(), "no view stands on its head"
    assert 0.4 < mirrored.float().mean() < 0.6
    share = width * height / 64**2
    assert 0.2 < share.min() < 0.35
    assert share.max() > 0.85
    assert 0.5 < share.mean() < 0.7
    ratio = width / height
    assert 0.68 < ratio.min() < 0.9
    assert 1.1 < ratio.max() < 1.45
    assert ratio.log().mean().abs() < 0.05, "wide crops are as frequent as high ones"


def test_crops_reach_every_edge() -> None:
    views = random_views(
        ramp(400), size=32, crop_scale=0.3, generator=torch.Generator().manual_seed(1)
    )
    for colour in (0, 1):
        assert views[:, colour].amin() <= 1
        assert views[:, colour].amax() >= 62
        middle = views[:, colour, 16, 16].float()
        assert middle.mean() == pytest.approx(31.5, abs=2)
        assert middle.std() > 4


def test_a_convolutional_tower_trains_on_smaller_images_in_steps_of_32(
    convnet: Backbone, vit: Backbone
) -> None:
    of_224 = dataclasses.replace(convnet, image_size=224)
    sizes = [training_size(of_224, share) for share in (1.0, 0.8, 0.57, 0.01)]
    assert sizes == [224, 192, 128, 32]
    assert training_size(vit, 0.5) == vit.image_size


def test_a_tower_that_takes_its_own_size_alone_trains_at_that(convnet: Backbone) -> None:
    """Swin counts its windows, though it is no transformer of blocks."""
    trunk = {"timm_model_name": "swin_tiny_patch4_window7_224", "timm_pool": ""}
    config = convnet.config | {"vision_cfg": trunk | {"timm_proj": "linear", "image_size": 224}}
    swin = dataclasses.replace(convnet, config=config, image_size=224)
    assert training_size(swin, 0.8) == 224


def test_the_rate_falls_to_nought_along_a_cosine() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer, schedule = build_optimizer(
        [{"params": [weight], "lr": 0.4}], kind="sgd", momentum=0.5, weight_decay=0.1, steps=4
    )
    rates = []
    for _ in range(5):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.4, 0.341421, 0.2, 0.058579, 0.0], abs=1e-5)
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.defaults["momentum"] == 0.5
    assert optimizer.defaults["weight_decay"] == 0.1
    other, _ = build_optimizer(
        [{"params": [weight], "lr": 0.4}], kind="adamw", momentum=0.5, weight_decay=0.2, steps=0
    )
    assert isinstance(other, torch.optim.AdamW)
    assert other.defaults["weight_decay"] == 0.2


def test_no_two_streams_of_randomness_are_one() -> None:
    firsts = [
        int(torch.randint(2**40, (1,), generator=generator_of(
            Settings(seed=seed), purpose, model, round_number=number
        )))
        for seed in (0, 1, 2) for purpose in _PURPOSES for model in (0, 1) for number in (1, 2, 3)
    ]  # fmt: skip
    assert len(set(firsts)) == len(firsts)
