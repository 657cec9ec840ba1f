"""Which classes are mixed up, from probabilities alone."""

from __future__ import annotations

import numpy as np
import pytest

from studio.scores.confused import confused_pairs


def test_the_pair_that_images_stand_between_comes_first():
    sure = np.tile([0.97, 0.01, 0.01, 0.01], (50, 1))
    between = np.tile([0.02, 0.5, 0.46, 0.02], (20, 1))
    some = np.tile([0.6, 0.02, 0.02, 0.36], (10, 1))
    found = confused_pairs(np.concatenate([sure, between, some]).astype(np.float32))
    assert [pair[:2] for pair in found[:2]] == [(1, 2), (0, 3)]
    assert found[0][2] == pytest.approx(2 * 20 * 0.5 * 0.46 + 2 * 50 * 0.0001 + 2 * 10 * 0.0004)


def test_what_is_hardly_mixed_up_is_no_pair():
    assert confused_pairs(np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]) == []
    many = np.full((100, 8), 1 / 8, np.float32)
    assert len(confused_pairs(many, most=5)) == 5


def test_it_counts_what_a_draw_mixes_up():
    generator = np.random.default_rng(0)
    p = generator.dirichlet([0.5, 0.5, 0.5], 200)
    swapped = np.zeros((3, 3))
    for _ in range(400):
        drawn = (p.cumsum(1) > generator.random((200, 1))).argmax(1)
        truth = (p.cumsum(1) > generator.random((200, 1))).argmax(1)
        np.add.at(swapped, (drawn, truth), 1 / 400)
    for a, b, images in confused_pairs(p):
        assert images == pytest.approx(swapped[a, b] + swapped[b, a], rel=0.05)
