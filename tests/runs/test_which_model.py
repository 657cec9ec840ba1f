from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import ModelError, Stopped
from studio.images.folder import truth
from studio.images.preparing import prepare
from studio.progress import Progress
from studio.runs import which_model
from studio.runs.which_model import Looked, rank_models, sample, say
from studio.scores.estimate import Estimate

NAMES = ("red square", "green circle", "blue line")


@pytest.fixture
def ask(image_folder: Path, tmp_path: Path) -> Callable[..., Any]:
    folder, canvases = prepare(image_folder, cache_dir=tmp_path / "cache")

    def rank(*models: object, **more: Any) -> Any:
        values: dict[str, Any] = {
            "folder": folder, "canvases": canvases, "class_names": NAMES,
            "models": [str(model) for model in models], "cache_dir": tmp_path / "cache",
            "begin": lambda text: lambda done, total: None,
        }  # fmt: skip
        return rank_models(**{**values, **more})

    return rank


def test_models_are_asked_about_the_same_images_and_ranked(
    ask: Callable[..., Any], tiny_model: Path, other_tiny_model: Path, image_folder: Path
) -> None:
    folder, _ = prepare(image_folder, cache_dir=image_folder.parent / "other-cache")
    known = truth(folder, NAMES)
    assert known is not None
    told: list[tuple[str, int, int]] = []

    def begin(text: str) -> Progress:
        return lambda done, total: told.append((text, done, total))

    # One of them looks at larger squares than the folder was read at.
    found = ask(tiny_model, other_tiny_model, tiny_model, truth=known, begin=begin)
    assert (found.images, found.class_names, found.failed) == (36, NAMES, ())
    assert {one.model for one, _ in found.models} == {str(tiny_model), str(other_tiny_model)}
    assert [s.agreement for _, s in found.models] == sorted(
        (s.agreement for _, s in found.models), reverse=True
    )
    for one, standing in found.models:
        assert one.probabilities.shape == (36, 3)
        assert one.accuracy == pytest.approx(float((one.probabilities.argmax(1) == known).mean()))
        assert one.images_per_second > 0
        assert one.level in ("promising", "doubtful", "near chance")
        assert one.estimate is not None
        assert 0 < standing.weight < 1
    # How far it is, is that of all models together.
    assert all(total == 72 for _, _, total in told)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1] == 72


def test_truth_does_not_reach_the_ranking(
    ask: Callable[..., Any], tiny_model: Path, other_tiny_model: Path
) -> None:
    plain = ask(tiny_model, other_tiny_model)
    told = ask(tiny_model, other_tiny_model, truth=np.zeros(36, np.int64))
    assert [s for _, s in plain.models] == [s for _, s in told.models]
    assert all(one.accuracy is None for one, _ in plain.models)


def test_a_model_that_cannot_be_asked_is_left_out_with_its_reason(
    ask: Callable[..., Any], tiny_model: Path
) -> None:
    found = ask(tiny_model, "nothing", "/no/such/folder")
    assert len(found.models) == 1
    assert [model for model, _ in found.failed] == ["nothing", "/no/such/folder"]
    assert "There is no model 'nothing'" in found.failed[0][1]
    with pytest.raises(ModelError, match="There is no model 'nothing'"):
        ask("nothing")


def test_it_can_be_stopped(ask: Callable[..., Any], tiny_model: Path) -> None:
    with pytest.raises(Stopped):
        ask(tiny_model, stop=lambda: True)


def test_a_sample_is_drawn_from_all_of_a_large_folder(
    ask: Callable[..., Any], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sample(100_000)
    assert len(rows) == which_model.SAMPLE == len(set(rows))
    assert rows == sorted(rows) == sample(100_000)
    assert np.mean(rows) == pytest.approx(50_000, rel=0.1)
    assert sample(3) == [0, 1, 2]
    monkeypatch.setattr(which_model, "SAMPLE", 24)
    known = np.arange(36) % 3
    found = ask(tiny_model, truth=known)
    ((one, _),) = found.models
    assert (found.images, one.probabilities.shape) == (24, (24, 3))
    right = one.probabilities.argmax(1) == known[sample(36)]
    assert one.accuracy == pytest.approx(float(right.mean())), "the truth of the same images"


def test_who_seems_to_know_more_has_more_say() -> None:
    def looked(accuracy: float | None) -> Looked:
        estimate = None if accuracy is None else Estimate(accuracy, 0.0, 1.0)
        return Looked("m", np.ones((1, 4), np.float32), "", "", None, estimate, 1.0)

    assert say(looked(1.0), 4) == 1
    assert say(looked(0.625), 4) == pytest.approx(0.5**3)
    assert 0 < say(looked(0.2), 4) == say(looked(None), 4) < say(looked(0.3), 4)


@pytest.mark.parametrize(("name", "here"), [
    ("embedded", True), ("embedded@128", True), ("embedded@100", False), ("ViT-B-16", False),
    ("hf-hub:makers/none", False), ("hf-hub:no name", False), ("/no/such/folder", False),
    ("ViT-B-16:openai", False), ("ViT-B-16:nothing", False), ("ViT-B-16=/no/file", False),
    ("", False),
])  # fmt: skip
def test_what_is_on_this_machine(
    name: str, here: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    from studio.clip.sources import is_here

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert is_here(name) == here
    assert which_model.models_here(name) == ["embedded", *([name] if here else [])]


def test_a_folder_is_on_this_machine(tiny_model: Path) -> None:
    assert which_model.models_here(str(tiny_model))[-1] == str(tiny_model)
