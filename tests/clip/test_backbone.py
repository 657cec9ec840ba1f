"""Loading models: local folders and files, what is refused, and a hub out of reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.clip.backbone import build_model, load_backbone
from studio.clip.encode import encode_texts
from studio.clip.presets import presets
from studio.clip.sources import is_here
from studio.errors import ModelError
from tests.coft.conftest import convolutional_config, make_backbone, tiny_config


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder as open_clip saves models: config and safetensors."""
    folder = tmp_path / "model"
    folder.mkdir()
    config = {
        "model_cfg": tiny_config(),
        "preprocess_cfg": {"size": 32, "mean": [0.1] * 3, "std": [0.2] * 3},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.manual_seed(7)
    save_file(build_model(tiny_config()).state_dict(), folder / "open_clip_model.safetensors")
    return folder


def test_a_local_folder_loads_with_its_own_preprocessing(checkpoint: Path) -> None:
    backbone = load_backbone(str(checkpoint), device="cpu")
    assert backbone.image_size == 32
    assert backbone.mean == (0.1, 0.1, 0.1)
    assert backbone.embed_dim == 16
    assert backbone.is_transformer
    assert not backbone.takes_any_size
    assert not any(p.requires_grad for p in backbone.model.parameters())
    torch.manual_seed(7)
    expected = build_model(tiny_config()).visual(torch.ones(1, 3, 32, 32))  # type: ignore[operator]
    torch.testing.assert_close(backbone.visual(torch.ones(1, 3, 32, 32)), expected)


def test_the_fingerprint_follows_the_weights(checkpoint: Path) -> None:
    first = load_backbone(str(checkpoint), device="cpu").fingerprint
    assert first == load_backbone(str(checkpoint), device="cpu").fingerprint
    save_file(build_model(tiny_config()).state_dict(), checkpoint / "open_clip_model.safetensors")
    assert load_backbone(str(checkpoint), device="cpu").fingerprint != first


@pytest.mark.parametrize(
    "other",
    [{"quick_gelu": True}, {"vision_cfg": tiny_config()["vision_cfg"] | {"head_width": 16}}],
)
def test_what_weights_do_not_tell_is_in_the_fingerprint(
    other: dict[str, Any], checkpoint: Path
) -> None:
    """Else features of one would be taken from the cache for the other."""
    first = load_backbone(str(checkpoint), device="cpu")
    file = checkpoint / "open_clip_config.json"
    said = json.loads(file.read_text())
    file.write_text(json.dumps(said | {"model_cfg": tiny_config() | other}))
    second = load_backbone(str(checkpoint), device="cpu")
    pixels = torch.ones(1, 3, 32, 32)
    assert not torch.allclose(first.visual(pixels), second.visual(pixels))
    assert first.fingerprint != second.fingerprint
    file.write_text(json.dumps(said | {"model_cfg": tiny_config() | {"quick_gelu": False}}))
    assert load_backbone(str(checkpoint), device="cpu").fingerprint == first.fingerprint


def test_a_file_for_a_named_architecture_loads(tmp_path: Path) -> None:
    name = "ViT-S-32-alt"  # the smallest transformer in open_clip's list
    config = open_clip.get_model_config(name)
    file = tmp_path / "weights.safetensors"
    save_file(build_model(config).state_dict(), file)
    backbone = load_backbone(f"{name}={file}", device="cpu")
    assert backbone.image_size == 224
    assert backbone.logit_scale == pytest.approx(1 / 0.07, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no-such-model", "embedded"),
        ("no-such-arch=/x.safetensors", "no-such-arch"),
        ("ViT-B-32=/nowhere/weights.pt", "not a .safetensors"),
        ("ViT-B-32=/nowhere/weights.safetensors", "no file"),
        ("ViT-B-32=~nobody-of-this-name/weights.safetensors", "no file"),
        (f"ViT-B-32=/{300 * 'x'}.safetensors", "no file"),
        ("~nobody-of-this-name/model", "no model"),
        (300 * "x", "no model"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line(name: str, says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        load_backbone(name, device="cpu")
    assert "\n" not in str(caught.value)
    assert not is_here(name)


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="open_clip_config"):
        load_backbone(str(tmp_path), device="cpu")


def test_a_configuration_that_is_no_text_beside_a_file_is_refused(checkpoint: Path) -> None:
    (checkpoint / "open_clip_config.json").write_bytes(b"\xff\xfe{")
    file = checkpoint / "open_clip_model.safetensors"
    with pytest.raises(ModelError, match="is damaged"):
        load_backbone(f"ViT-S-32-alt={file}", device="cpu")


ODD: dict[str, dict[str, Any]] = {
    "context": {"text_cfg": {"context_length": "77"}},
    "no context": {"text_cfg": {"context_length": None}},
    "tokenizer": {"text_cfg": {"hf_tokenizer_name": 7}},
    "options": {"text_cfg": {"tokenizer_kwargs": 7}},
    "names of options": {"text_cfg": {"tokenizer_kwargs": {"7": 7}}},
    "cleaning": {"text_cfg": {"tokenizer_kwargs": {"clean": ["lower"]}}},
    "mean": {"preprocess_cfg": {"mean": 10**400}},
    "std": {"preprocess_cfg": {"std": [0.5, 0.5, 1e300]}},
    "resize": {"preprocess_cfg": {"resize_mode": ["squash"]}},
    "interpolation": {"preprocess_cfg": {"interpolation": {}, "resize_mode": {"a": 1}}},
}


@pytest.mark.parametrize("odd", list(ODD))
def test_an_odd_configuration_is_refused_in_one_line(odd: str, checkpoint: Path) -> None:
    config = tiny_config()
    config["text_cfg"] |= ODD[odd].get("text_cfg", {})
    whole = {"model_cfg": config, "preprocess_cfg": ODD[odd].get("preprocess_cfg", {})}
    (checkpoint / "open_clip_config.json").write_text(json.dumps(whole))
    with pytest.raises(ModelError) as caught:
        load_backbone(str(checkpoint), device="cpu")
    assert "\n" not in str(caught.value)


def test_images_have_the_size_of_the_tower_where_the_configuration_does_not_tell(
    checkpoint: Path,
) -> None:
    config = tiny_config()
    del config["vision_cfg"]["image_size"]
    whole = {"model_cfg": config, "preprocess_cfg": {"size": 32}}
    (checkpoint / "open_clip_config.json").write_text(json.dumps(whole))
    save_file(build_model(config).state_dict(), checkpoint / "open_clip_model.safetensors")
    backbone = load_backbone(str(checkpoint), device="cpu")
    pixels = torch.zeros(1, 3, backbone.image_size, backbone.image_size)
    assert backbone.visual(pixels).shape == (1, 16)


@pytest.mark.parametrize("stored", [100.0, float("nan"), float("inf")])
def test_weights_without_a_usable_logit_scale_are_refused(stored: float, checkpoint: Path) -> None:
    """e to the 100 is no number of float32; every label would be that of the first class."""
    file = checkpoint / "open_clip_model.safetensors"
    save_file(load_file(file) | {"logit_scale": torch.tensor(stored)}, file)
    with pytest.raises(ModelError, match="logit scale"):
        load_backbone(str(checkpoint), device="cpu")


def test_texts_that_give_no_numbers_are_refused(checkpoint: Path) -> None:
    file = checkpoint / "open_clip_model.safetensors"
    state = load_file(file)
    save_file(state | {"text_projection": state["text_projection"] / 0}, file)
    with pytest.raises(ModelError, match="no finite numbers for texts"):
        encode_texts(load_backbone(str(checkpoint), device="cpu"), ["a dog"])


def test_weights_of_another_maker_are_refused_in_one_line(checkpoint: Path) -> None:
    """By this name open_clip knows MobileCLIP's own files, and turns them round for it alone."""
    other = {"image_encoder.model.patch_emb.0.block.conv.weight": torch.zeros(1)}
    save_file(other, checkpoint / "open_clip_model.safetensors")
    with pytest.raises(ModelError, match="do not fit") as caught:
        load_backbone(str(checkpoint), device="cpu")
    assert "\n" not in str(caught.value)


def test_other_libraries_weights_may_lie_beside_those_of_open_clip(checkpoint: Path) -> None:
    """As in a copy of a whole repository of the hub."""
    expected = load_backbone(str(checkpoint), device="cpu").fingerprint
    save_file({"vision_model.a": torch.zeros(1)}, checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors.index.json").write_text("{}")
    assert load_backbone(str(checkpoint), device="cpu").fingerprint == expected


def test_weights_of_another_architecture_are_refused_in_one_line(checkpoint: Path) -> None:
    save_file(
        build_model(tiny_config(width=32)).state_dict(), checkpoint / "open_clip_model.safetensors"
    )
    with pytest.raises(ModelError, match="do not fit") as caught:
        load_backbone(str(checkpoint), device="cpu")
    assert "\n" not in str(caught.value)


def test_a_torn_weights_file_is_refused_in_one_line(checkpoint: Path) -> None:
    file = checkpoint / "open_clip_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError) as caught:
        load_backbone(str(checkpoint), device="cpu")
    assert "\n" not in str(caught.value)


def test_a_hub_out_of_reach_offers_the_embedded_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(open_clip, "create_model", refuse)
    with pytest.raises(ModelError, match="embedded"):
        load_backbone("ViT-B-32", device="cpu")


@pytest.mark.parametrize("name", [p for p in presets() if p != "embedded"])
def test_every_preset_names_an_architecture_and_weights_of_open_clip(name: str) -> None:
    from studio.clip.presets import PRESETS

    preset = PRESETS[name]
    assert open_clip.get_model_config(preset.architecture) is not None
    assert preset.tag in open_clip.list_pretrained_tags_by_model(preset.architecture)


def test_a_convolutional_tower_takes_any_size() -> None:
    backbone = make_backbone(convolutional_config())
    assert not backbone.is_transformer
    assert backbone.takes_any_size
    assert backbone.visual(torch.zeros(1, 3, 96, 96)).shape == (1, 16)
