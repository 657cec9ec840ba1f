"""The short path of attention against torch's own."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from studio.clip.attention import StraightAttention, straighten_attention
from studio.clip.backbone import build_model

CONFIG: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 64, "layers": 2, "head_width": 16},
    "text_cfg": {
        "context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2
    },
}  # fmt: skip


def pair(seed: int = 0) -> tuple[Any, Any]:
    """A model, and its copy with the short path."""
    torch.manual_seed(seed)
    straight = build_model(CONFIG).eval()
    plain = copy.deepcopy(straight)
    attentions = [m for m in plain.modules() if isinstance(m, StraightAttention)]
    assert len(attentions) == 4
    for attention in attentions:
        attention.__class__ = nn.MultiheadAttention
    return plain, straight


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(3, 3, 32, 32, generator=generator)
    return pixels, torch.randint(1, 49406, (3, 12), generator=generator)


def test_features_and_gradients_are_those_of_torch() -> None:
    pixels, tokens = inputs()
    found = []
    for model in pair():
        images, texts = model.encode_image(pixels), model.encode_text(tokens)
        (images.square().sum() + texts.square().sum()).backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        found.append([images.detach(), texts.detach(), *gradients])
    assert len(found[0]) == len(found[1]) > 20
    for plain, straight in zip(*found, strict=True):
        torch.testing.assert_close(straight, plain, rtol=1e-3, atol=1e-5)


def test_words_behind_do_not_count() -> None:
    _, straight = pair()
    hidden = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(2))
    mask = torch.full((6, 6), float("-inf")).triu(1)
    attention = straight.transformer.resblocks[0].attn
    other = hidden.clone()
    other[:, 4:] = 0
    before, after = (
        attention(x, x, x, need_weights=False, attn_mask=mask)[0] for x in (hidden, other)
    )
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:])


def test_frozen_weights_are_multiplied_once_in_half_precision() -> None:
    """Not copied for each position: what made a pass nine times as slow."""
    _, straight = pair()
    pixels, _ = inputs()
    tower = straight.visual.requires_grad_(False)
    with (
        torch.inference_mode(),
        torch.autocast("cpu", dtype=torch.bfloat16),
        torch.profiler.profile() as profile,
    ):
        tower(pixels)
    assert "aten::bmm" not in {event.name for event in profile.events()}


def test_names_copies_and_states_stay() -> None:
    plain, straight = pair()
    assert list(plain.state_dict()) == list(straight.state_dict())
    twice = copy.deepcopy(straight)
    assert straighten_attention(twice) == 0  # they are already
    pixels, _ = inputs()
    assert torch.equal(twice.encode_image(pixels), straight.encode_image(pixels))


@pytest.mark.parametrize(
    "made",
    [
        {"batch_first": False},
        {"batch_first": True, "kdim": 4},
        {"batch_first": True, "add_bias_kv": True},
        {"batch_first": True, "add_zero_attn": True},
        {"batch_first": True, "dropout": 0.5},
    ],
)
def test_other_kinds_of_attention_are_left_alone(made: dict[str, Any]) -> None:
    assert straighten_attention(nn.MultiheadAttention(8, 2, **made)) == 0


def test_what_is_asked_otherwise_goes_torchs_way() -> None:
    torch.manual_seed(0)
    plain = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    straight = copy.deepcopy(plain)
    assert straighten_attention(straight) == 1
    assert isinstance(straight, StraightAttention)
    one, two = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    hidden = torch.tensor([[False, False, True, True, True]] * 2)
    asked: list[tuple[tuple[Tensor, ...], dict[str, Any]]] = [
        ((one, one, one), {}),
        ((one, two, two), {"need_weights": False}),
        ((one, one, one), {"need_weights": False, "key_padding_mask": hidden}),
        ((one[0], one[0], one[0]), {"need_weights": False}),
        ((one, one, one), {"need_weights": False, "attn_mask": torch.eye(5) > 0}),
    ]
    for given, options in asked:
        for was, now in zip(plain(*given, **options), straight(*given, **options), strict=True):
            torch.testing.assert_close(now, was)
