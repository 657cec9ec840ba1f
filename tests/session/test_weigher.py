"""Answers as the model that gave the labels weighs them."""

from __future__ import annotations

import numpy as np
import pytest

from studio.clip.space import Space
from studio.coft.start import ZeroShotStart
from studio.runs.given import REJECTED, UNKNOWN, Given
from studio.session.weigher import Weigher
from tests.ask.test_relabel import misnamed


class Told(ZeroShotStart):
    """With probabilities that are told instead of texts."""

    probabilities = property(lambda self: self.texts)  # type: ignore[assignment]


@pytest.fixture(scope="module")
def weigher() -> Weigher:
    pictures, guess, _ = misnamed()
    space = Space.of(image_features=pictures, class_vectors=pictures[:3], scale=10, center=False)
    return Weigher(Told(space, pictures, guess), range(300), ["a", "b", "c"])


def said(answers: dict[int, int], judged: dict[int, int] | None = None) -> Given:
    vectors = np.full((2, 300), UNKNOWN)
    for vector, told in zip(vectors, (answers, judged or {}), strict=True):
        vector[list(told)] = list(told.values())
    return Given(*vectors, ())


def test_labels_that_follow_say_how_sure_they_are_and_how_many_are_right(weigher: Weigher) -> None:
    nothing = weigher.follow(said({}))
    assert nothing.estimate is None
    few = weigher.follow(said({0: 0, 3: REJECTED}))
    assert few.estimate is None, "one answer for three classes"
    found = weigher.follow(said({0: 0, 1: 1, 2: 2}, judged={4: 1, 5: 2, 2: 0}))
    assert found.confidence.shape == (300,)
    assert found.confidence[[0, 1, 2]].tolist() == [1, 1, 1]
    rest = found.confidence[3:]
    assert rest.max() < 0.99
    assert found.estimate is not None
    assert found.estimate.low < found.estimate.accuracy < found.estimate.high
    assert found.estimate.accuracy == pytest.approx(float(found.confidence.mean()))


def test_answers_that_the_labels_had_agreed_with_make_them_surer(weigher: Weigher) -> None:
    first = {image: int(weigher.first[image]) for image in range(6)}
    other = {image: (label + 1) % 3 for image, label in first.items()}
    agreed, against = (weigher.follow(said(answers)).estimate for answers in (first, other))
    assert agreed is not None
    assert against is not None
    assert agreed.accuracy > against.accuracy + 0.1
