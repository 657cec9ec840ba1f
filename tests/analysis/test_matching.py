from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.analysis.matching import ALL, NONE_RIGHT, match
from studio.runs.outcome import Outcome
from tests.views.conftest import make_outcome

# Six images of two classes; truth is known of the first five.
TRUTH = np.array([0, 0, 1, 1, 0, -1])
FIRST = np.array([0, 1, 1, 0, 1, 1])
SECOND = np.array([0, 0, 0, 0, 1, 0])


def pair(**second: Any) -> list[Outcome]:
    def made(labels: Any, **changes: Any) -> Outcome:
        return make_outcome(6, 2, **{"labels": labels, "truth": TRUTH, **changes})

    return [made(FIRST), made(second.pop("labels", SECOND), **second)]


def test_the_images_on_which_labels_differ_are_found() -> None:
    matched = match(pair())
    assert np.flatnonzero(matched.differ).tolist() == [1, 2, 5]
    assert sorted(matched.select(ALL)) == [1, 2, 5]
    assert matched.select("only-0").tolist() == [2]
    assert matched.select("only-1").tolist() == [1]
    assert matched.select(NONE_RIGHT).tolist() == []  # of 5 the truth is unknown
    assert matched.filters == [ALL, "only-0", "only-1", NONE_RIGHT]


def test_an_image_that_no_run_has_right() -> None:
    three = [*pair(), make_outcome(6, 3, labels=np.full(6, 2), truth=TRUTH)]
    matched = match(three)
    assert sorted(matched.select(NONE_RIGHT)) == [3, 4]
    assert matched.select("only-2").tolist() == []
    assert matched.select("only-1").tolist() == [1]
    # On image 0 two of three are right: that is nobody's alone.
    assert 0 not in matched.select("only-0")


@pytest.mark.parametrize("show", ["only-9", "only-", "x", "", "only-0 or so"])
def test_a_filter_that_does_not_exist_shows_all(show: str) -> None:
    assert sorted(match(pair()).select(show)) == [1, 2, 5]


def test_without_a_truth_there_is_one_filter() -> None:
    matched = match([Outcome(**{**vars(outcome), "truth": None}) for outcome in pair()])
    assert matched.filters == [ALL]
    assert sorted(matched.select("only-0")) == [1, 2, 5]
    assert not matched.right.any()


def test_what_all_runs_hold_for_clean_comes_first() -> None:
    first = np.array([0, 0.9, 0.5, 0, 0, 0.8], np.float32)
    second = np.array([0, 0.1, 0.6, 0, 0, 0.7], np.float32)
    runs = pair(clean_probability=second)
    runs[0] = make_outcome(6, 2, labels=FIRST, clean_probability=first, truth=TRUTH)
    assert match(runs).select(ALL).tolist() == [5, 2, 1]


def test_images_are_matched_by_path_and_classes_by_name() -> None:
    one = make_outcome(
        3, 2, paths=("a", "b", "c"), class_names=("cat", "dog"), labels=np.array([0, 1, 1])
    )
    two = make_outcome(
        4, 3, paths=("c", "x", "a", "b"), class_names=("cow", "dog", "cat"),
        labels=np.array([1, 0, 2, 0]), truth=np.array([-1, 0, 2, 1]),
    )  # fmt: skip
    matched = match([one, two])
    assert matched.names == ("cat", "dog", "cow")
    assert matched.indices.tolist() == [[0, 1, 2], [2, 3, 0]]
    assert [matched.name(n) for n in matched.labels[1]] == ["cat", "cow", "dog"]
    assert matched.truth.tolist() == [0, 1, -1]
    assert matched.name(-1) == "unknown"
    assert matched.path(2) == "c"
    assert np.flatnonzero(matched.differ).tolist() == [1]


def test_runs_may_have_no_image_in_common() -> None:
    matched = match([make_outcome(3), make_outcome(3, paths=("x", "y", "z"))])
    assert len(matched) == 0
    assert matched.select(ALL).tolist() == []
