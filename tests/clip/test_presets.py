"""The list of models: its facts are those of open_clip, and old names still work."""

from __future__ import annotations

import re
from pathlib import Path

import open_clip
import pytest
import torch

from studio.clip.backbone import build_model
from studio.clip.presets import FORMER, PRESETS, preset, presets
from studio.clip.sources import at_hand, find_source
from studio.images.resize import CROP
from tests.clip.hub_server import COMMIT, FakeHub

LISTED = {**PRESETS, **FORMER}


@pytest.mark.parametrize("name", list(LISTED))
def test_facts_are_those_of_the_architecture(name: str) -> None:
    facts, source = LISTED[name], find_source(name)
    assert facts.tag in open_clip.list_pretrained_tags_by_model(facts.architecture)
    with torch.device("meta"):
        model = build_model(source.config)
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    assert facts.parameters == pytest.approx(parameters, abs=0.06)
    assert facts.image_size == source.preprocess.size
    assert facts.template == source.template


def test_the_embedded_models_facts_and_results_stay() -> None:
    """The hash is that of weights and preprocessing as they were before there was a choice."""
    from studio.clip.backbone import load_backbone

    backbone = load_backbone("embedded", device="cpu")
    facts = preset("embedded")
    assert facts is not None
    assert backbone.fingerprint == "329db80efb612c27"
    assert facts.image_size == backbone.image_size
    assert facts.template == backbone.template
    parameters = sum(p.numel() for p in backbone.model.parameters()) / 1e6
    assert facts.parameters == pytest.approx(parameters, abs=0.06)


def test_names_of_older_runs_are_known_but_not_offered() -> None:
    assert "ViT-B-32" not in presets()
    source = find_source("ViT-B-32")
    assert source.config["quick_gelu"]
    assert source.preprocess.size == 224
    for name in ("MobileCLIP2-S0", "ViT-B-16", "ViT-L-14", "ViT-B-16-SigLIP2"):
        assert name in presets()


def test_each_is_fed_what_it_was_trained_on() -> None:
    resize = {name: find_source(name).preprocess for name in PRESETS}
    assert resize["ViT-B-16"].resize == resize["ViT-B-32-256"].resize == CROP
    assert resize["PE-Core-B-16"].resize.mode == "squash"
    assert resize["PE-Core-B-16"].resize.interpolation == "bilinear"
    assert resize["ViT-B-16-SigLIP2"].mean == (0.5, 0.5, 0.5)
    assert resize["MobileCLIP2-S0"].mean == (0.0, 0.0, 0.0)
    assert resize["MobileCLIP2-S0"].std == (1.0, 1.0, 1.0)


def test_what_is_on_this_machine_is_known_without_asking(hub: FakeHub) -> None:
    from huggingface_hub import constants

    def put(repo: str, name: str) -> None:
        folder = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"
        (folder / "refs").mkdir(parents=True, exist_ok=True)
        (folder / "refs" / "main").write_text(COMMIT)
        (folder / "snapshots" / COMMIT).mkdir(parents=True, exist_ok=True)
        (folder / "snapshots" / COMMIT / name).write_bytes(b"x")

    assert [name for name, facts in PRESETS.items() if at_hand(facts)] == []
    put("timm/vit_base_patch16_clip_224.openai", "open_clip_model.safetensors")
    put("timm/ViT-B-16-SigLIP2", "open_clip_model.safetensors")
    assert [name for name, facts in PRESETS.items() if at_hand(facts)] == ["ViT-B-16"]
    put("timm/ViT-B-16-SigLIP2", "tokenizer.json")
    assert not at_hand(PRESETS["ViT-B-16-SigLIP2"]), "its settings are not"
    put("timm/ViT-B-16-SigLIP2", "tokenizer_config.json")
    assert at_hand(PRESETS["ViT-B-16-SigLIP2"])
    assert hub.asked == []


def test_open_clip_stays_below_the_version_that_was_not_tried() -> None:
    text = (Path(__file__).parents[2] / "requirements.txt").read_text()
    assert re.search(r"^open_clip_torch>=3\.2,<4$", text, re.MULTILINE)


def test_the_documented_list_is_the_list() -> None:
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    for name, facts in PRESETS.items():
        (line,) = (row for row in text.splitlines() if row.startswith(f"| `{name}` |"))
        size = f"{facts.download_mb} MB"
        told = (facts.tag, f"{facts.image_size}", f"{facts.imagenet}", facts.licence, size)
        assert all(word in line for word in told)
        assert ("research only" in line) == facts.research_only
