"""How many tables of all images and classes scores make beside those that they are given."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor

from studio.clip import space
from studio.clip.space import Space
from studio.coft import towers
from studio.coft.judge import TrainingSet
from studio.scores import cleanliness, estimate, names_fit
from studio.scores.estimate import Evidence, estimate_run
from studio.scores.knowledge import knowledge
from studio.scores.names_fit import NamesFit
from tests.coft.test_parts import Peak, draws

IMAGES, CLASSES, WIDTH = 4000, 100, 8
TABLE = 4 * IMAGES * CLASSES


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "_PART_NUMBERS", 2**12)
    monkeypatch.setattr(estimate, "_PART_ROWS", 64)
    monkeypatch.setattr(names_fit, "_PART_ROWS", 64)
    monkeypatch.setattr(towers, "PROBE_NUMBERS", 2**12)


@contextmanager
def counted() -> Iterator[Callable[[], float]]:
    """How many tables numpy made at most at a time, asked inside."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        yield lambda: (tracemalloc.get_traced_memory()[1] - before) / TABLE
    finally:
        tracemalloc.stop()


def test_an_estimate_makes_none() -> None:
    values = (3 * draws(IMAGES, CLASSES)).softmax(1).numpy()
    labels = (values.argmax(1) + np.arange(IMAGES) % 2) % CLASSES
    given = np.arange(IMAGES) < 3
    with counted() as tables:
        evidence = Evidence.of(values)
        estimate_run(evidence=evidence, probabilities=values, labels=labels)
        assert tables() < 0.4
    with counted() as tables:
        estimate_run(evidence=evidence, probabilities=values, labels=labels, given=given)
        assert tables() < 1.4, "a copy without the given ones"


def test_how_the_names_fit_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = (3 * draws(1000, 7)).softmax(1).numpy()
    labels = (values.argmax(1) + np.arange(1000) % 2) % 5
    found = NamesFit.of(values, labels)
    monkeypatch.setattr(names_fit, "_PART_ROWS", 1000)
    assert NamesFit.of(values, labels) == found


def test_whether_the_names_are_known_takes_two() -> None:
    features, vectors = draws(IMAGES, WIDTH, seed=1), draws(CLASSES, WIDTH, seed=2)
    with Peak() as peak:
        knowledge(
            features, vectors, noun_vectors=draws(60, WIDTH, seed=3),
            other_vectors=[draws(CLASSES, WIDTH, seed=4)], logit_scale=15.0, center=True,
        )  # fmt: skip
    assert peak.bytes / TABLE < 2


def test_probabilities_are_those_of_the_plain_formula() -> None:
    features, vectors = draws(300, WIDTH, seed=1), draws(40, WIDTH, seed=2)
    own = Space.of(image_features=features, class_vectors=vectors, scale=15.0, center=True)
    plain = (15.0 * own.images(features) @ own.texts(vectors).T).softmax(1)
    torch.testing.assert_close(own.probabilities(features, vectors), plain)
    assert own.probabilities(features[:0], vectors).shape == (0, 40)


def test_shares_of_the_neighbours_labels_take_two() -> None:
    """They are in double precision."""
    labels = np.arange(IMAGES) % CLASSES
    with counted() as tables:
        cleanliness.neighbour_votes(draws(IMAGES, WIDTH).numpy(), labels, classes=CLASSES)
        assert tables() < 3


def test_a_probe_takes_none_and_is_that_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(towers, "PROBE_STEPS", 3)
    features, texts = draws(IMAGES, WIDTH, seed=1), draws(CLASSES, WIDTH, seed=2)
    weights = draws(IMAGES, seed=3).abs() + 0.1
    data = TrainingSet(torch.arange(IMAGES), torch.arange(IMAGES) % CLASSES, weights)
    with Peak() as peak:
        towers._probe(features, data, texts, torch.zeros(CLASSES))
    assert peak.bytes / TABLE < 1

    # In double precision, for the line search makes a step of any rounding.
    def probed() -> tuple[Tensor, Tensor]:
        own = data._replace(weights=weights.double())
        nothing = torch.zeros(CLASSES, dtype=torch.float64)
        return towers._probe(features.double(), own, texts.double(), nothing)

    parts = probed()
    monkeypatch.setattr(towers, "PROBE_NUMBERS", 2**25)
    for part, whole in zip(parts, probed(), strict=True):
        torch.testing.assert_close(part, whole, rtol=1e-8, atol=1e-10)
