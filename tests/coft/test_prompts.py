"""Learnable prompts are read to the end of the longest, with the features of the whole length."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from studio.clip.backbone import Backbone
from studio.coft.prompts import PromptTemplate
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
