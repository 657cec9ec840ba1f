from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from studio.runs.outcome import Outcome
from studio.views.cards import alt_text, card, class_list, class_table, small_card

Make = Callable[..., Outcome]
EVIL = '"><img src=x onerror=alert(1)>'


def test_a_card_says_label_clean_probability_and_both_opinions(outcome: Make) -> None:
    clean = np.linspace(0.1, 0.9, 60).astype(np.float32)
    whole = outcome(clean_probability=clean, model_clean_probability=np.stack([clean, 1 - clean]))
    html = card(whole, 5, "thumb.jpg")  # image 5: the second model says otherwise
    assert 'data-pick="5"' in html
    assert "class 2" in html  # label
    assert "17 % clean" in html
    text = re.sub(r"<[^>]+>", "", html)
    assert "1 class 2, 17 %" in text
    assert "2 class 0, 83 %" in text
    assert 'src="thumb.jpg"' in html
    assert "in truth" not in html


def test_a_card_says_the_truth_where_it_is_known(outcome: Make) -> None:
    truth = np.full(60, -1)
    truth[0], truth[1] = 0, 2
    whole = outcome(truth=truth)
    assert ">right<" in card(whole, 0, "")
    assert "in truth class 2" in card(whole, 1, "")
    assert "card-truth" not in card(whole, 2, "")


def test_a_missing_picture_is_said(outcome: Make) -> None:
    assert "image not found" in card(outcome(), 0, "")
    assert "not found" in small_card(outcome(), 0, "")


def test_names_and_paths_from_outside_are_escaped(outcome: Make) -> None:
    whole = outcome(paths=(EVIL,) * 60, class_names=(EVIL, EVIL, EVIL), truth=np.zeros(60, int))
    for html in (
        card(whole, 1, EVIL), small_card(whole, 1, EVIL), class_list(whole, 0), class_table(whole),
    ):  # fmt: skip
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html


def test_a_small_card_marks_disagreement(outcome: Make) -> None:
    whole = outcome()
    assert "≠" in small_card(whole, 5, "x.jpg")  # every fifth image
    assert "the models disagree" in small_card(whole, 5, "x.jpg")
    assert "≠" not in small_card(whole, 6, "x.jpg")
    assert alt_text(whole, 6) in small_card(whole, 6, "x.jpg")


def test_before_training_labels_are_sure_and_not_clean(outcome: Make) -> None:
    before = outcome(stage="zero-shot")
    for html in (card(before, 3, ""), small_card(before, 3, "")):
        assert " % sure" in html
        assert "clean<" not in html
    assert "card-model" not in card(before, 3, "")


def test_the_list_of_classes_marks_the_chosen_one(outcome: Make) -> None:
    whole = class_list(outcome(), None)
    assert 'data-pick="all" aria-pressed="true"' in whole
    some = class_list(outcome(), 1)
    assert 'data-pick="1" aria-pressed="true"' in some
    assert some.count('aria-pressed="true"') == 1
    assert some.count("data-pick=") == 4
