"""Whether a tokenizer is on this machine, and that no half of one is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from studio.clip.backbone import load_backbone
from studio.clip.hub import Hub
from studio.clip.sources import fetch, is_here
from studio.errors import ModelError
from tests.clip.hub_server import FakeHub
from tests.clip.small_hub import as_folder, repository


def test_a_model_without_its_tokenizer_is_not_on_this_machine(
    hub: FakeHub, families: list[str], tmp_path: Path
) -> None:
    """The weights alone are not enough, in any form of its name."""
    files = repository("tiny-SigLIP2")
    hub.repos["others/tuned"] = {n: c for n, c in files.items() if "tokenizer" not in n}
    bare = as_folder(hub.repos["others/tuned"], tmp_path / "bare")
    whole = as_folder(files, tmp_path / "whole")
    weights = "open_clip_model.safetensors"
    with pytest.raises(ModelError):  # makers/tiny-SigLIP2 is not there yet
        fetch("hf-hub:others/tuned")
    Hub("others/tuned").get(weights)
    names = ["hf-hub:others/tuned", f"tiny-SigLIP2={bare / weights}", str(bare)]
    assert Hub("others/tuned").cached("open_clip_config.json", weights) is not None
    assert [is_here(name) for name in names] == [False, False, False]
    assert is_here(f"tiny-SigLIP2={whole / weights}")
    assert is_here(str(whole))
    hub.repos["makers/tiny-SigLIP2"] = files
    fetch("hf-hub:others/tuned")
    hub.asked.clear()
    assert [is_here(name) for name in names] == [True, True, False]
    assert hub.asked == []


def test_a_tokenizer_without_its_settings_is_fetched_whole(
    hub: FakeHub, families: list[str]
) -> None:
    """Other programs keep tokenizer.json alone in the cache; a text would begin with a <bos>."""
    hub.repos["makers/tiny-SigLIP2"] = repository("tiny-SigLIP2")
    Hub("makers/tiny-SigLIP2").get("tokenizer.json")
    assert 2 not in load_backbone("hf-hub:makers/tiny-SigLIP2", device="cpu").tokenizer(["a dog"])


def test_a_tokenizer_that_has_no_settings_is_whole_as_well(
    hub: FakeHub, families: list[str]
) -> None:
    files = repository("tiny-SigLIP2")
    del files["tokenizer_config.json"]
    hub.repos["makers/tiny-SigLIP2"] = files
    name = "hf-hub:makers/tiny-SigLIP2"
    cold = load_backbone(name, device="cpu").tokenizer(["a dog"])
    hub.errors = {"makers/tiny-SigLIP2": (503, "")}
    assert torch.equal(load_backbone(name, device="cpu").tokenizer(["a dog"]), cold)
    assert is_here(name)
