"""Learnable prompts are read to the end of the longest, with the features of the whole length."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.clip.backbone import Backbone
from studio.clip.tokens import clip_tokenizer
from studio.coft.prompts import PromptTemplate, learnable_text
from studio.errors import ModelError
from tests.coft.conftest import NAMES, convolutional_config, make_backbone, tiny_config


def features(backbone: Backbone, context: Tensor, *, whole: bool) -> tuple[Tensor, Tensor]:
    """Of the prompts, and their gradient."""
    template = PromptTemplate(backbone, NAMES, n_ctx=4)
    if whole:
        template._read, template._cut = template.tokens, {}
    context = context.clone().requires_grad_(True)
    found = template.encode(context)
    return found.detach(), torch.autograd.grad(found.square().sum(), context)[0]


@pytest.mark.parametrize("config", [tiny_config(), convolutional_config()])
def test_what_stands_behind_the_longest_text_is_not_read(config: dict[str, Any]) -> None:
    backbone = make_backbone(config)
    template = PromptTemplate(backbone, NAMES, n_ctx=4)
    assert template._read.shape == (3, 1 + 4 + 3 + 1)  # start, context, "red square .", end
    context = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
    for mine, theirs in zip(
        features(backbone, context, whole=False), features(backbone, context, whole=True),
        strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("change", [{"no_causal_mask": True}, {"pool_type": "last"}])
def test_a_tower_that_looks_at_all_is_given_all(change: dict[str, Any]) -> None:
    config = convolutional_config()
    backbone = make_backbone({**config, "text_cfg": {**config["text_cfg"], **change}})
    assert PromptTemplate(backbone, NAMES, n_ctx=4)._read.shape == (3, 40)


def test_the_model_itself_stays_as_it_is() -> None:
    backbone = make_backbone(tiny_config())
    before = {name: own.shape for name, own in backbone.model.named_buffers()}
    PromptTemplate(backbone, NAMES, n_ctx=4).encode(torch.randn(4, 32))
    assert {name: own.shape for name, own in backbone.model.named_buffers()} == before
    assert backbone.model.positional_embedding.shape == (40, 32)


def short(length: int) -> Backbone:
    """A model whose texts are so short, as SigLIP's SO400M (16), PE-Core and CLIPA (32) have it."""
    config = tiny_config()
    config["text_cfg"]["context_length"] = length
    tokenizer = clip_tokenizer(config["text_cfg"])
    return dataclasses.replace(make_backbone(config), tokenizer=tokenizer)


def test_the_context_makes_room_for_names_on_a_model_of_short_texts() -> None:
    template = PromptTemplate(short(16), ["cat", "golden retriever dog"], n_ctx=16)
    assert template.n_ctx == 16 - 2 - 4  # start and end; "golden retriever dog ."
    assert template.places.shape == (2, 10)
    assert template.encode(torch.randn(10, 32)).shape == (2, 16)
    assert "10 context vectors instead of n_ctx=16" in template.warning
    assert "cut" not in template.warning
    assert "\n" not in template.warning


def test_names_that_have_room_take_no_context_away() -> None:
    template = PromptTemplate(short(77), ["cat", "golden retriever dog"], n_ctx=16)
    assert (template.n_ctx, template.warning) == (16, "")


def test_names_that_are_cut_are_named_in_one_warning() -> None:
    long = "a name of a bird that nobody has seen in any garden of this town so far " * 2 + "red"
    template = PromptTemplate(short(32), ["cat", long, "dog"], n_ctx=16)
    assert template.n_ctx == 16, "a name that has no room anyway takes no context away"
    assert "1 class name is too long" in template.warning
    assert long[:80] in template.warning
    assert "dog" not in template.warning
    assert "\n" not in template.warning


@pytest.mark.parametrize("n_ctx", [4, 16])
def test_names_that_become_the_same_where_they_are_cut_are_refused(n_ctx: int) -> None:
    same = "one two three four five six seven eight nine ten " * 3
    names = ["cat", f"{same}red", f"{same}blue"]
    with pytest.raises(ModelError, match=r"red' and 'one .* blue' are the same") as caught:
        PromptTemplate(short(32), names, n_ctx=n_ctx)
    assert "\n" not in str(caught.value)
    assert PromptTemplate(short(32), ["cat", "Cat"], n_ctx=4).warning == "", "alike by themselves"


def test_the_longest_name_that_has_room_is_read_to_its_end() -> None:
    for n_ctx in range(4, 17):
        backbone = short(16)
        template = PromptTemplate(backbone, ["cat", "hot dog"], n_ctx=n_ctx)
        tokenizer: Any = backbone.tokenizer
        assert template.n_ctx == min(n_ctx, 16 - 2 - 3)
        assert not tokenizer.longer([learnable_text("hot dog", template.n_ctx)])
