"""The embedded model's files: small, half precision, an open_clip model as they are, sensible."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
import torch.nn.functional as F

from studio.clip.weights import load_sharded_state_dict, save_sharded_state_dict
from studio.untrusted import Unreadable

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "embedded"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / "open_clip_config.json").read_text("utf-8"))
    return loaded


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return load_sharded_state_dict(FOLDER)


@pytest.fixture(scope="module")
def model(config: dict[str, Any], state: dict[str, torch.Tensor]) -> torch.nn.Module:
    arguments = {k: v for k, v in config["model_cfg"].items() if k != "custom_text"}
    built = open_clip.CustomTextCLIP(**arguments)
    built.load_state_dict(state, strict=True)
    return built.eval()


@pytest.fixture(scope="module")
def encode(
    model: open_clip.CustomTextCLIP, config: dict[str, Any]
) -> Callable[[list[str]], torch.Tensor]:
    length = config["model_cfg"]["text_cfg"]["context_length"]
    tokenize = open_clip.SimpleTokenizer(context_length=length)

    @torch.no_grad()
    def features(texts: list[str]) -> torch.Tensor:
        return model.encode_text(tokenize(texts), normalize=True)

    return features


def test_files_are_small_enough_for_any_host() -> None:
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert max(sizes.values()) < 10 * MEGABYTE, sizes
    assert sum(sizes.values()) <= 40 * MEGABYTE, sizes


def test_weights_are_half_precision_and_finite(state: dict[str, torch.Tensor]) -> None:
    for name, tensor in state.items():
        if tensor.is_floating_point():
            assert tensor.dtype == torch.float16, name
            assert tensor.isfinite().all(), name


def test_split_table_comes_back_whole(state: dict[str, torch.Tensor]) -> None:
    assert state["text.token_embedding.weight"].shape[0] == 49408
    assert not [name for name in state if "#" in name]


def test_shards_keep_every_value(tmp_path: Path) -> None:
    state = {"big": torch.randn(1000, 10), "small": torch.arange(3), "scalar": torch.tensor(2.5)}
    files = save_sharded_state_dict(state, tmp_path, max_bytes=9_000)
    assert len(files) > 4
    loaded = load_sharded_state_dict(tmp_path)
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_saving_again_leaves_no_old_shard(tmp_path: Path) -> None:
    save_sharded_state_dict({"a": torch.zeros(1000, 10)}, tmp_path, max_bytes=9_000)
    save_sharded_state_dict({"a": torch.ones(2)}, tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    assert torch.equal(load_sharded_state_dict(tmp_path)["a"], torch.ones(2))


def test_a_lost_shard_is_an_error(tmp_path: Path) -> None:
    files = save_sharded_state_dict({"a": torch.zeros(1000, 10)}, tmp_path, max_bytes=9_000)
    files[1].unlink()
    with pytest.raises(Unreadable, match="is missing"):
        load_sharded_state_dict(tmp_path)


def test_open_clip_loads_the_folder_itself(config: dict[str, Any]) -> None:
    """The config has the form that open_clip reads, with known keys only."""
    assert set(config) == {"model_cfg", "preprocess_cfg"}
    hints = json.loads((FOLDER / "studio.json").read_text("utf-8"))
    size = hints["image_size"]
    assert config["preprocess_cfg"]["size"] == [size, size]
    assert config["model_cfg"]["vision_cfg"]["image_size"] == size
    open_clip.transform.PreprocessCfg(**config["preprocess_cfg"])
    assert hints["template"].format("dog").count("dog") == 1


def test_temperature_belongs_to_the_model(model: open_clip.CustomTextCLIP) -> None:
    assert 10 < model.logit_scale.exp().item() < 25


def test_text_tower_knows_what_is_alike(encode: Callable[[list[str]], torch.Tensor]) -> None:
    names = ["dog", "puppy", "airplane", "jet", "a photo of a tabby cat.", "a sports car."]
    features = encode(names)
    similarity = features @ features.T
    assert similarity[0, 1] > similarity[0, 2] + 0.2
    assert similarity[2, 3] > similarity[1, 3] + 0.2
    assert similarity[0, 4] > similarity[0, 5]


def test_texts_are_encoded_alike_each_time(encode: Callable[[list[str]], torch.Tensor]) -> None:
    alone = encode(["a siamese cat"])
    among = encode(["a truck", "a siamese cat", "an oak tree in autumn"])[1:2]
    assert torch.equal(encode(["a siamese cat"]), alone)
    torch.testing.assert_close(among, alone, rtol=0, atol=1e-5)


def test_training_forward_is_open_clips_own(
    model: open_clip.CustomTextCLIP, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build takes a short cut through the text tower; it must not learn another model."""
    monkeypatch.syspath_prepend(str(FOLDER.parents[1] / "tools"))
    from embedded.student import end_features

    text = model.text
    tokenize = open_clip.SimpleTokenizer(context_length=text.context_length)
    ids = tokenize(["cat", "a photo of a golden retriever.", "stone"])
    longest = int(ids.argmax(1).max()) + 1
    with torch.no_grad():
        short_cut = end_features(text, text.token_embedding(ids[:, :longest]), ids.argmax(1))
        torch.testing.assert_close(short_cut, text(ids), rtol=1e-4, atol=1e-4)


def test_long_prompts_fit(config: dict[str, Any]) -> None:
    """SOS, 16 context vectors, a name of 12 tokens, a full stop and EOS."""
    assert config["model_cfg"]["text_cfg"]["context_length"] >= 40


def test_context_changes_classes_in_their_own_ways(
    model: open_clip.CustomTextCLIP, config: dict[str, Any]
) -> None:
    """Else prompts could be learnt, but no class would move against another."""
    text = model.text
    tokenize = open_clip.SimpleTokenizer(context_length=text.context_length)
    ids = tokenize(["cat.", "dog.", "fire truck.", "pizza."])
    rows = torch.arange(len(ids))

    def class_vectors(context: torch.Tensor) -> torch.Tensor:
        x = text.token_embedding(ids)
        spread = context.expand(len(ids), -1, -1)
        x = torch.cat([x[:, :1], spread, x[:, 1:]], 1)[:, : text.context_length]
        x = text.transformer(x + text.positional_embedding, attn_mask=text.attn_mask)
        x = text.ln_final(x)[rows, ids.argmax(1) + context.shape[0]] @ text.text_projection
        x = F.normalize(x, dim=1)
        return F.normalize(x - x.mean(0), dim=1)

    generator = torch.Generator().manual_seed(0)
    context = 0.02 * torch.randn(16, text.width, generator=generator)
    context.requires_grad_()
    before = class_vectors(context)
    (before[0] @ before[1].detach()).backward()
    assert context.grad is not None
    moved = context.detach() - 0.5 * context.grad / context.grad.std()
    with torch.no_grad():
        after = class_vectors(moved)
    cosines = (before.detach() * after).sum(1)
    assert cosines.min() < 0.995
    assert cosines.std() > 1e-3


def test_images_become_unit_features(
    model: open_clip.CustomTextCLIP, config: dict[str, Any]
) -> None:
    size = config["preprocess_cfg"]["size"][0]
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, size, size, generator=generator) * 2 - 1
    with torch.no_grad():
        features = model.encode_image(images, normalize=True)
    assert features.shape == (2, config["model_cfg"]["embed_dim"])
    assert features.isfinite().all()
    assert not torch.equal(features[0], features[1])
