"""How many tables of all images and classes scores make beside those that they are given."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from studio.clip import space
from studio.clip.space import Space, ZeroShotRows
from studio.coft import towers
from studio.coft.events import Finished
from studio.coft.judge import TrainingSet
from studio.coft.task import Task
from studio.runs.estimates import RunEstimates
from studio.scores import cleanliness, rows
from studio.scores.estimate import Evidence, estimate_run
from studio.scores.knowledge import knowledge
from studio.scores.names_fit import NamesFit
from studio.settings import Settings
from tests.coft.test_parts import Peak, draws

IMAGES, CLASSES, WIDTH = 4000, 100, 8
TABLE = 4 * IMAGES * CLASSES


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "_PART_NUMBERS", 2**12)
    monkeypatch.setattr(rows, "PART_ROWS", 64)
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
        assert tables() < 0.4


def test_how_the_names_fit_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = (3 * draws(1000, 7)).softmax(1).numpy()
    labels = (values.argmax(1) + np.arange(1000) % 2) % 5
    found = NamesFit.of(values, labels)
    monkeypatch.setattr(rows, "PART_ROWS", 1000)
    assert NamesFit.of(values, labels) == found
    some = np.arange(0, 1000, 3)
    assert NamesFit.of(values, labels[some], images=some) == NamesFit.of(values[some], labels[some])


def test_whether_the_names_are_known_takes_none() -> None:
    features, vectors = draws(IMAGES, WIDTH, seed=1), draws(CLASSES, WIDTH, seed=2)
    with Peak() as peak:
        knowledge(
            features, vectors, noun_vectors=draws(60, WIDTH, seed=3),
            other_vectors=[draws(CLASSES, WIDTH, seed=4)], logit_scale=15.0, center=True,
        )  # fmt: skip
    assert peak.bytes / TABLE < 0.5


def test_rows_that_are_worked_out_when_asked_for_are_those_of_the_table() -> None:
    features, vectors = draws(300, WIDTH, seed=1), draws(40, WIDTH, seed=2)
    own = Space.of(image_features=features, class_vectors=vectors, scale=15.0, center=True)
    table = own.probabilities(features, vectors).numpy()
    asked = ZeroShotRows.of(features=features, class_vectors=vectors, scale=15.0, center=True)
    some = np.array([7, 299, 0])
    assert asked.shape == table.shape
    np.testing.assert_allclose(asked[some], table[some], rtol=1e-5)
    np.testing.assert_allclose(
        np.concatenate([part for _, part in rows.parts(asked)]), table, rtol=1e-5
    )
    assert rows.likeliest(asked, some).tolist() == table.argmax(1)[some].tolist()


def test_the_estimates_of_a_run_hold_none() -> None:
    labels, some = torch.arange(IMAGES) % CLASSES, torch.full((IMAGES,), 0.5)
    both, known = labels.repeat(2, 1), SimpleNamespace(indicators={})
    written: list[Any] = []
    report: Any = SimpleNamespace(write=lambda *record, **_: written.append(record[1]))
    backbone: Any = SimpleNamespace(center=True, logit_scale=15.0)
    end = Finished(
        labels, some, some, both, some.repeat(2, 1), some > 0, labels[:, None], some[:, None],
        "zero-shot", False,
    )  # fmt: skip
    features, vectors = draws(IMAGES, WIDTH, seed=1), draws(CLASSES, WIDTH, seed=2)
    with Peak() as peak, counted() as tables:
        estimates = RunEstimates(
            report, backbone=backbone, features=features, class_vectors=vectors,
            known=known, given=None,  # type: ignore[arg-type]
        )  # fmt: skip
        estimates.finish(end)
        assert peak.bytes / TABLE + tables() < 0.8
    assert [record["stage"] for record in written] == ["zero-shot", "finished"]


def test_labels_by_texts_take_one() -> None:
    backbone: Any = SimpleNamespace(center=True, logit_scale=15.0)
    task = Task(
        backbone=backbone, images=range(IMAGES), features=draws(IMAGES, WIDTH, seed=1),  # type: ignore[arg-type]
        class_vectors=draws(CLASSES, WIDTH, seed=2), class_names=[str(i) for i in range(CLASSES)],
        settings=Settings(),
    )  # fmt: skip
    start = task.start
    with Peak() as peak:
        found = task.probabilities(start.texts)
    assert peak.bytes / TABLE < 1.5
    plain = (15.0 * start.pictures @ start.texts.T).softmax(1)
    torch.testing.assert_close(found, plain)


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
