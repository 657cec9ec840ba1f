from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from studio.runs.given import Correction
from studio.runs.outcome import ANSWERED, TOGETHER, Outcome
from studio.views.cards import cards, class_list, class_table, words

Make = Callable[..., Outcome]
EVIL = '"><img src=x onerror=alert(1)>'

ACCEPTED = Correction("accepted", "cat")
RELABELLED = Correction("relabelled", "<dog>")
REJECTED = Correction("rejected")
JUDGED = Correction("judged", "<dog>")
JUDGED_NONE = Correction("judged")


def card(outcome: Outcome, index: int, picture: str = "x.jpg", **more: Any) -> str:
    return cards(outcome, [index], picture=lambda i: picture, **more)


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def test_a_card_says_label_clean_probability_and_both_opinions(outcome: Make) -> None:
    clean = np.linspace(0.1, 0.9, 60).astype(np.float32)
    whole = outcome(clean_probability=clean, model_clean_probability=np.stack([clean, 1 - clean]))
    html = card(whole, 5, "thumb.jpg")  # image 5: the second model says otherwise
    assert 'data-pick="5"' in html
    assert "class 2" in html  # label
    assert "17 % clean" in html
    assert "1 class 2, 17 %" in text(html)
    assert "2 class 0, 83 %" in text(html)
    assert 'src="thumb.jpg"' in html
    assert "in truth" not in html


@pytest.mark.parametrize("stage", ["zero-shot", TOGETHER, ANSWERED])
def test_without_training_a_card_tells_confidence_and_no_second_opinion(
    outcome: Make, stage: str
) -> None:
    html = card(outcome(stage=stage), 5)
    assert "confidence 57 %" in text(html)
    assert "card-model" not in html
    assert "card-model" in card(outcome(), 5)


def test_a_card_says_the_truth_where_it_is_known(outcome: Make) -> None:
    truth = np.full(60, -1)
    truth[0], truth[1] = 0, 2
    whole = outcome(truth=truth)
    assert ">right<" in card(whole, 0)
    assert "in truth class 2" in card(whole, 1)
    assert "card-truth" not in card(whole, 2)
    assert "card-truth" not in card(whole, 0, small=True)


def test_a_missing_picture_is_said(outcome: Make) -> None:
    assert "image not found" in card(outcome(), 0, "")
    assert "Nothing at all." in cards(outcome(), [], picture=str, nothing="Nothing at all.")


def test_names_and_paths_from_outside_are_escaped(outcome: Make) -> None:
    whole = outcome(paths=(EVIL,) * 60, class_names=(EVIL, EVIL, EVIL), truth=np.zeros(60, int))
    said = {EVIL: Correction("relabelled", EVIL)}
    for html in (
        card(whole, 1, EVIL, corrections=said), card(whole, 1, EVIL, small=True),
        class_list(whole, 0), class_table(whole),
    ):  # fmt: skip
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html


def test_a_small_card_marks_disagreement(outcome: Make) -> None:
    assert "≠" in card(outcome(), 5, small=True)  # every fifth image
    assert "the models disagree" in card(outcome(), 5, small=True)
    assert "≠" not in card(outcome(), 6, small=True)
    assert "folder/6.jpg, labelled class 0" in card(outcome(), 6, small=True)


def test_before_training_labels_have_a_confidence_and_are_not_clean(outcome: Make) -> None:
    before = outcome(stage="zero-shot")
    for html in (card(before, 3), card(before, 3, small=True), class_table(before)):
        assert "confidence" in html
        assert "% clean" not in html
    assert "card-model" not in card(before, 3)
    assert "confident labels" in class_list(before, None)


def test_a_card_says_something_else_when_asked_to(outcome: Make) -> None:
    html = card(outcome(), 59, small=True, note=lambda index: f"distance {index}")
    assert "distance 59" in html
    assert "% clean" not in html


def test_every_correction_is_told_in_words() -> None:
    assert words(None) == ""
    assert words(ACCEPTED) == "accepted as cat"
    assert words(RELABELLED) == "relabelled as <dog>"
    assert words(REJECTED) == "rejected"


@pytest.mark.parametrize("small", [True, False])
def test_a_card_shows_what_a_person_said(outcome: Make, small: bool) -> None:
    path = "folder/3.jpg"
    assert "card-mark" not in card(outcome(), 3, small=small)
    for correction, mark, spoken in (
        (ACCEPTED, "✓ accepted", "accepted as cat"),
        (RELABELLED, "→ &lt;dog&gt;", "relabelled as &lt;dog&gt;"),
        (REJECTED, "✕ rejected", "rejected"),
        (JUDGED, "◇ &lt;dog&gt;", "judged to be &lt;dog&gt;"),
        (JUDGED_NONE, "◇ none of these", "judged to be none of the names"),
    ):
        html = card(outcome(), 3, small=small, corrections={path: correction})
        assert f">{mark}</span>" in html
        assert f", {spoken}" in html


def test_a_card_can_be_ticked(outcome: Make) -> None:
    html = cards(outcome(), [3, 4], picture=str, ticked={4}, version=7)
    boxes = re.findall(r'<input type="checkbox" class="card-tick"[^>]*>', html)
    assert ['data-tick="3"' in boxes[0], 'data-tick="4"' in boxes[1]] == [True, True]
    assert ["checked" in box for box in boxes] == [False, True]
    assert 'aria-label="Tick folder/3.jpg"' in boxes[0]
    assert 'data-version="7"' in html
    assert "Tick all 2 shown" in html


def test_the_list_of_classes_marks_the_chosen_one(outcome: Make) -> None:
    whole = class_list(outcome(), None)
    assert 'data-pick="all" aria-pressed="true"' in whole
    some = class_list(outcome(), 1)
    assert 'data-pick="1" aria-pressed="true"' in some
    assert some.count('aria-pressed="true"') == 1
    assert some.count("data-pick=") == 4
