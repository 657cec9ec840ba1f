from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from studio.views.cards import alt_text, card, class_list, class_table, detail
from studio.views.gallery import Outcome

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
    assert "no longer in its folder" in detail(outcome(), 0, "")


def test_names_and_paths_from_outside_are_escaped(outcome: Make) -> None:
    whole = outcome(paths=(EVIL,) * 60, class_names=(EVIL, EVIL, EVIL), truth=np.zeros(60, int))
    for html in (
        card(whole, 1, EVIL), detail(whole, 1, EVIL), class_list(whole, 0), class_table(whole),
    ):  # fmt: skip
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html


def test_the_large_view_lists_the_best_classes(outcome: Make) -> None:
    html = detail(outcome(), 0, "large.jpg")
    assert "75.0 %" in html
    assert "25.0 %" in html
    assert alt_text(outcome(), 0) in html
    none = outcome(top_labels=np.zeros((60, 0), int), top_probabilities=np.zeros((60, 0)))
    assert "best classes" not in detail(none, 0, "large.jpg")


def test_the_list_of_classes_marks_the_chosen_one(outcome: Make) -> None:
    whole = class_list(outcome(), None)
    assert 'data-pick="all" aria-pressed="true"' in whole
    some = class_list(outcome(), 1)
    assert 'data-pick="1" aria-pressed="true"' in some
    assert some.count('aria-pressed="true"') == 1
    assert some.count("data-pick=") == 4
