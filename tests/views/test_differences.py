from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np
import pytest

from studio.runs.outcome import Outcome
from studio.views.differences import (
    ALL,
    NONE_RIGHT,
    card,
    detail,
    match,
    options,
    select,
    sign_test,
    summary,
)

Make = Callable[..., Outcome]

# Six images of two classes; truth is known of the first five.
TRUTH = np.array([0, 0, 1, 1, 0, -1])
FIRST = np.array([0, 1, 1, 0, 1, 1])
SECOND = np.array([0, 0, 0, 0, 1, 0])


def pair(outcome: Make, **second: Any) -> list[tuple[int, Outcome]]:
    def made(labels: Any, **changes: Any) -> Outcome:
        return outcome(6, 2, **{"labels": labels, "truth": TRUTH, **changes})

    return [(0, made(FIRST)), (1, made(second.pop("labels", SECOND), **second))]


def test_the_images_on_which_labels_differ_are_found(outcome: Make) -> None:
    matched = match(pair(outcome))
    assert np.flatnonzero(matched.differ).tolist() == [1, 2, 5]
    assert sorted(select(matched, ALL)) == [1, 2, 5]
    assert select(matched, "only-0").tolist() == [2]
    assert select(matched, "only-1").tolist() == [1]
    assert select(matched, NONE_RIGHT).tolist() == []  # of 5 the truth is unknown


def test_an_image_that_no_run_has_right(outcome: Make) -> None:
    three = [*pair(outcome), (2, outcome(6, 3, labels=np.full(6, 2), truth=TRUTH))]
    matched = match(three)
    assert sorted(select(matched, NONE_RIGHT)) == [3, 4]
    assert select(matched, "only-2").tolist() == []
    assert select(matched, "only-1").tolist() == [1]
    # On image 0 two of three are right: that is nobody's alone.
    assert 0 not in select(matched, "only-0")


@pytest.mark.parametrize("show", ["only-9", "only-", "x", "", "only-0 or so"])
def test_a_filter_that_does_not_exist_shows_all(outcome: Make, show: str) -> None:
    assert sorted(select(match(pair(outcome)), show)) == [1, 2, 5]


def test_what_all_runs_hold_for_clean_comes_first(outcome: Make) -> None:
    first = np.array([0, 0.9, 0.5, 0, 0, 0.8], np.float32)
    second = np.array([0, 0.1, 0.6, 0, 0, 0.7], np.float32)
    sides = pair(outcome, clean_probability=second)
    sides[0] = (0, outcome(6, 2, labels=FIRST, clean_probability=first, truth=TRUTH))
    assert select(match(sides), ALL).tolist() == [5, 2, 1]


def test_images_are_matched_by_path_and_classes_by_name(outcome: Make) -> None:
    one = outcome(
        3, 2, paths=("a", "b", "c"), class_names=("cat", "dog"), labels=np.array([0, 1, 1])
    )
    two = outcome(
        4, 3, paths=("c", "x", "a", "b"), class_names=("cow", "dog", "cat"),
        labels=np.array([1, 0, 2, 0]), truth=np.array([-1, 0, 2, 1]),
    )  # fmt: skip
    matched = match([(0, one), (3, two)])
    assert matched.names == ("cat", "dog", "cow")
    assert matched.indices.tolist() == [[0, 1, 2], [2, 3, 0]]
    assert [matched.name(n) for n in matched.labels[1]] == ["cat", "cow", "dog"]
    assert matched.truth.tolist() == [0, 1, -1]
    assert np.flatnonzero(matched.differ).tolist() == [1]
    assert matched.letters == ["A", "D"]


def test_runs_without_a_common_image_say_so(outcome: Make) -> None:
    matched = match([(0, outcome(3)), (1, outcome(3, paths=("x", "y", "z")))])
    assert len(matched) == 0
    assert "no image in common" in summary(matched)
    assert select(matched, ALL).tolist() == []
    assert options(matched)


def test_the_summary_counts_who_is_right(outcome: Make) -> None:
    told = summary(match(pair(outcome)))
    assert "<strong>3</strong> of 6 images (50.0 %)" in told
    assert "Of the 2 whose sub-folder tells the class" in told
    assert "A on 1, B on 1; none on 0" in told
    assert "sign test" in told
    unknown = [(place, Outcome(**{**vars(o), "truth": None})) for place, o in pair(outcome)]
    assert "sub-folder" not in summary(match(unknown))
    assert [value for _, value in options(match(unknown))] == [ALL]


def test_three_runs_are_compared_in_pairs(outcome: Make) -> None:
    told = summary(match([*pair(outcome), (2, outcome(6, 2, labels=SECOND))]))
    assert "in pairs" in told
    assert "100.0 %" in told  # the second and the third
    assert "sign test" not in told


def test_options_count_what_they_show(outcome: Make) -> None:
    matched = match(pair(outcome))
    for text, value in options(matched):
        assert text.endswith(f"({len(select(matched, value))})")


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (3, 3), (1, 9), (13, 5), (0, 20)])
def test_the_sign_test_is_the_binomial_tail(wins: int, losses: int) -> None:
    n, k = wins + losses, min(wins, losses)
    exact = min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n)
    assert sign_test(wins, losses) == pytest.approx(exact)
    assert sign_test(wins, losses) == sign_test(losses, wins)


def test_the_sign_test_stands_large_folders() -> None:
    assert 0 < sign_test(50_200, 49_800) < 0.5
    assert sign_test(60_000, 40_000) == pytest.approx(0.0, abs=1e-12)


def test_a_card_says_each_label_and_who_is_right_in_words(outcome: Make) -> None:
    matched = match(pair(outcome, class_names=("class 0", "<b>bold</b>")))
    html = card(matched, 1, "gradio_api/file=x.jpg")
    assert "<b>bold" not in html
    assert ">right<" in html
    assert ">wrong<" in html
    assert 'aria-label="folder/1.jpg: A says class 1, B says class 0. Show large."' in html
    assert "image not found" in card(matched, 1, "")
    assert "right" not in card(matched, 5, "x")


def test_the_large_view_tells_what_every_run_says(outcome: Make) -> None:
    html = detail(match(pair(outcome)), 2, "x.jpg")
    assert html.count("<dt>Verdict</dt>") == 2
    assert "Sub-folder says" in html
    assert ", right" in html
    assert ", wrong" in html
    assert "Best classes" in html
    assert "no longer in its folder" in detail(match(pair(outcome)), 2, "")
