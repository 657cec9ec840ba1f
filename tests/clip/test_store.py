"""Features on disk: known again whatever set an image comes in, and never torn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.clip import store
from studio.clip.encode import encode_images
from studio.clip.store import Shards, image_features
from studio.errors import ModelError, Stopped
from tests.coft.conftest import Canvases, make_backbone, tiny_config

BACKBONE = make_backbone(tiny_config())


def keys_of(*numbers: int) -> list[str]:
    return [f"image {i}" for i in numbers]


def some(images: Canvases, *numbers: int, cache: Path) -> torch.Tensor:
    """Features of some of the images, from the cache or the model."""
    subset = store._Subset(images, numbers)
    return image_features(BACKBONE, subset, keys=keys_of(*numbers), cache_dir=cache)


def files(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.safetensors"))


def test_an_image_is_known_again_in_any_set(tmp_path: Path) -> None:
    """Also after another set of the same model was opened in between."""
    images = Canvases(12)
    first = some(images, *range(8), cache=tmp_path)
    other = some(images, 10, 11, cache=tmp_path)
    images.calls.clear()
    torch.testing.assert_close(some(images, 11, 3, 3, cache=tmp_path)[0], other[1])
    assert images.calls == []
    mixed = some(images, 3, 9, 10, cache=tmp_path)
    assert images.calls == [9]
    assert torch.equal(mixed[0], first[3])
    assert torch.equal(mixed[2], other[0])


def test_copies_are_encoded_once_and_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    """So a set says the same when it is read from the cache, where each key has one row."""
    images, told = Canvases(40), list[tuple[int, int]]()
    keys = [f"image {i % 17}" for i in range(40)]

    def features() -> torch.Tensor:
        return image_features(
            BACKBONE, images, keys=keys, cache_dir=tmp_path,
            progress=lambda *how_far: told.append(how_far),
        )  # fmt: skip

    made = features()
    assert images.calls == list(range(17))
    assert told[-1] == (17, 17)
    assert torch.equal(made[17:34], made[:17])
    assert torch.equal(made[34:], made[:6])
    (shard,) = files(tmp_path)
    assert load_file(shard)["keys"].shape == (17,)
    assert torch.equal(features(), made)


def test_one_new_image_costs_one_row(tmp_path: Path) -> None:
    images = Canvases(10)
    some(images, *range(9), cache=tmp_path)
    before = {file: file.read_bytes() for file in files(tmp_path)}
    some(images, *range(10), cache=tmp_path)
    (new,) = set(files(tmp_path)) - set(before)
    assert load_file(new)["features"].shape[0] == 1
    assert all(file.read_bytes() == held for file, held in before.items()), "rewritten"


def test_small_shards_are_merged_and_keep_their_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_MOST_SMALL", 3)
    images = Canvases(8)
    for number in range(8):
        some(images, number, cache=tmp_path)
    assert len(files(tmp_path)) <= 4
    images.calls.clear()
    all_of_them = some(images, *range(8), cache=tmp_path)
    assert images.calls == []
    torch.testing.assert_close(all_of_them, encode_images(BACKBONE, images), rtol=1e-4, atol=1e-5)


def test_what_was_encoded_before_a_stop_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SHARD_ROWS", 16)
    images, seen = Canvases(70), list[tuple[int, int]]()
    asked = iter([False, False, True])
    with pytest.raises(Stopped):
        image_features(
            BACKBONE, images, keys=keys_of(*range(70)), cache_dir=tmp_path,
            stop=lambda: next(asked), progress=lambda *now: seen.append(now),
        )  # fmt: skip
    assert seen == [(16, 70), (32, 70)]
    images.calls.clear()
    image_features(BACKBONE, images, keys=keys_of(*range(70)), cache_dir=tmp_path)
    assert images.calls == list(range(32, 70))


def test_files_of_earlier_versions_are_shards(tmp_path: Path) -> None:
    """They held a whole set each, under a name made of all its keys."""
    images = Canvases(5)
    first = some(images, *range(5), cache=tmp_path)
    (file,) = files(tmp_path)
    file.rename(file.with_name("0123456789abcdef01234567.safetensors"))
    images.calls.clear()
    assert torch.equal(some(images, 4, 0, cache=tmp_path), first[[4, 0]])
    assert images.calls == []


@pytest.mark.parametrize("damage", ["cut", "nan", "width", "keys", "foreign"])
def test_a_damaged_shard_is_passed_over(tmp_path: Path, damage: str) -> None:
    images = Canvases(4)
    first = some(images, *range(4), cache=tmp_path)
    (file,) = files(tmp_path)
    held = load_file(file)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:50])
    elif damage == "nan":
        save_file({**held, "features": held["features"] * float("nan")}, file)
    elif damage == "width":
        save_file({**held, "features": held["features"][:, 1:].contiguous()}, file)
    elif damage == "keys":
        save_file({**held, "keys": held["keys"][1:].contiguous()}, file)
    else:
        file.write_bytes(b"not one of ours")
    images.calls.clear()
    assert torch.equal(some(images, *range(4), cache=tmp_path), first)
    assert images.calls == [0, 1, 2, 3]
    images.calls.clear()
    some(images, *range(4), cache=tmp_path)
    assert images.calls == [], "the good shard beside it is used"


def test_features_of_many_images_are_found_by_their_keys(tmp_path: Path) -> None:
    """In any order, over several shards."""
    shards, keys = Shards(tmp_path, 2), np.arange(0, 200_000, dtype=np.int64) * 7919
    for part in np.array_split(keys, 10):
        shards.add(part, torch.from_numpy(part[:, None].repeat(2, 1)).float())
    wanted = np.concatenate([keys[::-3], [-5]])
    features, known = shards.read(wanted)
    assert known[:-1].all()
    assert not known[-1]
    assert torch.equal(features[:-1, 1], torch.from_numpy(wanted[:-1]).float())


def test_numbers_that_are_none_are_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One such image would spoil the mean of all, which is taken away from each."""

    def spoilt(*given: Any, **more: Any) -> torch.Tensor:
        found = encode_images(*given, **more)
        found[3, 0] = float("nan")
        return found

    monkeypatch.setattr(store, "encode_images", spoilt)
    with pytest.raises(ModelError, match="no finite numbers for 1 of 8 images"):
        some(Canvases(8), *range(8), cache=tmp_path)
    assert files(tmp_path) == []


def test_who_asks_for_float32_gets_no_features_in_half_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = Canvases(8)
    for asked, encoded in (("auto", 8), ("float32", 8), ("auto", 0), ("float32", 0)):
        monkeypatch.setenv("STUDIO_PRECISION", asked)
        images.calls.clear()
        some(images, *range(8), cache=tmp_path)
        assert len(images.calls) == encoded, asked
