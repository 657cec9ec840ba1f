"""Revisions of a repository, and weights in parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from studio.clip import backbone
from studio.clip.backbone import load_backbone
from studio.clip.hub import Hub
from studio.errors import ModelError
from studio.progress import Progress
from tests.clip.hub_server import COMMIT, EARLIER, FakeHub
from tests.clip.small_hub import as_folder, repository

REPO, WHOLE = "makers/some", "open_clip_model.safetensors"
INDEX = f"{WHOLE}.index.json"


def in_parts(files: dict[str, bytes], *, stem: str = "open_clip_model") -> dict[str, bytes]:
    """The same repository with its weights in two parts, and no whole file."""
    state = load(files[WHOLE])
    names = sorted(state)
    places = {
        name: f"{stem}-0000{1 + (i >= len(names) // 2)}-of-00002.safetensors"
        for i, name in enumerate(names)
    }
    parts = {
        file: save({name: state[name] for name in names if places[name] == file})
        for file in sorted(set(places.values()))
    }
    index = json.dumps({"metadata": {}, "weight_map": places}).encode()
    rest = {name: content for name, content in files.items() if name != WHOLE}
    return rest | parts | {f"{stem}.safetensors.index.json": index}


@pytest.fixture(scope="module")
def small(families: list[str]) -> dict[str, bytes]:
    return repository("tiny-vit")


def features(name: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        visual = load_backbone(name, device="cpu").visual
        found: torch.Tensor = visual(torch.randn(2, 3, 224, 224, generator=generator))
    return found


@pytest.mark.parametrize("stem", ["open_clip_model", "open_clip_pytorch_model", "model"])
def test_weights_in_parts_are_those_of_the_whole_file(
    stem: str, small: dict[str, bytes], hub: FakeHub, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from huggingface_hub import constants

    hub.repos[REPO] = in_parts(small, stem=stem)
    whole = as_folder(small, tmp_path / "whole")
    (whole / "open_clip_pytorch_model.bin").unlink()
    assert torch.equal(features(f"hf-hub:{REPO}"), features(str(whole)))
    assert not [name for name in hub.bodies() if name.endswith(".bin")]
    # And from the cache, without asking; the same parts in a folder as well.
    hub.asked.clear()
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert torch.equal(features(f"hf-hub:{REPO}"), features(str(whole)))
    assert hub.asked == []
    folder = as_folder(in_parts(small, stem=stem), tmp_path / "parts")
    assert torch.equal(features(str(folder)), features(str(whole)))


@pytest.mark.parametrize("kept", ["hub", "folder"])
def test_all_parts_count_when_a_model_is_held_against_its_weights(
    kept: str, small: dict[str, bytes], hub: FakeHub, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A real model is larger than what is built without asking; its index has a few kilobytes."""
    monkeypatch.setattr(backbone, "_HARMLESS", 0)
    hub.repos[REPO] = in_parts(small)
    folder = as_folder(in_parts(small), tmp_path / "parts")
    name = f"hf-hub:{REPO}" if kept == "hub" else str(folder)
    assert features(name).shape == (2, 64)


def test_a_part_that_is_not_here_yet_is_fetched(small: dict[str, bytes], hub: FakeHub) -> None:
    hub.repos[REPO] = in_parts(small)
    cold = features(f"hf-hub:{REPO}")
    from huggingface_hub import constants

    (gone,) = Path(constants.HF_HUB_CACHE).glob("models--*/snapshots/*/*-00002-of-00002.*")
    gone.resolve().unlink()
    gone.unlink()
    hub.asked.clear()
    assert torch.equal(features(f"hf-hub:{REPO}"), cold)
    assert [name for name in hub.bodies() if name.endswith(".safetensors")] == [gone.name]


def test_each_part_says_which_it_is(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.clip import hub as hub_module
    from studio.clip.hub_weights import fetch_weights

    monkeypatch.setattr(hub_module, "_LARGE", 0)
    places = {"visual.a": "x-1.safetensors", "visual.b": "x-2.safetensors"}
    hub.repos[REPO] = {
        INDEX: json.dumps({"weight_map": places}).encode(),
        "x-1.safetensors": b"x" * 1_000_000, "x-2.safetensors": b"y" * 2_000_000,
    }  # fmt: skip
    titles: list[str] = []

    def begin(title: str) -> Progress:
        titles.append(title)
        return lambda done, total: None

    assert fetch_weights(Hub(REPO, begin=begin)).name == INDEX
    assert titles[1:] == [
        "Fetching makers/some, part 1 of 2 (1 MB)", "Fetching makers/some, part 2 of 2 (2 MB)"
    ]  # fmt: skip


BAD_INDEX: dict[str, tuple[Any, str]] = {
    "another library's": ({"vision_model.a": "a.safetensors"}, "another library"),
    "elsewhere": ({"visual.a": "../a.safetensors"}, "beside it"),
    "a pickle": ({"visual.a": "a.bin"}, "beside it"),
    "no name": ({"visual.a": 7}, "beside it"),
    "empty": ({}, "no weight_map"),
    "a list": ([], "no weight_map"),
}


@pytest.mark.parametrize("bad", list(BAD_INDEX))
def test_an_index_is_looked_at_before_a_part_is_fetched(
    bad: str, small: dict[str, bytes], hub: FakeHub
) -> None:
    places, says = BAD_INDEX[bad]
    files = {name: content for name, content in small.items() if name != WHOLE}
    index = json.dumps({"weight_map": places}).encode()
    hub.repos[REPO] = files | {INDEX: index, "a.safetensors": b"x", "a.bin": b"x"}
    with pytest.raises(ModelError, match=says) as caught:
        load_backbone(f"hf-hub:{REPO}", device="cpu")
    assert "\n" not in str(caught.value)
    assert not {"a.safetensors", "a.bin"} & set(hub.bodies())


def test_parts_without_an_index_are_refused_before_anything_is_fetched(
    small: dict[str, bytes], hub: FakeHub
) -> None:
    hub.repos[REPO] = {n: c for n, c in in_parts(small).items() if n != INDEX}
    with pytest.raises(ModelError, match="no index of its parts"):
        load_backbone(f"hf-hub:{REPO}", device="cpu")
    assert not [name for name in hub.bodies() if name.endswith(".safetensors")]


def test_a_revision_is_fetched_and_kept_beside_the_newest(
    small: dict[str, bytes], hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    state = {name: tensor + 0.1 for name, tensor in load(small[WHOLE]).items()}
    hub.repos[REPO] = small
    for revision in ("v1", "refs/pr/1"):
        hub.revisions[REPO, revision] = small | {WHOLE: save(state)}
    newest, earlier = features(f"hf-hub:{REPO}"), features(f"hf-hub:{REPO}@v1")
    assert not torch.allclose(newest, earlier)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert torch.equal(features(f"hf-hub:{REPO}"), newest)
    assert torch.equal(features(f"hf-hub:{REPO}@v1"), earlier)
    assert torch.equal(features(f"hf-hub:{REPO}@{EARLIER}"), earlier), "the commit itself"
    assert torch.equal(features(f"hf-hub:{REPO}@{COMMIT}"), newest)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        load_backbone(f"hf-hub:{REPO}@v2", device="cpu")


def test_a_revision_that_is_not_there_is_named(small: dict[str, bytes], hub: FakeHub) -> None:
    hub.repos[REPO] = small
    with pytest.raises(ModelError, match="makers/some has no revision v9; give") as caught:
        load_backbone(f"hf-hub:{REPO}@v9", device="cpu")
    assert "\n" not in str(caught.value)
    assert not [name for name in hub.bodies() if name.endswith((".json", ".safetensors"))]


@pytest.mark.parametrize("revision", ["", "../x", "a/../b", "/etc", "a b", "a//b", "a/", "x@y"])
def test_what_is_no_revision_is_not_asked_for(revision: str, hub: FakeHub) -> None:
    with pytest.raises(ModelError, match="no revision"):
        Hub(f"{REPO}@{revision}")
    assert hub.asked == []
