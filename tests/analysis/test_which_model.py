from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.analysis.which_model import conclusion, meaning, places, ranking_text, recommended
from studio.clip.presets import PRESETS, RECOMMENDED, spoken
from studio.prompts.prompt_set import PromptSet
from studio.runs.which_model import Looked, Ranked
from studio.scores.consensus import Standing
from studio.scores.estimate import Estimate


def looked(model: str, **changes: Any) -> Looked:
    values: dict[str, Any] = {
        "model": model, "probabilities": np.full((4, 2), 0.5, np.float32), "level": "promising",
        "verdict": "It knows them.", "z": 5.0, "estimate": Estimate(0.6, 0.4, 0.8),
        "images_per_second": 10.0,
    }  # fmt: skip
    return Looked(**{**values, **changes})


def ranked(*models: tuple[Looked, int], **changes: Any) -> Ranked:
    pairs = tuple(
        (one, Standing(place, 0.9 - 0.1 * number, 0.5))
        for number, (one, place) in enumerate(models)
    )
    return Ranked(
        **{"images": 400, "class_names": ("a", "b"), "prompts": PromptSet(), "models": pairs}
        | changes
    )


def test_a_clear_first_is_said_and_so_are_ties() -> None:
    a, b, c = looked("A"), looked("B", images_per_second=30.0), looked("C")
    assert conclusion(ranked((a, 1), (b, 2), (c, 3))) == "A agrees most with all models together."
    tied = conclusion(ranked((a, 1), (b, 1), (c, 3)))
    assert tied == "A and B are too close to call; B is the fastest of them."
    assert conclusion(ranked((a, 1), (b, 1), (c, 1))).startswith("A, B and C are too close")
    assert places(ranked((a, 1), (b, 1), (c, 3))) == ["1 =", "1 =", "3"]


def test_one_or_two_models_say_what_that_is_worth() -> None:
    a, b = looked("A"), looked("B")
    assert "nothing to compare" in conclusion(ranked((a, 1)))
    assert ranking_text(ranked((a, 1))).splitlines()[1].split()[2] == "–", "with nobody to agree"
    assert "two models" in conclusion(ranked((a, 1), (b, 2)))


def test_where_no_model_knows_the_images_that_is_said() -> None:
    lost = [(looked(name, level="near chance"), 1) for name in "ABC"]
    assert "None of them seems to know" in conclusion(ranked(*lost))
    some = [*lost[:2], (looked("C"), 3)]
    assert "None" not in conclusion(ranked(*some))


@pytest.mark.parametrize(("model", "level", "z", "said"), [
    ("embedded", "doubtful", 2.5, True), ("embedded@128", "near chance", 0.1, True),
    ("embedded", "promising", 4.0, False), ("ViT-B-16", "near chance", 0.1, False),
    ("/models/embedded", "near chance", 0.1, False), ("embedded", "doubtful", None, False),
    ("embedded", "", None, False),
])  # fmt: skip
def test_a_real_model_is_recommended_where_the_embedded_one_knows_little(
    model: str, level: str, z: float | None, said: bool
) -> None:
    found = recommended(model, level, z)
    assert [name for name, _ in found] == (list(RECOMMENDED) if said else [])


def test_what_is_recommended_may_be_used_for_anything() -> None:
    assert not any(PRESETS[name].research_only for name in RECOMMENDED)


def test_the_terminal_shows_scores_with_their_meaning() -> None:
    found = ranked(
        (looked("embedded", level="near chance", z=0.3), 1), (looked("B", estimate=None), 1),
        (looked("C"), 3), failed=(("D", "It is broken."),),
    )  # fmt: skip
    text = ranking_text(found)
    lines = text.splitlines()
    assert lines[0].split() == [
        "place", "model", "agreement", "right,", "estimated", "verdict", "images/s"
    ]  # fmt: skip
    assert "1 =    embedded  90 %       about 60 % (40 to 80 %)  near chance  10" in lines[1]
    assert "Left out: D: It is broken." in text
    assert meaning(found) in text
    assert "400 images" in text
    assert "--model ViT-B-32-256 (605 MB, MIT)" in text
    assert "sub-folders" not in text
    known = ranking_text(ranked((looked("A", accuracy=0.5), 1), (looked("B"), 2)))
    assert known.splitlines()[0].endswith("images/s  right")
    assert known.splitlines()[1].endswith("50 %")
    assert "the ranking does not know it" in known
    assert "--model" not in known


def test_models_as_a_page_says_them() -> None:
    assert [spoken(name) for name in ("embedded", "embedded@128", "ViT-B-16", "/m/embedded")] == [
        "built-in model", "built-in model at 128 pixels", "ViT-B-16", "/m/embedded"
    ]  # fmt: skip
