"""Prompts, adapters and where gradients go (test 4 of the specification)."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from studio.clip.backbone import Backbone, build_visual
from studio.coft.adapters import PromptTokens, ScaleShift, transformer_of
from studio.coft.classifier import Tower
from studio.coft.dual import DualPromptModel, judge
from studio.coft.judge import TrainingSet
from studio.coft.phase1 import build_models
from studio.coft.prompts import PromptTemplate
from studio.coft.towers import _probe, average_with_start
from studio.coft.trainer import Trainer, dual_loss
from studio.errors import ModelError
from studio.settings import Settings
from tests.coft.conftest import NAMES, Canvases, random_task, tiny_config


def model_of(backbone: Backbone, **overrides: Any) -> DualPromptModel:
    """Model 1 on the given backbone."""
    return build_models(random_task(backbone, Canvases(6), **overrides))[0]


def test_context_vectors_stand_between_start_and_name(vit: Backbone) -> None:
    template = PromptTemplate(vit, NAMES, n_ctx=4)
    assert template.places.tolist() == [[1, 2, 3, 4]] * len(NAMES)
    name = vit.tokenizer([f"{NAMES[1]}."])[0]
    length = int((name != 0).sum()) - 1
    assert template.tokens[1, 5 : 5 + length].tolist() == name[1 : 1 + length].tolist()


def test_contexts_equal_to_the_placeholders_embedding_give_the_plain_text_feature(
    vit: Backbone,
) -> None:
    template = PromptTemplate(vit, NAMES, n_ctx=4)
    embedding = vit.model.token_embedding.weight[template.tokens[0, 1]]  # type: ignore[union-attr, index]
    with torch.no_grad():
        expected = vit.model.encode_text(template.tokens)  # type: ignore[operator]
        got = template.encode(embedding.expand(4, -1))
        other = template.encode(embedding.expand(4, -1) + 1.0)
    torch.testing.assert_close(got, expected)
    assert not torch.allclose(other, expected)


def test_too_many_context_vectors_are_refused(vit: Backbone) -> None:
    with pytest.raises(ModelError, match="n_ctx"):
        PromptTemplate(vit, NAMES, n_ctx=60)


def test_context_vectors_that_leave_no_room_for_the_names_are_refused(vit: Backbone) -> None:
    """All classes would have the same prompt, and nothing could be learned."""
    with pytest.raises(ModelError, match="no room for the class names"):
        PromptTemplate(vit, NAMES, n_ctx=38)
    assert len(PromptTemplate(vit, ["cat", "Cat"], n_ctx=3).tokens) == 2, "alike by themselves"


def test_class_specific_contexts_have_one_per_class(vit: Backbone) -> None:
    model = model_of(vit, class_specific_context=True)
    assert model.positive.shape == (3, 16, 32)
    model.texts()[0][0].sum().backward()
    assert model.positive.grad is not None
    assert model.positive.grad[0].abs().sum() > 0


@pytest.mark.parametrize("kind", ["deep", "shallow"])
def test_prompt_tokens_change_features_and_leave_the_tower_alone(vit: Backbone, kind: str) -> None:
    pixels = torch.randn(2, 3, 32, 32)
    adapter = PromptTokens(
        vit.visual, kind=kind, tokens=5, generator=torch.Generator().manual_seed(0)
    )
    assert adapter.tokens.shape == (2 if kind == "deep" else 1, 5, 64)
    before = vit.visual(pixels)
    adapted = adapter.tail(vit.visual, pixels)
    assert adapted.shape == before.shape
    assert not torch.allclose(adapted, before)
    torch.testing.assert_close(vit.visual(pixels), before)


@pytest.mark.parametrize("name", ["vitamin_small_224", "vit_base_mci_224"])
def test_tokens_fit_where_stages_of_convolutions_make_the_patches(name: str) -> None:
    """ViTamin, and MobileCLIP's B; without memory, for nothing but the shapes is looked at."""
    vision = {"timm_model_name": name, "timm_pool": "avg", "timm_proj": None, "image_size": 224}
    with torch.device("meta"):
        visual = build_visual(tiny_config() | {"vision_cfg": vision})
        pixels = torch.zeros(2, 3, 224, 224)
    adapter = PromptTokens(visual, kind="deep", tokens=3, generator=torch.Generator())
    width = adapter.tokens.shape[2]
    assert float(adapter.tokens.detach().abs().max()) <= math.sqrt(6 / (3 * 16 * 16 + width))
    assert adapter.to("meta").tail(visual, pixels).shape == visual(pixels).shape
    stages = list(transformer_of(visual)[1].parameters())
    assert len(stages) > 2, "they are the patch embedding, which Phase II may leave as it is"


def test_deep_tokens_are_fresh_in_every_block(vit: Backbone) -> None:
    adapter = PromptTokens(
        vit.visual, kind="deep", tokens=3, generator=torch.Generator().manual_seed(0)
    )
    lengths: list[int] = []
    blocks = vit.visual.transformer.resblocks  # type: ignore[union-attr]
    handles = [
        b.register_forward_hook(lambda _m, _i, o: lengths.append(o.shape[1])) for b in blocks
    ]
    adapter.tail(vit.visual, torch.randn(1, 3, 32, 32)).sum().backward()
    for handle in handles:
        handle.remove()
    assert lengths == [4 + 1 + 3] * 2, "the tokens of the block before have to go"
    assert adapter.tokens.grad is not None
    assert (adapter.tokens.grad.abs().sum((1, 2)) > 0).all()


def test_tokens_start_within_the_bound_of_vpt(vit: Backbone) -> None:
    tokens = PromptTokens(
        vit.visual, kind="deep", tokens=50, generator=torch.Generator().manual_seed(0)
    ).tokens
    bound = math.sqrt(6 / (3 * 16 * 16 + 64))  # patches of 16 pixels, width 64
    assert float(tokens.detach().abs().max()) == pytest.approx(bound, rel=0.01)
    assert float(tokens.detach().mean()) == pytest.approx(0, abs=0.1 * bound)


class Mixing(nn.Module):
    """A transformer that says which axis the images are on; each block adds the token mean."""

    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        self.transformer = nn.Module()
        self.transformer.batch_first = batch_first
        self.transformer.resblocks = nn.ModuleList(Block(batch_first) for _ in range(2))
        self.conv1 = nn.Conv2d(3, 8, 4, stride=4)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.conv1(pixels).flatten(2).transpose(1, 2)
        x = x if self.transformer.batch_first else x.transpose(0, 1)
        for block in self.transformer.resblocks:
            x = block(x)
        return x.mean(1 if self.transformer.batch_first else 0)


class Block(nn.Module):
    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.axis = 1 if batch_first else 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + x.mean(self.axis, keepdim=True)


@pytest.mark.parametrize("kind", ["deep", "shallow"])
def test_tokens_stand_behind_the_patches_whichever_axis_comes_first(kind: str) -> None:
    torch.manual_seed(0)
    first, second = Mixing(batch_first=True), Mixing(batch_first=False)
    second.load_state_dict(first.state_dict())
    pixels = torch.randn(3, 3, 12, 12)
    features = []
    for visual in (first, second):
        adapter = PromptTokens(
            visual, kind=kind, tokens=2, generator=torch.Generator().manual_seed(1)
        )
        with torch.no_grad():
            features.append(adapter.tail(visual, pixels))
            # Each block adds the mean of 9 patches and 2 tokens to all of them.
            x = first.conv1(pixels).flatten(2).transpose(1, 2)
            tokens = adapter.tokens[0].expand(3, -1, -1)
            for layer in range(2):
                if layer and kind == "deep":
                    tokens = adapter.tokens[layer].expand(3, -1, -1)
                both = torch.cat([x, tokens], 1)
                both = both + both.mean(1, keepdim=True)
                x, tokens = both[:, :9], both[:, 9:]
        torch.testing.assert_close(features[-1], x.mean(1))
    torch.testing.assert_close(features[0], features[1])


def test_scale_and_shift_of_nought_change_nothing(convnet: Backbone) -> None:
    pixels = torch.randn(2, 3, 64, 64)
    adapter = ScaleShift(convnet.visual, stages=2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.zero_()
        adapted = adapter.tail(convnet.visual, adapter.prefix(convnet.visual, pixels))
        torch.testing.assert_close(adapted, convnet.visual(pixels), rtol=1e-3, atol=1e-4)


def test_scale_and_shift_splits_where_it_says_and_merges_into_an_ordinary_tower(
    convnet: Backbone,
) -> None:
    import copy

    pixels = torch.randn(2, 3, 64, 64)
    adapter = ScaleShift(convnet.visual, stages=2, generator=torch.Generator().manual_seed(0))
    assert adapter.has_frozen_prefix
    with torch.no_grad():
        adapted = adapter.tail(convnet.visual, adapter.prefix(convnet.visual, pixels))
        plain = copy.deepcopy(convnet.visual)
        assert not torch.allclose(plain(pixels), adapted)
        plain.load_state_dict(adapter.merged_state(convnet.visual))
        torch.testing.assert_close(plain(pixels), adapted, rtol=1e-3, atol=1e-4)
        whole = ScaleShift(convnet.visual, stages=0, generator=torch.Generator().manual_seed(0))
    assert not whole.has_frozen_prefix
    assert len(whole.scale) > len(adapter.scale) > 0


@pytest.mark.parametrize("backbone_name", ["vit", "convnet"])
@pytest.mark.parametrize("visual", [True, False])
@pytest.mark.parametrize("positive", [True, False])
def test_the_negative_loss_reaches_what_its_settings_say(
    request: pytest.FixtureRequest, backbone_name: str, visual: bool, positive: bool
) -> None:
    backbone: Backbone = request.getfixturevalue(backbone_name)
    settings = Settings(l2_grad_visual=visual, l2_grad_positive=positive)
    model = model_of(backbone, l2_grad_visual=visual, l2_grad_positive=positive)
    pixels = torch.randn(4, 3, backbone.image_size, backbone.image_size)
    hidden = model.adapter.prefix(backbone.visual, pixels)
    labels, complements = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 2, 0, 2])
    images, texts = model.images(hidden), model.texts()
    both, _ = dual_loss(images, texts, labels, complements, 20.0, settings)
    only_first, _ = dual_loss(
        images,
        texts,
        labels,
        complements,
        20.0,
        Settings(l2_grad_visual=visual, l2_grad_positive=positive, l2_weight=0.0),
    )
    second = both - only_first  # L2 alone
    tokens = next(iter(model.adapter.parameters()))
    of_visual, of_positive, of_negative = torch.autograd.grad(
        second, [tokens, model.positive, model.negative], allow_unused=True
    )
    assert of_negative.abs().sum() > 0
    for gradient, wanted in ((of_visual, visual), (of_positive, positive)):
        size = 0.0 if gradient is None else float(gradient.abs().sum())
        assert (size > 1e-6) == wanted


def test_the_two_models_start_apart_and_the_same_seed_starts_alike(vit: Backbone) -> None:
    first, second = build_models(random_task(vit, Canvases(6), seed=1))
    again, _ = build_models(random_task(vit, Canvases(6), seed=1))
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, dict(again.named_parameters())[name])
        assert not torch.equal(parameter, dict(second.named_parameters())[name])


def test_only_added_parameters_are_the_models_own(vit: Backbone) -> None:
    names = {name for name, _ in model_of(vit).named_parameters()}
    assert names == {"positive", "negative", "adapter.tokens"}


def test_averaging_goes_the_given_share_of_the_way() -> None:
    tower = Tower(nn.Linear(3, 3), nn.Linear(3, 2))
    start = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter += 1
    average_with_start(tower, start, share=0.25)
    for name, tensor in tower.state_dict().items():
        torch.testing.assert_close(tensor, start[name] + 0.25)


def test_a_judgement_keeps_log_odds_apart_that_half_precision_would_not(vit: Backbone) -> None:
    model = model_of(vit)
    texts = torch.randn(40, 16, generator=torch.Generator().manual_seed(1))
    positive, negative = normalize(texts, dim=1), normalize(-texts, dim=1)
    pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    judged = judge([model], pixels, [(positive, negative)], 1000.0)
    with torch.no_grad():
        images = model.images(pixels)
    assert judged.log_odds.dtype == torch.float32
    assert torch.equal(judged.log_odds[0], 1000.0 * (images @ positive.T - images @ negative.T))
    assert float(judged.log_odds.max()) > 100.0


def test_heads_work_in_float32_under_autocast() -> None:
    """Cosines .3 and .3005 times 100 are one number in bfloat16."""
    head = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        head.weight.copy_(100 * torch.tensor([[0.3, 0.0], [0.3005, 0.0], [0.3002, 0.0]]))
    tower = Tower(nn.Identity(), head)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = tower(torch.tensor([[1.0, 0.5]]))
    assert logits.dtype == torch.float32
    assert logits[0].argsort().tolist() == [0, 2, 1]


@pytest.mark.parametrize("scale", [15.0, 100.0])
def test_a_probe_says_the_same_of_features_in_a_cone(scale: float) -> None:
    """The same logits to start from, squeezed into a cone at the larger scale."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    features = torch.eye(3, 9)[labels] + 0.5 * torch.randn(60, 9, generator=draw)
    features[:, 8] = 0.0  # room for what the others have in common
    features = normalize(features - features.mean(0), dim=1)
    features -= features.mean(0)
    texts = normalize(torch.randn(3, 9, generator=draw) * (torch.arange(9) < 8), dim=1)
    data = TrainingSet(torch.arange(60), labels, torch.ones(60))
    share = 15.0 / scale
    common = (1 - share) ** 0.5 * torch.eye(9)[8]
    squeezed, heads = share**0.5 * features + common, share**0.5 * texts + common
    weight, bias = _probe(features, data, 15.0 * texts, torch.zeros(3))
    narrow, beside = _probe(squeezed, data, scale * heads, torch.zeros(3))
    plain, found = (features @ weight.T + bias), (squeezed @ narrow.T + beside)
    assert (plain.argmax(1) == labels).float().mean() > 0.8
    torch.testing.assert_close(plain.softmax(1), found.softmax(1), rtol=0, atol=0.01)


def test_each_side_takes_its_own_step_however_large_the_others_gradient_is(vit: Backbone) -> None:
    """At CLIP's scale the texts' gradient is a hundred times that of the visual tokens."""
    model = model_of(vit)
    settings = Settings(momentum=0.0, weight_decay=0.0)
    trainer = Trainer(model, 0, settings, steps=9, round_number=1, part=8)
    before = [parameter.detach().clone() for parameter in model.parameters()]

    def gradients(*_arguments: Any) -> dict[str, list[torch.Tensor]]:
        for parameter, size in ((model.positive, 300.0), (model.negative, 400.0)):
            parameter.grad = torch.full_like(parameter, size / parameter.numel() ** 0.5)
        for parameter in model.adapter.parameters():
            parameter.grad = torch.full_like(parameter, 0.5 / parameter.numel() ** 0.5)
        return {"loss": []}

    trainer._gradients = gradients  # type: ignore[method-assign]
    rate = trainer.rate
    trainer.step(torch.zeros(2, 3, 32, 32), torch.tensor([0, 1]), torch.rand(2, 3), 100.0)
    moved = [
        float((now.detach() - was).norm())
        for now, was in zip(model.parameters(), before, strict=True)
    ]
    assert moved == pytest.approx([0.6 * rate, 0.8 * rate, 0.5 * rate], rel=1e-3)
