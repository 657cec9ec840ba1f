"""Features of images and class names, their space and their cache."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from studio.clip.encode import class_vectors, encode_images, encode_texts, preprocess
from studio.clip.space import Space
from studio.clip.store import image_features
from studio.errors import Stopped
from tests.coft.conftest import Canvases, make_backbone, tiny_config

BACKBONE = make_backbone(tiny_config())


def test_preprocessing_is_a_resize_and_the_models_normalisation() -> None:
    grey = torch.full((2, 3, 40, 40), 51, dtype=torch.uint8)
    pixels = preprocess(grey, BACKBONE)
    assert pixels.shape == (2, 3, 32, 32)
    torch.testing.assert_close(pixels, torch.full_like(pixels, (0.2 - 0.5) / 0.5))


def test_features_come_in_order_whatever_the_batches() -> None:
    images = Canvases(70)
    seen: list[tuple[int, int]] = []
    features = encode_images(
        BACKBONE, images, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(16, 70), (32, 70), (48, 70), (64, 70), (70, 70)]
    with torch.no_grad():
        last = BACKBONE.visual(preprocess(images.batch([69]), BACKBONE))
    torch.testing.assert_close(features[69:], last, rtol=1e-4, atol=1e-5)


def test_stop_is_asked_before_each_batch() -> None:
    with pytest.raises(Stopped):
        encode_images(BACKBONE, Canvases(70), stop=lambda: True)


def test_class_vectors_are_the_normalised_mean_over_templates() -> None:
    templates = ["a photo of a {}.", "art of the {}."]
    vectors = class_vectors(BACKBONE, ["hot_dog", "cat"], templates)
    each = normalize(
        encode_texts(BACKBONE, ["a photo of a hot dog.", "art of the hot dog."]), dim=-1
    )
    torch.testing.assert_close(vectors[0], normalize(each.mean(0), dim=0))
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2))


def test_the_plain_space_is_the_cosine_and_the_centred_one_ignores_what_all_share() -> None:
    generator = torch.Generator().manual_seed(0)
    features, vectors = (
        torch.randn(8, 5, generator=generator),
        torch.randn(3, 5, generator=generator),
    )
    plain = Space.of(image_features=features, class_vectors=vectors, scale=10.0, center=False)
    cosines = normalize(features, dim=-1) @ normalize(vectors, dim=-1).T
    torch.testing.assert_close(plain.probabilities(features, vectors), (10 * cosines).softmax(-1))
    centred = Space.of(image_features=features, class_vectors=vectors, scale=10.0, center=True)
    torch.testing.assert_close(centred.images(features).norm(dim=-1), torch.ones(8))
    shifted = Space.of(image_features=features + 3, class_vectors=vectors, scale=10.0, center=True)
    torch.testing.assert_close(
        shifted.probabilities(features + 3, vectors), centred.probabilities(features, vectors)
    )


def test_a_second_call_encodes_nothing_and_a_grown_set_only_what_is_new(tmp_path: Path) -> None:
    images, keys = Canvases(10), [f"image {i}" for i in range(10)]
    first = image_features(BACKBONE, images, keys=keys[:8], cache_dir=tmp_path)
    torch.testing.assert_close(first, encode_images(BACKBONE, images)[:8], rtol=1e-4, atol=1e-5)
    images.calls.clear()
    assert torch.equal(image_features(BACKBONE, images, keys=keys[:8], cache_dir=tmp_path), first)
    assert images.calls == []
    grown = image_features(BACKBONE, images, keys=keys, cache_dir=tmp_path)
    assert images.calls == [8, 9]
    assert torch.equal(grown[:8], first)


def test_features_follow_their_keys_when_the_order_changes(tmp_path: Path) -> None:
    images, keys = Canvases(4), [f"image {i}" for i in range(4)]
    first = image_features(BACKBONE, images, keys=keys, cache_dir=tmp_path)
    assert torch.equal(
        image_features(BACKBONE, images, keys=keys[::-1], cache_dir=tmp_path), first.flip(0)
    )


def test_another_model_has_its_own_features_and_a_torn_file_is_replaced(tmp_path: Path) -> None:
    images, keys = Canvases(4), [f"image {i}" for i in range(4)]
    first = image_features(BACKBONE, images, keys=keys, cache_dir=tmp_path)
    other = image_features(
        make_backbone(tiny_config(), seed=1), images, keys=keys, cache_dir=tmp_path
    )
    assert not torch.allclose(first, other)
    for file in tmp_path.rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:50])
    torch.testing.assert_close(
        image_features(BACKBONE, images, keys=keys, cache_dir=tmp_path), first
    )
