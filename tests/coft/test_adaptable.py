"""Towers of timm that Phase I can work with, and that the others are refused in one line."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from studio.coft import adapters
from studio.coft.adaptable import _listed_trunks, check_adaptable, check_trainable
from studio.coft.adapters import PromptTokens, has_relative_places
from studio.errors import ModelError
from tests.coft.conftest import tiny_config


def config_of(trunk: str, *, side: int = 224) -> dict[str, Any]:
    vision = {"timm_model_name": trunk, "timm_pool": "", "timm_proj": "linear", "image_size": side}
    return tiny_config() | {"vision_cfg": vision}


class Tower(nn.Module):
    """As open_clip puts a tower of timm to use."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.trunk(pixels)
        return features


SMALL: dict[str, Any] = {
    "img_size": 32, "patch_size": 16, "embed_dim": 32, "depth": 2, "num_heads": 2, "num_classes": 0,
}  # fmt: skip


def small_tower(kind: str) -> Tower:
    """With random biases, for some start at nought."""
    from timm.models.beit import Beit
    from timm.models.vision_transformer_relpos import VisionTransformerRelPos

    torch.manual_seed(0)
    trunk: nn.Module = {
        "beit": lambda: Beit(**SMALL, use_abs_pos_emb=False, use_rel_pos_bias=True),
        "beit, shared": lambda: Beit(**SMALL, use_abs_pos_emb=False, use_shared_rel_pos_bias=True),
        "vit_relpos": lambda: VisionTransformerRelPos(**SMALL, init_values=None),
        "vit_relpos with a class token": lambda: VisionTransformerRelPos(
            **SMALL, init_values=None, class_token=True, rel_pos_type="bias"
        ),
        "vit_srelpos": lambda: VisionTransformerRelPos(
            **SMALL, init_values=None, shared_rel_pos=True
        ),
    }[kind]()
    for parameter in trunk.parameters():
        nn.init.normal_(parameter, std=0.3)
    return Tower(trunk).eval().requires_grad_(False)


@pytest.mark.parametrize("vpt", ["deep", "shallow"])
@pytest.mark.parametrize(
    "kind", ["beit", "beit, shared", "vit_relpos", "vit_relpos with a class token", "vit_srelpos"]
)
def test_tokens_are_learned_beside_relative_places(kind: str, vpt: str) -> None:
    visual, pixels = small_tower(kind), torch.randn(2, 3, 32, 32)
    assert has_relative_places(visual)
    generator = torch.Generator().manual_seed(0)
    adapter = PromptTokens(visual, kind=vpt, tokens=3, generator=generator)
    plain = visual(pixels)
    adapted = adapter.tail(visual, pixels)
    assert adapted.shape == plain.shape
    assert not torch.allclose(adapted, plain)
    adapted.sum().backward()
    assert adapter.tokens.grad is not None
    assert (adapter.tokens.grad.abs().sum((1, 2)) > 0).all()
    torch.testing.assert_close(visual(pixels), plain)


def test_the_bias_of_other_tokens_stays_and_that_of_the_new_ones_is_nought() -> None:
    n, count = 5, 3
    q, k, v = torch.randn(3, 1, 2, n + count, 4).unbind()
    bias = torch.randn(1, 2, n, n)
    whole = torch.zeros(1, 2, n + count, n + count)
    whole[..., :n, :n] = bias
    attend = functional.scaled_dot_product_attention
    with adapters._Unbiased(count):
        found = attend(q, k, v, attn_mask=bias, dropout_p=0.0)
        alone = attend(q, k, v)
    torch.testing.assert_close(found, attend(q, k, v, attn_mask=whole))
    torch.testing.assert_close(alone, attend(q, k, v))


@pytest.mark.parametrize(
    ("trunk", "side"),
    [("convit_tiny", 224), ("crossvit_tiny_240", 240), ("convnext_atto_rms", 224)],
)
def test_towers_that_take_no_adapter_are_refused_in_one_line(trunk: str, side: int) -> None:
    """One asks how far apart tokens are, one has two streams, one no shifts in its norms."""
    with pytest.raises(ModelError, match=f"mine has an image tower \\({trunk}\\)") as caught:
        check_adaptable(config_of(trunk, side=side), size=side, name="mine")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("trunk", ["vit_srelpos_small_patch16_224", "deit_tiny_patch16_224"])
def test_towers_outside_of_open_clips_list_are_tried(trunk: str) -> None:
    assert trunk not in _listed_trunks()
    check_adaptable(config_of(trunk), size=224, name="mine")


@pytest.mark.parametrize("trunk", ["levit_128s", "tiny_vit_5m_224"])
def test_towers_that_cannot_be_trained_as_a_whole_are_refused_in_one_line(trunk: str) -> None:
    """They keep what they worked out of their weights before these changed."""
    with pytest.raises(ModelError, match=f"mine has an image tower \\({trunk}\\)") as caught:
        check_trainable(config_of(trunk), size=224, name="mine")
    assert "\n" not in str(caught.value)


def test_towers_that_can_be_trained_as_a_whole_are_taken() -> None:
    for trunk in ("deit_tiny_patch16_224", "swin_tiny_patch4_window7_224"):
        check_trainable(config_of(trunk), size=224, name="mine")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trunk", "side"), [
        ("convnext_tiny", 224), ("swin_base_patch4_window7_224", 224), ("fastvit_mci0", 256),
        ("eva02_base_patch16_clip_224", 224), ("vit_base_mci_224", 224), ("vitamin_small_224", 224),
        ("vit_relpos_medium_patch16_cls_224", 224), ("vit_pe_core_tiny_patch16_384", 384),
        ("vit_base_patch16_siglip_224", 224), ("vit_medium_patch16_gap_256", 256),
    ],
)  # fmt: skip
def test_every_kind_of_tower_in_open_clips_list_takes_an_adapter_and_can_be_trained(
    trunk: str, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trunk in _listed_trunks()
    monkeypatch.setattr("studio.coft.adaptable._listed_trunks", frozenset)
    check_adaptable(config_of(trunk, side=side), size=side, name="mine")
    check_trainable(config_of(trunk, side=side), size=side, name="mine")
