"""How sure labels are that follow answers, and how many of them are right."""

from __future__ import annotations

import numpy as np
import pytest

from studio.ask.confidence import Answered, confidence_of, estimate_of

NEARLY = np.array([0.4, 0.9, 0.99, 0.9999, 1.0])


def test_what_is_nearly_certain_is_not_said_to_be_and_the_order_stays() -> None:
    sure = confidence_of(NEARLY, Answered(20, 14, 10))
    assert (np.diff(sure) > 0).all()
    assert 0.1 < sure[0] < 0.4
    assert 0.7 < sure[-2] < sure[-1] < 0.99


def test_more_answers_that_bear_the_labels_out_make_them_surer() -> None:
    means = [
        float(confidence_of(NEARLY, Answered(number, agreed, 10)).mean())
        for number, agreed in ((5, 1), (5, 4), (20, 4), (20, 19))
    ]
    assert means[0] < means[1]
    assert means[2] < means[3]
    assert means[0] < means[2]


def test_no_label_is_less_likely_than_by_chance() -> None:
    assert confidence_of(np.array([0.5, 0.6]), Answered(2, 0, 2)).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("number", "told"), [(0, False), (4, False), (5, True), (200, True)])
def test_few_answers_tell_no_share_of_right_labels(number: int, told: bool) -> None:
    answered = Answered(number, number // 2, 10)
    confidence = confidence_of(np.linspace(0.5, 1, 500), answered)
    found = estimate_of(confidence, answered)
    assert (found is not None) == told
    if found is not None:
        assert found.accuracy == pytest.approx(float(confidence.mean()))
        assert 0.05 < found.accuracy - found.low < 0.2
        assert 0.05 < found.high - found.accuracy < 0.2
        assert "answers" in found.source


def test_no_images_have_no_estimate() -> None:
    assert estimate_of(np.zeros(0), Answered(5, 5, 2)) is None
