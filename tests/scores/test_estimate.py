from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.scores import estimate
from studio.scores.estimate import (
    Estimate,
    Evidence,
    estimate_clean,
    estimate_run,
    estimate_zero_shot,
)


def probabilities(clarity: float, *, images: int = 400, classes: int = 8, seed: int = 0):
    """Softmax over random logits, of which one is raised by `clarity`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(images, classes))
    logits[np.arange(images), rng.integers(0, classes, images)] += clarity
    values = np.exp(logits)
    return values / values.sum(axis=1, keepdims=True)


def test_a_model_that_decides_clearly_is_taken_to_be_right_more_often():
    found = [estimate_zero_shot(probabilities(c), z=8.0).accuracy for c in (0.0, 1.0, 2.0, 6.0)]
    assert found == sorted(found)
    assert found[-1] > 0.9
    assert found[0] < 0.6


def test_without_knowledge_it_is_chance_however_sure_the_model_is():
    found = estimate_zero_shot(probabilities(6.0), z=0.3)
    assert found.accuracy == pytest.approx(1 / 8)
    assert found.low < 1 / 8 < found.high < 0.6
    between = estimate_zero_shot(probabilities(6.0), z=2.0)
    assert found.accuracy < between.accuracy < estimate_zero_shot(probabilities(6.0), z=5).accuracy
    assert between.high - between.low > 0.5  # here nobody knows


def test_when_knowledge_was_not_asked_the_interval_begins_at_chance():
    found = estimate_zero_shot(probabilities(3.0))
    assert found.accuracy == estimate_zero_shot(probabilities(3.0), z=9).accuracy
    assert found.low <= 1 / 8


@pytest.mark.parametrize("clarity", [0.0, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("z", [None, -2.0, 1.5, 2.5, 20.0])
@pytest.mark.parametrize("images", [1, 30, 3000])
def test_the_interval_holds_the_estimate(clarity, z, images):
    found = estimate_zero_shot(probabilities(clarity, images=images, classes=2), z=z)
    assert 0 <= found.low <= found.accuracy <= found.high <= 1
    assert np.isfinite([found.low, found.accuracy, found.high]).all()


def test_few_images_widen_the_interval():
    few, many = (estimate_zero_shot(probabilities(2.0, images=n), z=9) for n in (12, 4000))
    assert few.high - few.low > many.high - many.low


def test_a_class_of_probability_nought_is_no_infinite_gap():
    found = Evidence.of(np.eye(3)[[0, 1, 2, 0]])
    assert np.isfinite([found.confidence, found.gap]).all()
    assert found.estimate(z=9).accuracy > 0.9


def test_the_evidence_is_the_confidence_and_the_gap():
    found = Evidence.of(np.array([[0.6, 0.3, 0.1], [0.2, 0.4, 0.4]]))
    assert (found.images, found.classes) == (2, 3)
    assert found.confidence == pytest.approx(0.0)  # the mean confidence is a half
    assert found.gap == pytest.approx(np.log(2) / 2)


# What the embedded model says about the training parts of real sets: classes, mean confidence, mean
# gap, z, and how many of its zero-shot labels are right.
MEASURED = {
    "oxford_pets": (37, 0.455, 1.246, 9.4, 0.559),
    "caltech101": (100, 0.282, 0.991, 9.5, 0.532),
    "cifar10": (10, 0.549, 1.156, 5.2, 0.550),
    "clothing10": (10, 0.505, 1.081, 7.3, 0.464),
    "pacs_art_painting": (7, 0.555, 1.306, 4.9, 0.607),
    "eurosat": (10, 0.428, 0.661, 0.8, 0.127),
    "demo": (11, 0.581, 1.622, 9.2, 0.727),
}


@pytest.mark.parametrize("name", MEASURED)
def test_real_sets_are_inside_their_intervals(name):
    classes, confidence, gap, z, right = MEASURED[name]
    logit = float(np.log(confidence / (1 - confidence)))
    found = Evidence(images=500, classes=classes, confidence=logit, gap=gap).estimate(z=z)
    assert found.low <= right <= found.high
    assert abs(found.accuracy - right) < 0.1


@pytest.mark.parametrize("z", [1.2, 2.0, 2.6, 5.0, None])
def test_the_interval_by_hand(z):
    """Each end is what comes out with z off by one and the line off by its spread."""
    chance, number = 1 / 20, 400
    evidence = Evidence(images=number, classes=20, confidence=0.3, gap=1.1)
    line = estimate.INTERCEPT + estimate.CONFIDENCE * 0.3 + estimate.GAP * 1.1
    sure = 4.0 if z is None else z

    def mixed(z, line, deviations):
        known = min(max((z - 1) / 2, 0), 1)
        skilled = chance + (1 - chance) / (1 + np.exp(-line))
        guessed = chance + deviations * 1.645 * chance * np.sqrt(1 - chance)
        return known * skilled + (1 - known) * guessed

    middle = mixed(sure, line, 0)
    sampling = 1.645 * np.sqrt(middle * (1 - middle) / number)
    below = np.hypot(middle - mixed(sure - 1, line - estimate.SPREAD, -1), sampling)
    above = np.hypot(mixed(sure + 1, line + estimate.SPREAD, 1) - middle, sampling)
    found = evidence.estimate(z=z)
    assert found.accuracy == pytest.approx(middle, abs=1e-4)
    low = middle - below if z is not None else min(middle - below, chance)
    assert found.low == pytest.approx(max(low, 0), abs=1e-3)
    assert found.high == pytest.approx(min(middle + above, 1), abs=1e-3)


def test_training_moves_the_estimate_by_what_it_changed():
    before = Estimate(0.5, 0.4, 0.6, z=8.0)
    first = np.zeros(100, dtype=int)
    same = estimate_run(before=before, zero_shot_labels=first, labels=first)
    assert same == before
    last = first.copy()
    last[:40] = 1
    after = estimate_run(before=before, zero_shot_labels=first, labels=last)
    assert after.accuracy == pytest.approx(0.5 + 0.4 * estimate.GAIN)
    spread = float(np.hypot(0.1, 0.4 * estimate.GAIN_SPREAD))
    assert after.low == pytest.approx(after.accuracy - spread)
    assert after.high == pytest.approx(after.accuracy + spread)


def test_where_the_model_knows_nothing_training_is_given_no_credit():
    before = Estimate(0.1, 0.02, 0.25, z=0.5)
    first = np.zeros(100, dtype=int)
    after = estimate_run(before=before, zero_shot_labels=first, labels=first + 1)
    assert (after.accuracy, after.low, after.high) == pytest.approx((0.1, 0.02, 0.25))


def test_scores_of_the_labels_say_how_many_are_right():
    first, scores = np.zeros(100, dtype=int), np.linspace(0.6, 0.8, 100)

    def after(z, given=None):
        before = Estimate(0.1, 0.02, 0.25, z=z)
        return estimate_run(
            before=before, zero_shot_labels=first, labels=first, scores=scores, given=given
        )

    found = after(8.0)
    assert found.accuracy == pytest.approx(0.7)
    assert found.high - found.low == pytest.approx(2 * estimate.SCORE_SPREAD)
    unknown = after(0.5)
    assert (unknown.accuracy, unknown.low, unknown.high) == pytest.approx((0.1, 0.02, 0.25))
    assert 0.1 < after(2.0).accuracy < 0.7
    told = after(8.0, given=np.arange(100) < 50)
    assert told.accuracy == pytest.approx(0.5 + 0.5 * scores[50:].mean())


def test_labels_of_a_person_are_taken_for_right():
    before = Estimate(0.5, 0.4, 0.6, z=8.0)
    labels, given = np.zeros(100, dtype=int), np.arange(100) < 20
    half = estimate_run(before=before, zero_shot_labels=labels, labels=labels, given=given)
    assert half.accuracy == pytest.approx(0.2 + 0.8 * 0.5)
    assert half.low == pytest.approx(0.2 + 0.8 * 0.4)
    every = estimate_run(before=before, zero_shot_labels=labels, labels=labels, given=given | True)
    assert (every.accuracy, every.low) == (1.0, 1.0)


def test_for_people_and_for_machines():
    found = Estimate(0.617, 0.5, 0.742, z=4.0)
    assert found.text() == "about 62 % (50 to 74 %)"
    assert found.to_dict() == {"accuracy": 0.617, "low": 0.5, "high": 0.742, "z": 4.0}


@pytest.mark.parametrize("shape", [(0, 3), (5, 1), (5,)])
def test_shapes_that_mean_nothing_are_refused(shape):
    with pytest.raises(ValueError, match="probabilities of shape"):
        estimate_zero_shot(np.zeros(shape))
    with pytest.raises(ValueError, match="labels against"):
        estimate_run(
            before=Estimate(0.5, 0.4, 0.6),
            zero_shot_labels=np.zeros(3, dtype=int),
            labels=np.zeros(4, dtype=int),
        )


def clean_of(*, z: float | None = 9.0, clean: list[bool], given: list[bool] | None = None) -> Any:
    return estimate_clean(
        before=Estimate(0.5, 0.4, 0.6, z),
        scores=np.array([0.9, 0.7, 0.2, 0.4]),
        clean=np.array(clean),
        given=None if given is None else np.array(given),
    )


def test_of_the_clean_labels_as_many_are_right_as_their_scores_say() -> None:
    found = clean_of(clean=[True, True, False, False])
    assert found.accuracy == pytest.approx(0.8)
    assert found.low == pytest.approx(0.8 - estimate.CLEAN_SPREAD)
    assert found.high == pytest.approx(min(1.0, 0.8 + estimate.CLEAN_SPREAD))
    assert clean_of(z=None, clean=[True, True, False, False]) == Estimate(
        found.accuracy, found.low, found.high, None
    )
    everything = clean_of(clean=[True] * 4)
    whole = estimate_run(
        before=Estimate(0.5, 0.4, 0.6, 9.0), zero_shot_labels=np.zeros(4, int),
        labels=np.zeros(4, int), scores=np.array([0.9, 0.7, 0.2, 0.4]),
    )  # fmt: skip
    assert everything.accuracy == pytest.approx(whole.accuracy)


def test_where_the_model_knows_nothing_its_clean_labels_are_no_better() -> None:
    assert clean_of(z=0.5, clean=[True, True, False, False]) == Estimate(0.5, 0.4, 0.6, 0.5)
    between = clean_of(z=2.0, clean=[True, True, False, False])
    assert between.accuracy == pytest.approx((0.8 + 0.5) / 2)
    assert between.low == pytest.approx(0.65 - np.hypot(0.05, estimate.CLEAN_SPREAD / 2))


def test_given_labels_are_right_among_the_clean_ones_too() -> None:
    found = clean_of(clean=[True, True, True, False], given=[False, True, True, True])
    assert found.accuracy == pytest.approx((2 + 0.9) / 3)
    assert found.high <= 1
    only = clean_of(clean=[True, False, False, False], given=[True, False, False, False])
    assert (only.accuracy, only.low, only.high) == (1.0, 1.0, 1.0)


def test_without_a_clean_label_there_is_no_estimate_of_them() -> None:
    assert clean_of(clean=[False] * 4) is None
    with pytest.raises(ValueError, match="scores for"):
        estimate_clean(
            before=Estimate(0.5, 0.4, 0.6), scores=np.zeros(3), clean=np.zeros(4, dtype=bool)
        )
