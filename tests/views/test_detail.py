from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from studio.runs.outcome import Outcome
from studio.views.cards import alt_text
from studio.views.detail import CLASSES, detail, nearest

Make = Callable[..., Outcome]
EVIL = '"><img src=x onerror=alert(1)>'


def text(html: str) -> str:
    return re.sub(r"<[^>]+>", " ", html)


def test_the_large_view_lists_the_best_classes(outcome: Make) -> None:
    html = detail(outcome(), 0, "large.jpg")
    assert "75.0 %" in html
    assert "25.0 %" in html
    assert alt_text(outcome(), 0) in html
    none = outcome(top_labels=np.zeros((60, 0), int), top_probabilities=np.zeros((60, 0)))
    assert "best classes" not in detail(none, 0, "large.jpg")
    many = outcome(
        top_labels=np.zeros((60, 9), int), top_probabilities=np.full((60, 9), 0.1234)
    )  # fmt: skip
    assert detail(many, 0, "").count("12.3 %") == CLASSES


def test_both_models_are_judged_by_each_other(outcome: Make) -> None:
    clean = np.stack([np.full(60, 0.9, np.float32), np.full(60, 0.2, np.float32)])
    said = text(detail(outcome(model_clean_probability=clean), 5, ""))
    assert re.search(r"Model 1 says class 2\s+90\.0 %", said)
    assert re.search(r"Model 2 says class 0\s+20\.0 %", said)


def test_before_training_there_is_no_verdict(outcome: Make) -> None:
    said = detail(outcome(stage="zero-shot"), 0, "")
    assert "Verdict" not in said
    assert "Model 1" not in said
    assert "The model's best classes" in said.replace("&#x27;", "'")


def test_what_is_missing_is_said(outcome: Make) -> None:
    assert "no longer in its folder" in detail(outcome(), 0, "")
    assert "no features" in nearest(outcome(), [], [], lambda i: "", label=0)


def test_attributes_and_parts_of_others_are_taken_in(outcome: Make) -> None:
    html = detail(outcome(), 0, "", way="<i>way</i>", actions="<b>do</b>", where='"1" of 2')
    assert "<i>way</i>" in html
    assert "<b>do</b>" in html
    assert 'data-where="&quot;1&quot; of 2"' in html


def test_the_nearest_images_open_and_other_labels_are_marked(outcome: Make) -> None:
    html = nearest(outcome(), [3, 4], [0.91, 0.5], lambda i: f"{i}.jpg", label=0)
    assert re.findall(r'data-pick="image:(\d+)"', html) == ["3", "4"]
    assert "1 of 2 have another label" in html
    assert html.count("≠ ") == 1
    assert "91 % alike" in html
    assert 'src="4.jpg"' in html
    assert "same label" in nearest(outcome(), [3, 6], [1, 1], lambda i: "", label=0)


def test_names_and_paths_from_outside_are_escaped(outcome: Make) -> None:
    whole = outcome(paths=(EVIL,) * 60, class_names=(EVIL, EVIL, EVIL), truth=np.zeros(60, int))
    for html in (detail(whole, 1, EVIL), nearest(whole, [1], [0.5], lambda i: EVIL, label=0)):
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html
