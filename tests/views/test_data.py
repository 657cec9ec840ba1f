from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.images.folder import Folder, ImageFile, Refused
from studio.runs.first_labels import Preview
from studio.scores.estimate import Evidence
from studio.views import data

EVIL = "<script>alert(1)</script>"


class Known(Preview):
    """Labels whose estimate is given, not computed."""

    estimate = None  # type: ignore[assignment]


def labels(counts: list[int], names: list[str] | None = None, **changes: Any) -> Preview:
    names = names or ["cat", "dog", "bird"][: len(counts)]
    total = sum(counts)
    values: dict[str, Any] = {
        "class_names": tuple(names), "model": "embedded",
        "labels": np.repeat(np.arange(len(counts)), counts),
        "confidence": np.full(total, 0.9, np.float32), "verdict": "Told by 11.0 deviations.",
        "level": "promising", "accuracy": None,
    }  # fmt: skip
    return Known(**{**values, **changes})


def folder(number: int, name: str = "") -> Folder:
    images = tuple(ImageFile(f"{name}{i}.jpg", 1000, 0) for i in range(number))
    return Folder(Path("/photos"), images, (Refused("x", "corrupt", ""),))


def shown(preview: Preview | None = None, *, stale: bool = False, name: str = "") -> str:
    preview = preview or labels([5, 20, 0])
    images = folder(len(preview.labels), name)
    return data.labels_html(preview, folder=images, picture=lambda i: f"{i}.png", stale=stale)


def test_one_step_is_current_and_each_leads_to_its_field() -> None:
    for number in range(3):
        html = data.steps(number)
        assert html.count('aria-current="step"') == 1
        assert html.count("step-done") == number
        assert html.count("<button") == html.count("data-reach=") == 3


def test_refused_files_are_counted_by_reason_and_listed() -> None:
    refused = [Refused("a.jpg", "corrupt", "bad magic"), Refused("b.jpg", "corrupt", "bad magic"),
               Refused(EVIL, "too large", "200 MP")]  # fmt: skip
    html = data.refused_html(refused)
    assert "3 files were refused: 2 corrupt, 1 too large" in html
    assert "bad magic" in html
    assert EVIL not in html
    assert data.refused_html([]) == ""


def test_a_long_list_of_refused_files_is_cut() -> None:
    html = data.refused_html([Refused(f"{i}.jpg", "corrupt", "x") for i in range(1000)])
    assert html.count("<tr>") < 250
    assert "800 more" in html


def test_the_folder_is_shown_with_counts_and_a_sample() -> None:
    images = folder(100, EVIL)
    html = data.folder_html(images, source="folder", classes=3, picture=lambda i: f"{i}.jpg")
    assert html.count("<img") == data.SAMPLE
    assert EVIL not in html
    assert "/photos" in html
    hidden = data.folder_html(images, source="upload", classes=0, picture=lambda i: "")
    assert "/photos" not in hidden
    assert "<img" not in hidden


def test_the_verdict_comes_before_the_labels_and_deviations_are_folded_away() -> None:
    html = shown(labels([5, 20, 0], level="near chance"))
    assert html.index("hardly better than guessing") < html.index("class-row")
    before, _, after = html.partition("<details")
    assert "deviations" not in before
    assert "deviations" in after
    assert "<details" not in shown(labels([5, 20, 9], verdict="", level="near chance"))


def test_classes_are_listed_by_size_and_empty_ones_named() -> None:
    html = shown()
    assert html.index(">dog<") < html.index(">cat<")
    assert "1 name with hardly any image" in html
    assert "<b>Never given:</b> bird" in html
    assert "Seldom given" not in html
    assert "5 images" in html
    assert "0.jpg: confidence 90 %" in html
    assert EVIL not in shown(labels([2, 1], [EVIL, "dog"]), name=EVIL)


def test_names_that_are_seldom_given_seem_absent_or_unknown_and_no_more_is_said() -> None:
    html = shown(labels([20, 20, 1], ["cat", "dog", EVIL]))
    assert "Seldom given" in html
    assert "seem to be absent, or the model does not know them" in html
    assert EVIL not in html
    assert "hardly any image" not in shown(labels([20, 20, 20]))


def test_names_that_are_hardly_told_apart_are_shown_in_pairs() -> None:
    html = shown(labels([20, 20, 20], ["cat", "Cat", EVIL], alike=((0, 1), (0, 2))))
    assert "cat / Cat, cat / &lt;script" in html
    assert EVIL not in html
    assert "hardly tells apart" not in shown(labels([20, 20, 20]))


def test_many_classes_send_pictures_for_some_only() -> None:
    html = shown(labels([5] * 300, [f"class {i}" for i in range(300)]))
    assert html.count("<img") == data.CLASSES_WITH_PICTURES * data.PICTURES_PER_CLASS
    assert "class 299" in html


def test_old_labels_are_said_to_be_old() -> None:
    assert "Label again" in shown(stale=True)
    assert "Label again" not in shown()


def test_labels_say_which_model_made_them() -> None:
    assert "First labels (built-in model, not trained yet)" in shown()
    assert "First labels (ViT-B-32, not trained yet)" in shown(labels([1, 2], model="ViT-B-32"))


@pytest.mark.parametrize("accuracy", [0.71, None])
def test_an_estimated_accuracy_stands_beside_the_known_one(
    accuracy: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.scores.estimate import Estimate

    assert "estimated" not in shown()
    monkeypatch.setattr(Known, "estimate", Estimate(0.62, 0.5, 0.74))
    html = shown(labels([5, 20], accuracy=accuracy))
    assert "about 62 %" in html
    assert "50 to 74 %" in html
    assert ("71.0 %" in html) is (accuracy is not None)


def test_a_larger_model_is_recommended_with_its_download_and_licence() -> None:
    def told(z: float) -> Evidence:
        return Evidence(images=25, classes=3, confidence=0.0, gap=1.0, z=z)

    lost = shown(labels([5, 20, 0], level="near chance", evidence=told(0.2)))
    for name, facts in (("ViT-B-32-256", "605 MB"), ("ViT-B-16-SigLIP2", "1501 MB")):
        assert name in lost
        assert facts in lost
    assert "licence MIT" in lost
    assert "licence Apache-2.0" in lost
    for other in (
        labels([5, 20, 0]),
        labels([5, 20], level="doubtful", model="ViT", evidence=told(2.0)),
    ):
        assert "ViT-B-32-256" not in shown(other)


def test_the_ranking_shows_places_scores_and_what_they_mean() -> None:
    from studio.prompts.prompt_set import PromptSet
    from studio.runs.which_model import Looked, Ranked
    from studio.scores.consensus import Standing
    from studio.scores.estimate import Estimate

    def looked(model: str, **more: Any) -> Looked:
        return Looked(
            model, np.ones((2, 2), np.float32), "doubtful", "", 2.5, Estimate(0.6, 0.5, 0.7),
            1234.4, **more,
        )  # fmt: skip

    pairs = (
        (looked("embedded", accuracy=0.55), Standing(1, 0.81, 0.5)),
        (looked(EVIL), Standing(1, 0.79, 0.5)),
    )
    found = Ranked(40, ("a", "b"), PromptSet(), pairs, ((EVIL, f"no {EVIL}"),))
    html = data.ranking_html(found, stale=False, recommend=True)
    assert EVIL not in html
    for text in (
        "1 =", "81 %", "about 60 % (50 to 70 %)", "55 %", "doubtful", "1\u202f234",
        "too close to call", "of the 40 images", "was left out", "ViT-B-32-256",
    ):  # fmt: skip
        assert text in html
    assert "Not up to date" not in html
    again = data.ranking_html(found, stale=True, recommend=False)
    assert "Not up to date" in again
    assert "ViT-B-32-256" not in again, "the labels beside it say so already"
    assert data.ranking_html(None, stale=False, recommend=True) == ""


def test_the_cache_is_spoken_of_once_there_is_one() -> None:
    assert data.cache_html(None, "/cache") == data.cache_html(300, "/cache") == ""
    assert "take 34.5 MB in /cache." in " ".join(data.cache_html(34_500_000, "/cache").split())
    assert "/cache" not in data.cache_html(34_500_000, "")
