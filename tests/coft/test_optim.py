"""What trains a whole tower in Phase II: by its kind, by its layers, and no longer than allowed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from studio.clip.backbone import Backbone, build_visual
from studio.coft.classifier import Tower
from studio.coft.optim import RATES, clip_gradient, tower_optimizer
from studio.settings import Settings
from tests.coft.conftest import tiny_config

TIMM = {"timm_model_name": "vit_tiny_patch16_224", "timm_pool": "avg", "timm_proj": "linear"}


def tower_of(visual: nn.Module) -> Tower:
    return Tower(copy.deepcopy(visual), nn.Linear(16, 3)).requires_grad_(True)


def rates(tower: Tower, **changes: Any) -> dict[str, float]:
    """The learning rate of each parameter that trains; none may be in two groups."""
    optimizer, _ = tower_optimizer(tower, Settings(**changes), steps=10)
    names = {parameter: name for name, parameter in tower.named_parameters()}
    found: dict[str, float] = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert names[parameter] not in found
            found[names[parameter]] = group["lr"]
    return found


def test_the_optimiser_follows_the_kind_of_the_tower_and_the_rate_the_optimiser(
    vit: Backbone, convnet: Backbone
) -> None:
    def made(backbone: Backbone, **changes: Any) -> tuple[type, float]:
        tower = tower_of(backbone.visual)
        optimizer, schedule = tower_optimizer(tower, Settings(**changes), steps=10)
        assert len(rates(tower, **changes)) == len(list(tower.parameters()))
        return type(optimizer), schedule.get_last_lr()[0]

    sgd, adamw = torch.optim.SGD, torch.optim.AdamW
    assert made(vit) == (adamw, RATES["adamw"])
    assert made(convnet) == (sgd, RATES["sgd"])
    assert made(vit, phase2_optimizer="sgd") == (sgd, RATES["sgd"])
    assert made(convnet, phase2_optimizer="adamw") == (adamw, RATES["adamw"])
    assert made(vit, phase2_lr=0.5) == (adamw, 0.5)


def test_rates_fall_from_the_head_towards_the_image(vit: Backbone) -> None:
    found = rates(tower_of(vit.visual), phase2_lr=1.0, phase2_layer_decay=0.5, head_lr_factor=3.0)
    assert found["head.weight"] == found["head.bias"] == 3
    assert found["visual.ln_post.weight"] == found["visual.proj"] == 1
    assert found["visual.transformer.resblocks.1.mlp.c_fc.weight"] == 0.5
    assert found["visual.transformer.resblocks.0.attn.in_proj_weight"] == 0.25
    for name in ("conv1.weight", "class_embedding", "positional_embedding", "ln_pre.bias"):
        assert found[f"visual.{name}"] == 0.125, name


def test_rates_fall_in_towers_of_timm_too_but_not_in_convolutional_ones(convnet: Backbone) -> None:
    visual = build_visual(tiny_config() | {"vision_cfg": {**TIMM, "image_size": 32}})
    found = rates(tower_of(visual), phase2_lr=1.0, phase2_layer_decay=0.5, head_lr_factor=3.0)
    assert found["visual.head.proj.weight"] == found["visual.trunk.norm.weight"] == 1
    assert found["visual.trunk.blocks.11.norm1.weight"] == 0.5
    assert found["visual.trunk.blocks.0.norm1.weight"] == 0.5**12
    assert found["visual.trunk.pos_embed"] == 0.5**13
    assert found["visual.trunk.patch_embed.proj.weight"] == 0.5**13
    others = rates(tower_of(convnet.visual), phase2_lr=1.0, phase2_layer_decay=0.5)
    assert {rate for name, rate in others.items() if name.startswith("visual.")} == {1.0}


def test_a_frozen_patch_embedding_is_all_that_does_not_train(
    vit: Backbone, convnet: Backbone
) -> None:
    tower = tower_of(vit.visual)
    every = {name for name, _ in tower.named_parameters()}
    assert every - set(rates(tower, phase2_frozen_patches=True)) == {"visual.conv1.weight"}
    tower(torch.randn(2, 3, 32, 32)).sum().backward()
    assert tower.visual.get_submodule("conv1").weight.grad is None
    other = tower_of(convnet.visual)
    assert len(rates(other, phase2_frozen_patches=True)) == len(list(other.parameters()))


@pytest.mark.parametrize(("largest", "moved"), [(0.0, 5.0), (10.0, 5.0), (2.0, 2.0)])
def test_a_gradient_is_shortened_over_all_groups_together(largest: float, moved: float) -> None:
    first, second = (nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [first]}, {"params": [second]}], lr=1.0)
    first.grad, second.grad = torch.tensor([3.0]), torch.tensor([-4.0])
    clip_gradient(optimizer, largest)
    optimizer.step()
    assert float(torch.cat([first, second]).detach().norm()) == pytest.approx(moved, rel=1e-4)
    assert float(first.detach() / second.detach()) == pytest.approx(-0.75)
