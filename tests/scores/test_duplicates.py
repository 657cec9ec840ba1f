from __future__ import annotations

import numpy as np

from studio.scores.duplicates import exact_groups, near_groups, outliers
from studio.scores.neighbours import Neighbours, nearest, unit


def made(copies: int = 3, jitter: float = 0.0) -> Neighbours:
    """40 images far from each other; image 0 comes `copies` times more, at the end."""
    noise = np.random.default_rng(0)
    raw = noise.normal(size=(40, 64)).astype(np.float32)
    more = raw[:1] + jitter * noise.normal(size=(copies, 64)).astype(np.float32)
    found = nearest(unit(np.concatenate([raw, more])), k=5)
    assert found is not None
    return found


def test_equal_canvases_are_found_and_few_are_read() -> None:
    read: list[int] = []

    def canvas_hash(index: int) -> bytes:
        read.append(index)
        return b"a" if index in (0, 40, 41) else bytes([index])

    (group,) = exact_groups(made(), canvas_hash)
    assert group.indices == (0, 40, 41)  # 42 has the same features and other pixels
    assert group.exact
    assert sorted(read) == [0, 40, 41, 42]


def test_many_copies_are_one_group_though_each_knows_few_of_them() -> None:
    neighbours = made(copies=30)  # every image has 5 neighbours
    (group,) = exact_groups(neighbours, lambda index: b"same")
    assert len(group.indices) == 31


def test_near_copies_are_joined_from_image_to_image() -> None:
    (group,) = near_groups(made(jitter=0.05), at_least=0.95)
    assert group.indices == (0, 40, 41, 42)
    assert 0.95 <= group.cosine < 1
    assert not group.exact
    assert near_groups(made(jitter=0.05), at_least=group.cosine + 1e-3) == []


def test_exact_copies_are_not_told_twice() -> None:
    exact = exact_groups(made(), lambda index: b"same")
    assert near_groups(made(), exact=exact) == []
    two = exact_groups(made(), lambda i: b"x" if i != 42 else b"y")
    (group,) = near_groups(made(), exact=two)
    assert group.indices == (0, 40, 41, 42)  # 42 is near them, and no exact copy


def test_groups_come_most_alike_first() -> None:
    cosines = np.array([[0.96], [0.96], [0.99], [0.99], [0.5]], np.float32)
    neighbours = Neighbours(np.array([[1], [0], [3], [2], [0]]), cosines)
    assert [g.indices for g in near_groups(neighbours)] == [(2, 3), (0, 1)]


def test_an_image_far_from_all_others_stands_out() -> None:
    noise = np.random.default_rng(0)
    raw = noise.normal(size=(100, 4)).astype(np.float32)
    raw = np.concatenate([raw, np.zeros((100, 60), np.float32)], axis=1)
    raw[30, 4:] = 5  # a direction of its own
    found = nearest(unit(raw), k=10)
    assert found is not None
    told = outliers(found)
    assert told.order[0] == 30
    assert 1 <= told.number < 10
    assert (np.diff(told.distances[told.order]) <= 0).all()


def test_without_neighbours_or_spread_nothing_stands_out() -> None:
    alone = nearest(np.ones((1, 3), np.float32), k=5)
    same = nearest(np.tile(np.eye(1, 3, dtype=np.float32), (9, 1)), k=5)
    assert alone is not None
    assert same is not None
    assert outliers(alone).number == outliers(same).number == 0
    assert exact_groups(alone, lambda index: b"") == near_groups(alone) == []
