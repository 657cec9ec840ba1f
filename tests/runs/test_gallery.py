from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from studio.runs.outcome import Outcome
from studio.runs.gallery import PAGE_SIZE, Order, Query, class_rows, page, select

Make = Callable[..., Outcome]


def test_each_image_is_in_exactly_one_gallery(outcome: Make) -> None:
    whole = outcome()
    both = [*select(whole, Query("clean")), *select(whole, Query("noisy"))]
    assert sorted(both) == list(range(60))
    assert whole.clean[select(whole, Query("clean"))].all()
    assert not whole.clean[select(whole, Query("noisy"))].any()


@pytest.mark.parametrize("asked", ["up", "down"])
def test_galleries_are_sorted_by_clean_probability(outcome: Make, asked: Order) -> None:
    whole = outcome()
    order = whole.clean_probability[select(whole, Query("clean", order=asked))]
    assert (np.diff(order) >= 0).all() if asked == "up" else (np.diff(order) <= 0).all()
    assert len(set(order.tolist())) > 1


def test_ties_stay_in_the_order_of_the_folder(outcome: Make) -> None:
    flat = outcome(clean_probability=np.full(60, 0.5, np.float32), clean=np.ones(60, bool))
    assert select(flat, Query("clean")).tolist() == list(range(60))
    assert select(flat, Query("clean", order="up")).tolist() == list(range(60))


def test_each_class_has_its_turn_with_its_cleanest_image(outcome: Make) -> None:
    whole = outcome()
    turns = select(whole, Query("clean", order="turns"))
    assert sorted(turns) == sorted(select(whole, Query("clean")))
    classes = np.unique(whole.labels[turns])
    assert len(classes) > 1
    assert whole.labels[turns[: len(classes)]].tolist() == classes.tolist()
    for label in classes:
        own = select(whole, Query("clean", class_index=int(label)))
        assert [i for i in turns if whole.labels[i] == label] == own.tolist()


def test_filters_by_class_and_by_disagreement(outcome: Make) -> None:
    whole = outcome()
    of_class = select(whole, Query("clean", class_index=1))
    assert len(of_class)
    assert (whole.labels[of_class] == 1).all()
    disputed = select(whole, Query("clean", disagree_only=True))
    assert len(disputed)
    assert (whole.model_labels[0][disputed] != whole.model_labels[1][disputed]).all()
    assert len(disputed) < len(select(whole, Query("clean")))


def test_pages_cover_everything_once(outcome: Make) -> None:
    chosen = select(outcome(), Query("clean"))
    first = page(chosen, 0)
    assert len(first.shown) == PAGE_SIZE
    shown = [i for n in range(first.pages) for i in page(chosen, n).shown]
    assert shown == chosen.tolist()
    assert first.label == f"1–{PAGE_SIZE} of {len(chosen)}"


@pytest.mark.parametrize("number", [-1, -(10**6), 99, 10**9])
def test_a_page_number_out_of_range_gives_the_nearest_page(outcome: Make, number: int) -> None:
    chosen = select(outcome(), Query("clean"))
    assert page(chosen, number).number == (0 if number < 0 else page(chosen, 0).pages - 1)


def test_an_empty_gallery_is_one_empty_page() -> None:
    nothing = page(np.zeros(0, np.int64), 3)
    assert (nothing.pages, nothing.number, nothing.shown, nothing.label) == (1, 0, (), "none")


def test_classes_come_least_clean_first_and_empty_ones_last(outcome: Make) -> None:
    labels = np.array([0] * 30 + [2] * 30)
    clean = np.array([True] * 30 + [False] * 30)
    rows = class_rows(outcome(labels=labels, clean=clean))
    assert [row.index for row in rows] == [2, 0, 1]
    assert [(row.images, row.clean) for row in rows] == [(30, 0.0), (30, 1.0), (0, 0.0)]
    assert rows[0].accuracy is None


def test_class_accuracy_counts_known_images_only(outcome: Make) -> None:
    truth = np.full(60, -1)
    truth[[0, 3, 6, 9]] = [0, 0, 0, 1]  # images of label 0
    rows = {row.index: row for row in class_rows(outcome(truth=truth))}
    assert rows[0].accuracy == pytest.approx(0.75)
    assert rows[1].accuracy is None
