from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from studio.scores import neighbours
from studio.scores.neighbours import nearest, nearest_among, nearest_to, unit


def features(number: int = 200, width: int = 8) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(number, width)).astype(np.float32) + 5


def brute(units: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    cosines = units @ units.T
    np.fill_diagonal(cosines, -np.inf)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(cosines, order, axis=1)


@pytest.mark.parametrize("block_bytes", [1, 4 * 200 * 7, 2**26])  # 1 row, 7 rows, all of them
def test_neighbours_are_exact_whatever_the_block(block_bytes: int) -> None:
    units = unit(features())
    found = nearest(units, k=5, block_bytes=block_bytes)
    assert found is not None
    order, cosines = brute(units, 5)
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_allclose(found.cosines, cosines, atol=1e-5)


def test_no_image_is_its_own_neighbour_even_among_copies() -> None:
    twins = np.repeat(features(20), 3, axis=0)
    found = nearest(unit(twins), k=2)
    assert found is not None
    assert found.cosines.max() <= 1  # whatever the product of float32 numbers was
    for index, row in enumerate(found.indices.tolist()):
        assert index not in row
        assert {index // 3} == {n // 3 for n in row}


def test_few_images_have_few_neighbours() -> None:
    units = unit(features(3))
    found = nearest(units, k=10)
    assert found is not None
    assert found.indices.shape == (3, 2)
    assert nearest(unit(features(1)), k=4).indices.shape == (1, 0)  # type: ignore[union-attr]
    assert len(nearest_to(units, 1, k=10)[0]) == 2
    assert len(nearest_to(unit(features(1)), 0, k=4)[0]) == 0


def test_one_image_at_a_time_gives_the_same() -> None:
    units = unit(features())
    whole = nearest(units, k=6)
    assert whole is not None
    for index in (0, 77, 199):
        found, cosines = nearest_to(units, index, k=6)
        np.testing.assert_array_equal(found, whole.indices[index])
        np.testing.assert_allclose(cosines, whole.cosines[index], atol=1e-5)


def test_the_common_part_of_all_features_says_nothing() -> None:
    raw = features()
    np.testing.assert_allclose(unit(raw), unit(raw + 100), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(unit(raw), axis=1), 1, atol=1e-5)
    assert not unit(np.full((4, 3), 0.1, np.float32)).any()  # all alike: no direction at all


def test_it_reports_and_stops() -> None:
    told: list[tuple[int, int]] = []
    units = unit(features(10))
    nearest(units, k=2, block_bytes=4 * 10 * 5, progress=lambda *at: told.append(at))
    assert told == [(5, 10), (10, 10)]
    assert nearest(units, k=2, stop=lambda: True) is None


def test_images_outside_of_a_set_are_compared_around_its_mean() -> None:
    known, mean = features(), features().mean(0)
    others = np.stack([known[17], 2 * mean - known[3]])  # a copy, and the opposite of another
    found = nearest_among(known, others, k=5)
    assert found.indices.shape == (2, 5)
    assert found.indices[0, 0] == 17
    assert found.cosines[0, 0] == pytest.approx(1, abs=1e-5)
    assert 3 not in found.indices[1]
    assert (np.diff(found.cosines, axis=1) <= 0).all()
    last = nearest_among(known, others, k=1000).indices
    assert last.shape == (2, 200)
    assert last[1, -1] == 3  # around their own mean it would be another


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_many_images_outside_of_a_set_are_compared_some_at_a_time(
    monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    known, others = features(2000), features(400)[::-1]
    cosines = unit(others, around=known) @ unit(known).T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :5]
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", 16 * 2000 * rows)
    tracemalloc.start()
    found = nearest_among(known, others, k=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_allclose(found.cosines, np.take_along_axis(cosines, order, 1), atol=1e-5)
    assert rows > 400 or peak < 400 * 2000 * 4, "a table of all pairs"
