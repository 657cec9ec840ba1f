from __future__ import annotations

import numpy as np
import pytest

from studio.scores.names_fit import NamesFit, evenness

P = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.2, 0.3]])


def test_the_probability_is_among_the_names_that_the_labels_use() -> None:
    """A list that is longer than the folder must not make its labels look doubtful."""
    found = NamesFit.of(P, np.array([0, 3, 0]))
    assert found.probable == pytest.approx((0.4 / 0.5 + 0.4 / 0.5 + 0.4 / 0.7) / 3)
    unused = np.concatenate([P / 2, np.full((3, 6), 0.5 / 6)], axis=1)  # six names nobody uses
    assert NamesFit.of(unused, np.array([0, 3, 0])).probable == pytest.approx(found.probable)


def test_a_name_that_hardly_any_image_has_is_not_in_use() -> None:
    p = np.full((100, 2), 0.5)
    labels = np.zeros(100, dtype=int)
    labels[:12] = 1  # a quarter of an even share are 12.5
    assert NamesFit.of(p, labels).probable == pytest.approx(0.88)  # 1 for 88 images, 0 for 12
    labels[12] = 1
    assert NamesFit.of(p, labels).probable == pytest.approx(0.5)


def test_likely_labels_are_among_the_three_likeliest_names() -> None:
    labels = np.array([3, 0, 3])  # the fourth, the fourth and the second
    assert NamesFit.of(P, labels).likely == pytest.approx(1 / 3)
    assert NamesFit.of(P, P.argmax(1)).likely == 1.0
    two = np.array([[0.9, 0.1], [0.2, 0.8]])  # three names would be all of them
    assert NamesFit.of(two, np.array([1, 1])).likely == 0.5


def test_evenness_counts_the_classes_that_labels_use() -> None:
    assert evenness(np.arange(40) % 4, 4) == pytest.approx(1.0)
    assert evenness(np.zeros(40, dtype=int), 4) == pytest.approx(0.25)
    assert evenness(np.arange(40) % 2, 4) == pytest.approx(0.5)
