from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.runs import map_points
from studio.runs.map_points import corners, drawn, in_box, in_polygon
from tests.views.conftest import Make


def slowly_inside(plane: Any, polygon: Any) -> list[int]:
    """The textbook's loop over all points and edges."""
    found = []
    for i, (px, py) in enumerate(plane.tolist()):
        inside = False
        for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            if (y1 > py) != (y2 > py) and px < (x2 - x1) * (py - y1) / (y2 - y1) + x1:
                inside = not inside
        if inside:
            found.append(i)
    return found


def test_a_triangle_holds_what_lies_in_it() -> None:
    plane = np.array([[0, 0], [0.2, 0.1], [0.9, 0.9], [-1, -1], [0.5, 0.2]], np.float32)
    assert in_polygon(plane, np.array([[-0.1, -0.1], [0.6, 0.1], [0, 0.5]])).tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(6))
def test_any_line_even_one_that_crosses_itself_is_answered_as_by_the_textbook(seed: int) -> None:
    noise = np.random.default_rng(seed)
    plane = noise.uniform(-1, 1, (400, 2)).astype(np.float32)
    polygon = noise.uniform(-1, 1, (9, 2))
    assert in_polygon(plane, polygon).tolist() == slowly_inside(plane, polygon)


def test_corners_at_the_height_of_points_do_not_count_twice() -> None:
    grid = np.stack(np.meshgrid(np.arange(5), np.arange(5)), -1).reshape(-1, 2).astype(np.float32)
    diamond = np.array([[2, 0], [4, 2], [2, 4], [0, 2]], np.float64)
    assert in_polygon(grid, diamond).tolist() == slowly_inside(grid, diamond)
    assert 12 in in_polygon(grid, diamond)


def test_an_edge_of_a_lasso_is_compared_with_the_points_at_its_height_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[int] = []
    real = np.searchsorted

    def counted(*arguments: Any, **options: Any) -> Any:
        ends = real(*arguments, **options)
        compared.append(int(ends[1] - ends[0]))
        return ends

    monkeypatch.setattr(np, "searchsorted", counted)
    plane = np.random.default_rng(0).uniform(-1, 1, (100_000, 2)).astype(np.float32)
    angle = np.linspace(0, 2 * np.pi, 600, endpoint=False)
    radius = 0.6 + 0.05 * np.sin(9 * angle)
    lasso = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    found = in_polygon(plane, lasso)
    assert len(compared) == 600
    assert sum(compared) < 600 * 100_000 / 50
    assert 25_000 < len(found) < 32_000


def test_a_box_holds_its_edges_whatever_corner_it_began_at() -> None:
    plane = np.array([[0, 0], [1, 1], [0.5, 2], [0.5, 0.5]], np.float32)
    for box in ([[0, 0], [1, 1]], [[1, 1], [0, 0]], [[0, 1], [1, 0]]):
        assert in_box(plane, np.array(box, np.float64)).tolist() == [0, 1, 3]


@pytest.mark.parametrize(
    ("xs", "ys"),
    [
        (None, None), ([1, 2], [1]), ([1], [1]), ("12", "34"), ([1, "2"], [1, 2]),
        ([1, float("nan")], [0, 1]), ([1, float("inf")], [0, 1]), ([True, 1], [0, 1]),
        ([0.0] * 5000, [0.0] * 5000), ([10**400, 0], [0, 1]), ([[1], [2]], [[1], [2]]), ({}, {}),
    ],
)  # fmt: skip
def test_what_is_no_polygon_is_refused(xs: Any, ys: Any) -> None:
    assert corners(xs, ys) is None


def test_a_polygon_is_taken_as_it_is() -> None:
    found = corners([0, 1.5, 2], [0, -1, 1e12])
    assert found is not None
    assert found.tolist() == [[0, 0], [1.5, -1], [2, 1e6]]


def test_few_images_are_all_drawn(outcome: Make) -> None:
    assert drawn(outcome(60), limit=60).tolist() == list(range(60))


def test_of_many_all_noisy_ones_are_drawn_and_a_sample_of_the_rest(outcome: Make) -> None:
    made = outcome(1000)
    noisy = np.flatnonzero(map_points.noisy(made))
    assert 400 < len(noisy) < 600
    found = drawn(made, limit=700)
    assert len(found) == 700
    assert set(noisy.tolist()) <= set(found.tolist())
    assert (np.diff(found) > 0).all()
    assert drawn(made, limit=700).tolist() == found.tolist()


def test_where_even_these_are_too_many_the_least_clean_are_drawn(outcome: Make) -> None:
    made = outcome(1000, clean=np.zeros(1000, bool))
    found = drawn(made, limit=100)
    assert len(found) == 100
    assert set(found.tolist()) == set(np.argsort(made.clean_probability)[:100].tolist())
    half = outcome(1000, clean=np.arange(1000) % 2 == 0)
    clean = ~map_points.noisy(half)
    found = drawn(half, limit=100)
    assert len(found) == 100
    assert clean[found].sum() == 20


def test_images_that_are_gone_have_no_place() -> None:
    plane = np.ones((2, 2), np.float32)
    whole = map_points.whole(plane, np.array([1, 3]), 4)
    assert np.isfinite(whole).all(1).tolist() == [False, True, False, True]
