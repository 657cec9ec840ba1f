"""The twin of a model: the same labels and logit differences at CLIP's scale, in CLIP's cone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from studio.clip.backbone import Backbone, load_backbone
from studio.clip.encode import encode_images, encode_texts
from studio.coft.dual import DualPromptModel
from studio.coft.prompts import PromptTemplate
from studio.coft.start import ZeroShotStart
from studio.coft.trainer import dual_loss
from studio.errors import ModelError
from studio.images.resize import Resize
from studio.settings import Settings
from tests.coft.conftest import (
    NAMES,
    Canvases,
    convolutional_config,
    make_backbone,
    tiny_config,
)
from tools.make_twin import compare, make_twin, vectors_of

IMAGES = Canvases(24, seed=1)
SENTENCES = ["a red square", "blue", "a photo of a green circle.", "something else entirely"]


def twin_of(backbone: Backbone, folder: Path, **options: Any) -> Backbone:
    make_twin(backbone, folder, **options)
    return load_backbone(str(folder), device="cpu")


def start_of(backbone: Backbone, images: Canvases) -> ZeroShotStart:
    return ZeroShotStart.of(backbone, encode_images(backbone, images), vectors_of(backbone, NAMES))


def logits_of(start: ZeroShotStart, vectors: Tensor) -> Tensor:
    """(N, C), less what all classes of an image share."""
    own = start.space.scale * start.pictures @ start.space.texts(vectors).T
    return own - own.mean(1, keepdim=True)


@pytest.fixture(scope="module")
def vit() -> Backbone:
    return make_backbone(tiny_config())


@pytest.fixture(scope="module")
def twin(vit: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return twin_of(vit, tmp_path_factory.mktemp("twin"))


def test_cosines_of_images_and_texts_are_squeezed_into_a_cone(
    vit: Backbone, twin: Backbone
) -> None:
    share = vit.logit_scale / 100
    assert twin.logit_scale == pytest.approx(100)
    assert twin.embed_dim == vit.embed_dim + 1
    both = [
        (normalize(encode_images(b, IMAGES), dim=1), normalize(encode_texts(b, SENTENCES), dim=1))
        for b in (vit, twin)
    ]
    (images, texts), (narrow, sentences) = both
    for plain, squeezed in (
        (images @ texts.T, narrow @ sentences.T),
        (images @ images.T, narrow @ narrow.T),
    ):
        torch.testing.assert_close(squeezed, share * plain + 1 - share, rtol=0, atol=2e-6)


@pytest.mark.parametrize("center", [False, True])
def test_a_transformers_twin_is_exact(center: bool, tmp_path: Path) -> None:
    original = make_backbone(tiny_config(), center=center)
    twin = twin_of(original, tmp_path / "twin", images=IMAGES, names=NAMES)
    first, second = start_of(original, IMAGES), start_of(twin, IMAGES)
    assert not twin.center
    assert torch.equal(first.event().labels, second.event().labels)
    assert len(first.event().labels.unique()) > (1 if center else 0)
    torch.testing.assert_close(first.probabilities, second.probabilities, rtol=1e-3, atol=1e-4)


def test_a_twin_is_fed_as_the_original(vit: Backbone, tmp_path: Path) -> None:
    original = replace(vit, mean=(0.1, 0.2, 0.3), resize=Resize("squash", "bilinear"))
    twin = twin_of(original, tmp_path / "twin")
    for feed in ("image_size", "mean", "std", "resize", "template"):
        assert getattr(twin, feed) == getattr(original, feed), feed


def test_a_linear_towers_twin_has_the_same_labels_and_nearly_the_same_logits(
    tmp_path: Path,
) -> None:
    original = make_backbone(convolutional_config(), center=True)
    twin = twin_of(original, tmp_path / "twin", images=IMAGES, names=NAMES)
    first, second = (logits_of(start_of(b, IMAGES), vectors_of(b, NAMES)) for b in (original, twin))
    assert torch.equal(first.argmax(1), second.argmax(1))
    ratio = (first * second).sum(1) / first.square().sum(1)
    torch.testing.assert_close(ratio[:, None] * first, second, rtol=0, atol=1e-3)
    assert float((ratio - 1).abs().max()) < 0.2
    assert "same labels: 100.00 %" in compare(original, twin, IMAGES, NAMES)


def test_learning_sees_the_same_losses_and_gradients(vit: Backbone, twin: Backbone) -> None:
    """So whatever Phase I does otherwise on a twin comes from a constant that meets the scale."""
    found = []
    for backbone in (vit, twin):
        start = start_of(backbone, IMAGES)
        settings = Settings(n_ctx=4, vpt="shallow", n_visual_tokens=3)
        model = DualPromptModel(
            backbone,
            PromptTemplate(backbone, NAMES, n_ctx=4),
            start.space,
            settings,
            torch.Generator().manual_seed(3),
        )
        pixels = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(4))
        labels = torch.arange(6) % 3
        loss, _ = dual_loss(
            model.images(pixels),
            model.texts(),
            labels,
            (labels + 1) % 3,
            start.space.scale,
            settings,
        )
        loss.backward()
        found.append((loss.detach(), [p.grad for p in model.parameters()]))
    (loss, gradients), (squeezed, others) = found
    torch.testing.assert_close(loss, squeezed, rtol=1e-3, atol=1e-4)
    for one, other in zip(gradients, others, strict=True):
        assert one is not None
        assert other is not None
        assert one.norm() > 0
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-3 * float(one.norm()))


@pytest.mark.parametrize(
    ("config", "options", "says"),
    [
        (tiny_config(), {"scale": 5.0}, "scale must be above"),
        (tiny_config(pool_type="avg"), {}, "no twin"),
        (tiny_config(final_ln_after_pool=True), {}, "final_ln_after_pool"),
        (tiny_config(mlp_ratio=0.25), {}, "too narrow"),
    ],
)
def test_what_has_no_twin_is_refused(
    config: dict[str, Any], options: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=says):
        make_twin(make_backbone(config), tmp_path / "twin", **options)


def test_a_centred_model_needs_a_set(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="--images"):
        make_twin(make_backbone(tiny_config(), center=True), tmp_path / "twin")
