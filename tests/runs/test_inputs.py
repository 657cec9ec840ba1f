"""What a fit is given, made from a folder and a model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.clip import store
from studio.clip.backbone import load_backbone
from studio.clip.texts import TextTower
from studio.errors import FolderError
from studio.images.preparing import prepare
from studio.prompts.prompt_set import PromptSet
from studio.runs import inputs
from studio.runs.first_labels import encode_images


def test_a_moved_or_copied_folder_is_not_encoded_again(
    image_folder: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image is known by what it shows, wherever it lies."""
    counts: list[int] = []
    real = store.encode_images

    def spy(backbone: object, images: torch.Tensor, **options: object) -> torch.Tensor:
        counts.append(len(images))
        return real(backbone, images, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "encode_images", spy)
    cache, root = tmp_path / "cache", tmp_path / "photos"
    shutil.copytree(image_folder, root)
    backbone = load_backbone(str(tiny_model))

    def features(folder: Path) -> torch.Tensor:
        found, canvases = inputs.images_for(backbone, folder, cache_dir=cache)
        return inputs.encode(backbone, found, canvases, cache)

    first = features(root)
    assert counts == [len(first)]
    copied = Path(shutil.copytree(root, tmp_path / "a copy", copy_function=shutil.copy))
    assert torch.equal(features(copied), first)
    shutil.rmtree(copied)
    assert torch.equal(features(root.rename(tmp_path / "renamed")), first)
    assert counts == [len(first)], "nothing more"


def test_images_that_came_meanwhile_are_not_taken_for_others(
    image_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """A model that reads larger canvases has the folder read again."""
    root = Path(shutil.copytree(image_folder, tmp_path / "photos"))
    folder, canvases = prepare(root, cache_dir=tmp_path / "cache", size=16)
    given: dict[str, Any] = {
        "folder": folder, "canvases": canvases, "model": str(tiny_model),
        "cache_dir": tmp_path / "cache", "begin": lambda _: None,
    }  # fmt: skip
    assert len(encode_images(**given)) == len(folder.images)
    shutil.copy(next(root.rglob("*.png")), root / "a first one.png")
    with pytest.raises(FolderError, match="changed while they were read"):
        encode_images(**given)


def test_sentences_that_are_cut_are_told_and_classes_that_are_the_same_then(
    tiny_model: Path,
) -> None:
    tower = TextTower(load_backbone(str(tiny_model), device="cpu"))
    prompts, long = PromptSet(("a photo of a {}.",)), "word " * 50
    assert inputs.cut_warning(tower, prompts, ["cat", "Cat", "dog"]) == ""
    one = inputs.cut_warning(tower, prompts, ["cat", long + "red"])
    assert "1 text is longer" in one
    assert "the same" not in one
    whole = "word " * 33 + "word"  # 34, and "a photo of a": all 38 that there is room for
    told = inputs.cut_warning(tower, PromptSet(("a photo of a {}",)), ["cat", whole, long + "red"])
    assert "1 text is longer" in told
    assert "are the same to it" in told, "the one is what is left of the other"
    both = inputs.cut_warning(tower, prompts, ["cat", long + "red", long + "blue"])
    assert "2 texts are longer" in both
    assert both.endswith("red' and '" + long + "blue' are the same to it; shorten these names.")
    assert "\n" not in both
