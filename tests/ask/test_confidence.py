"""How sure labels are that follow answers, and how many of them are right."""

from __future__ import annotations

import numpy as np
import pytest

from studio.ask.confidence import Answered, Following, confidence_of, estimate_of

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


def followed(number: int = 10) -> Following:
    """20 images of 5 classes; of `number` images a judge's answers, the first a person's."""
    probabilities = np.full((20, 5), 0.02)
    probabilities[np.arange(20), np.arange(20) % 5] = 0.92
    answers = np.where(np.arange(20) < number, np.arange(20) % 5, -1)
    answers[0] = 4
    given = np.arange(20) == 0
    return Following.of(probabilities, first=np.arange(20) % 5, answers=answers, given=given)


def test_what_a_person_said_stands_and_is_certain() -> None:
    found = followed()
    assert found.labels.tolist() == [4, *(i % 5 for i in range(1, 20))]
    assert found.confidence[0] == 1
    assert (found.confidence[1:] < 1).all()
    assert found.answered == Answered(10, 9, 5)


def test_labels_that_training_keeps_are_as_right_as_before() -> None:
    found = followed()
    before, after = found.estimate(), found.estimate_after(found.labels)
    assert before is not None
    assert after is not None
    assert after.accuracy == pytest.approx(before.accuracy)
    assert after.low < before.low < before.high < after.high
    assert "training" in after.source


def test_a_label_that_training_changed_is_right_where_the_one_before_was_wrong() -> None:
    found = followed()
    other = found.labels.copy()
    other[5:] = (other[5:] + 1) % 5
    after = found.estimate_after(other)
    assert after is not None
    expected = np.concatenate([found.confidence[:5], np.maximum(1 - found.confidence[5:], 0.2)])
    assert after.accuracy == pytest.approx(expected.mean())
    some = found.estimate_after(other[5:8], np.arange(5, 8))
    assert some is not None
    assert some.accuracy == pytest.approx(expected[5:8].mean())


def test_few_answers_tell_nothing_of_what_training_led_to() -> None:
    found = followed(number=2)
    assert found.estimate_after(found.labels) is None
    assert followed().estimate_after(np.zeros(0, np.int64), np.zeros(0, np.int64)) is None
