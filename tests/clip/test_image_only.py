"""Models of timm that read no names."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from studio.clip.encode import encode_images, preprocess
from studio.clip.image_only import image_space, load_any, load_image_only, reads_names
from studio.errors import ModelError
from tests.coft.conftest import Canvases

SMALL = "mobilenetv3_small_050"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a classifier, as they are published."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("timm") / "model.safetensors"
    save_file(timm.create_model(SMALL, pretrained=False).state_dict(), path)
    return path


def test_its_features_are_those_of_timm_before_the_classifier(weights: Path) -> None:
    backbone = load_any(f"timm:{SMALL}={weights}")
    assert not reads_names(backbone)
    assert backbone.image_size == 224
    whole = timm.create_model(SMALL, pretrained=False).eval()
    whole.load_state_dict(load_file(weights))
    images = Canvases(5)
    features = encode_images(backbone, images)
    assert backbone.embed_dim == features.shape[1] != whole.num_features
    with torch.inference_mode():
        pixels = preprocess(images.batch(range(5)), backbone)
        expected = whole.forward_head(whole.forward_features(pixels), pre_logits=True)
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)
    assert load_any(f"timm:{SMALL}={weights}").fingerprint == backbone.fingerprint


def test_each_is_fed_as_the_weights_that_are_named(tmp_path: Path) -> None:
    """timm's own weights of one architecture differ in what they were trained on."""
    name, file = "mobilenetv4_conv_small", tmp_path / "model.safetensors"
    save_file(timm.create_model(name, pretrained=False).state_dict(), file)
    other = load_image_only(f"timm:{name}.e3600_r256_in1k={file}")
    assert other.mean == (0.5, 0.5, 0.5)
    assert other.image_size == 256
    plain = load_image_only(f"timm:{name}={file}")
    assert plain.mean == (0.485, 0.456, 0.406)
    assert plain.fingerprint != other.fingerprint


def test_the_environment_says_on_which_device(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_DEVICE", "nowhere")
    with pytest.raises(ModelError, match="no device"):
        load_image_only(f"timm:{SMALL}={weights}")


def test_what_all_images_have_in_common_is_taken_away() -> None:
    features = torch.randn(20, 6) + 40
    unit = image_space(features)
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(20))
    assert float(unit.mean(0).norm()) < 0.5


def test_it_refuses_what_it_cannot_load_in_one_line(weights: Path, tmp_path: Path) -> None:
    for name, words in (
        ("timm:no_such_model=x.safetensors", "timm has no model 'no_such_model'"),
        (f"timm:{SMALL}={tmp_path / 'a.pth'}", "can run code"),
        (f"timm:{SMALL}={tmp_path / 'a.safetensors'}", "There is no file"),
        (f"timm:{SMALL}.no_tag={weights}", "timm knows no weights 'no_tag' of mobilenetv3"),
        (f"timm:vit_base_patch16_sapiens2={weights}", "1024 x 768 pixels"),
        (f"timm:mobilenetv3_small_075={weights}", "do not fit the architecture"),
    ):
        with pytest.raises(ModelError, match=words) as told:
            load_image_only(name)
        assert "\n" not in str(told.value)
