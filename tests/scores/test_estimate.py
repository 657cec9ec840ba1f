from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.scores.estimate import (
    LINES,
    SOURCES,
    Estimate,
    Evidence,
    around,
    estimate_clean,
    estimate_run,
    estimate_zero_shot,
    level_of,
)
from studio.scores.names_fit import NamesFit


def probabilities(clarity: float, *, images: int = 400, classes: int = 8, seed: int = 0):
    """Softmax over random logits, of which one is raised by `clarity`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(images, classes))
    logits[np.arange(images), rng.integers(0, classes, images)] += clarity
    values = np.exp(logits)
    return values / values.sum(axis=1, keepdims=True)


KNOWN = {"z": 6.0, "near": 2.0, "agreement": 0.9}


def test_a_model_that_decides_clearly_is_taken_to_be_right_more_often():
    for known in (KNOWN, {}):
        found = [
            estimate_zero_shot(probabilities(c), **known).accuracy for c in (0.0, 1.0, 2.0, 6.0)
        ]
        assert found == sorted(found)
        assert found[-1] > 0.75


@pytest.mark.parametrize(
    ("name", "low", "high"), [("z", 0.0, 9.0), ("near", 0.0, 9.0), ("agreement", 0.75, 0.95)]
)
def test_each_of_the_three_comparisons_counts(name, low, high):
    """None of them may be forgotten on the way: flowers102 looks well by z alone."""
    less, more = (
        estimate_zero_shot(probabilities(2.0), **{**KNOWN, name: value}).accuracy
        for value in (low, high)
    )
    assert more > less + 0.05
    below = estimate_zero_shot(probabilities(2.0), **{**KNOWN, name: min(low, 0.0) - 5})
    assert below.accuracy <= less


def test_without_the_comparisons_an_estimate_is_no_surer():
    evidence = Evidence.of(probabilities(3.0))
    alone, known = evidence.estimate(), Evidence.of(probabilities(3.0), **KNOWN).estimate()
    assert evidence.line(None) == "before, without z"
    for when in ("before", "after"):
        assert LINES[f"{when}, without z"].spread >= LINES[when].spread
    assert alone.source != known.source
    assert alone.source == SOURCES["before, without z"]
    one_missing = Evidence.of(probabilities(3.0), **{**KNOWN, "near": None}).estimate()
    assert (one_missing.accuracy, one_missing.low) == (alone.accuracy, alone.low)


@pytest.mark.parametrize("clarity", [0.0, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("z", [None, -2.0, 1.5, 20.0])
@pytest.mark.parametrize("images", [1, 30, 3000])
def test_the_interval_holds_the_estimate(clarity, z, images):
    p = probabilities(clarity, images=images, classes=2)
    found = estimate_zero_shot(p, **{**KNOWN, "z": z})
    assert 0 <= found.low <= found.accuracy <= found.high <= 1
    assert np.isfinite([found.low, found.accuracy, found.high]).all()


def test_few_images_widen_the_interval():
    few, many = (estimate_zero_shot(probabilities(2.0, images=n), **KNOWN) for n in (12, 4000))
    assert few.high - few.low > many.high - many.low + 0.05


def test_the_ends_by_hand():
    low, high = around(0.5, 0.2, images=100)
    half = np.hypot(0.2, 1.645 / 2 / 10)
    assert low == pytest.approx(np.sin(np.pi / 4 - half) ** 2)
    assert high == pytest.approx(np.sin(np.pi / 4 + half) ** 2)
    assert around(0.01, 0.3, images=9)[0] == 0.0
    assert around(0.99, 0.3, images=9)[1] == 1.0


def test_a_class_of_probability_nought_is_no_infinite_gap():
    found = Evidence.of(np.eye(3)[[0, 1, 2, 0]])
    assert np.isfinite([found.confidence, found.gap]).all()
    assert found.estimate().accuracy > 0.9


def test_the_evidence_is_the_confidence_and_the_gap():
    found = Evidence.of(np.array([[0.6, 0.3, 0.1], [0.2, 0.4, 0.4]]))
    assert (found.images, found.classes) == (2, 3)
    assert found.confidence == pytest.approx(0.0)  # the mean confidence is a half
    assert found.gap == pytest.approx(np.log(2) / 2)


# What the embedded model says about the training parts of real sets: classes, confidence (logit),
# gap, z, near, agreement, and how many of its zero-shot labels are right.
MEASURED = {
    "oxford_pets": (37, -0.18, 1.25, 9.4, 4.7, 0.906, 0.559),
    "caltech101": (100, -0.94, 0.99, 10.1, 9.9, 0.875, 0.532),
    "cifar10": (10, 0.20, 1.15, 5.0, 3.1, 0.892, 0.550),
    "clothing10": (10, 0.02, 1.08, 8.3, 2.5, 0.873, 0.464),
    "pacs_art_painting": (7, 0.22, 1.30, 4.7, 2.9, 0.906, 0.607),
    "eurosat": (10, -0.29, 0.67, 0.4, -0.3, 0.844, 0.127),
    "food101_10": (10, -0.69, 0.55, 2.6, 0.7, 0.830, 0.214),
    "flowers102": (102, -2.29, 0.41, 4.0, 3.7, 0.739, 0.035),
    "demo": (11, 0.33, 1.62, 9.7, 7.0, 0.954, 0.727),
}


@pytest.mark.parametrize("name", MEASURED)
def test_real_sets_are_inside_their_intervals(name):
    classes, confidence, gap, z, near, agreement, right = MEASURED[name]
    found = Evidence(500, classes, confidence, gap, z, near, agreement).estimate()
    assert found.low <= right <= found.high
    assert abs(found.accuracy - right) < 0.12
    if right < 2 / classes + 0.1:
        assert level_of(found, classes) != "promising"


def test_a_model_that_sees_flowers_but_not_which_flower_is_not_promising():
    classes, *numbers, _ = MEASURED["flowers102"]
    assert numbers[2] > 2.5, "by z alone it would be"
    assert level_of(Evidence(500, classes, *numbers).estimate(), classes) == "near chance"
    assert level_of(Evidence(500, 37, *MEASURED["oxford_pets"][1:-1]).estimate(), 37) == "promising"


@pytest.mark.parametrize(
    ("accuracy", "low", "classes", "level"),
    [
        (0.50, 0.30, 10, "promising"),
        (0.50, 0.29, 10, "doubtful"),  # twice chance and ten points is 0.30
        (0.50, 0.12, 100, "promising"),
        (0.18, 0.05, 10, "near chance"),
        (0.20, 0.05, 10, "doubtful"),
        (0.95, 0.87, 2, "doubtful"),
        (0.95, 0.88, 2, "promising"),  # twice chance and more is out of reach of two classes
        (0.80, 0.76, 3, "doubtful"),
    ],
)
def test_the_level_follows_the_lower_end(accuracy, low, classes, level):
    assert level_of(Estimate(accuracy, low, 1.0), classes) == level


def run(labels, *, given=None, images=200, known=KNOWN):
    p = probabilities(2.0, images=images)
    return estimate_run(
        evidence=Evidence.of(p, **known), probabilities=p, labels=np.asarray(labels), given=given
    )


def test_labels_that_have_not_changed_keep_their_estimate():
    p = probabilities(2.0, images=200)
    assert run(p.argmax(1)) == Evidence.of(p, **KNOWN).estimate()


def test_labels_that_the_names_do_not_fit_are_taken_to_be_wrong_more_often():
    p = probabilities(2.0, images=200)
    best, worst = p.argsort(1)[:, -1], p.argsort(1)[:, 0]
    half = np.where(np.arange(200) < 100, best, worst)
    found = [run(labels).accuracy for labels in (worst, half, np.where(np.arange(200), best, 0))]
    assert found == sorted(found)
    assert found[-1] > found[0] + 0.05
    assert run(worst).source == SOURCES["after"]
    assert run(worst, known={}).source == SOURCES["after, without z"]


def test_labels_of_a_person_are_taken_for_right():
    p = probabilities(2.0, images=200)
    labels, given = p.argsort(1)[:, 0], np.arange(200) < 50
    half = run(labels, given=given)
    own = estimate_run(
        evidence=Evidence.of(p, **KNOWN), probabilities=p[50:], labels=labels[50:]
    )  # fmt: skip
    assert half.accuracy == pytest.approx(0.25 + 0.75 * own.accuracy)
    assert half.low == pytest.approx(0.25 + 0.75 * own.low)
    every = run(labels, given=given | True)
    assert (every.accuracy, every.low, every.source) == (1.0, 1.0, SOURCES["given"])


def test_of_few_images_the_interval_is_wide():
    p = probabilities(2.0, images=400)
    evidence, labels = Evidence.of(p, **KNOWN), p.argsort(1)[:, -2]
    every = estimate_run(evidence=evidence, probabilities=p, labels=labels)
    some = estimate_run(evidence=evidence, probabilities=p[:20], labels=labels[:20])
    assert some.high - some.low > every.high - every.low


def test_for_people_and_for_machines():
    found = Estimate(0.617, 0.5, 0.742, z=4.0, source="so")
    assert found.text() == "about 62 % (50 to 74 %)"
    assert found.to_dict() == {
        "accuracy": 0.617, "low": 0.5, "high": 0.742, "z": 4.0, "source": "so"
    }  # fmt: skip


@pytest.mark.parametrize("shape", [(0, 3), (5, 1), (5,)])
def test_shapes_that_mean_nothing_are_refused(shape):
    with pytest.raises(ValueError, match="probabilities of shape"):
        estimate_zero_shot(np.zeros(shape))
    with pytest.raises(ValueError, match="labels for probabilities"):
        run(np.zeros(4, dtype=int))


AFTER = Estimate(0.5, 0.4, 0.6, 9.0, "so")


def clean_of(*, clean: list[bool], given: list[bool] | None = None) -> Estimate | None:
    return estimate_clean(
        after=AFTER,
        scores=np.array([0.9, 0.7, 0.2, 0.4]),
        clean=np.array(clean),
        given=None if given is None else np.array(given),
    )


def test_clean_labels_are_right_more_often_by_what_their_scores_are_higher() -> None:
    found = clean_of(clean=[True, True, False, False])
    odds = (0.8 / 0.2) / (0.55 / 0.45)  # mean scores of the clean labels and of all
    assert found is not None
    assert found.accuracy == pytest.approx(odds / (1 + odds))
    assert found.low == pytest.approx(1 / (1 + 0.6 / 0.4 / odds))
    assert found.source == "so"
    everything = clean_of(clean=[True] * 4)
    assert everything is not None
    assert everything.accuracy == pytest.approx(AFTER.accuracy)


def test_given_labels_are_right_among_the_clean_ones_too() -> None:
    found = clean_of(clean=[True, True, True, False], given=[False, True, True, True])
    # Of the labels that nobody gave none is right: the estimate of all is that of the given ones.
    assert found is not None
    assert found.accuracy == pytest.approx(2 / 3, abs=0.01)
    only = clean_of(clean=[True, False, False, False], given=[True, False, False, False])
    assert only is not None
    assert (only.accuracy, only.low, only.high) == (1.0, 1.0, 1.0)


def test_without_a_clean_label_there_is_no_estimate_of_them() -> None:
    assert clean_of(clean=[False] * 4) is None
    with pytest.raises(ValueError, match="scores for"):
        estimate_clean(after=AFTER, scores=np.zeros(3), clean=np.zeros(4, dtype=bool))


RUNS = Path(__file__).resolve().parents[2] / "tools" / "estimate_runs.jsonl"


def test_whole_runs_are_inside_their_intervals() -> None:
    """Of labels that CoFT ended with, on whole sets and on lists that do not fit the folder."""
    errors = []
    for line in RUNS.read_text(encoding="utf-8").splitlines():
        unit = json.loads(line)["unit"]
        found, right = unit["after"]["run"], unit["after"]["run"]["accuracy"]
        estimate = Evidence(**unit["evidence"]).estimate(fit=NamesFit(**found["fit"]))
        assert estimate.low <= right <= estimate.high, line
        errors.append(abs(estimate.accuracy - right))
    assert len(errors) >= 11
    assert np.mean(errors) < 0.08


@pytest.mark.parametrize(
    ("evidence", "fit"),
    [({"near": 6.0}, {}), ({"evenness": 0.9}, {}), ({}, {"probable": 0.8}), ({}, {"likely": 0.95})],
)
def test_each_indicator_after_training_counts(
    evidence: dict[str, float], fit: dict[str, float]
) -> None:
    def accuracy(known: dict[str, float], fits: dict[str, float]) -> float:
        numbers: dict[str, Any] = {"near": 2.0, "evenness": 0.4, **known}
        about = Evidence(500, 10, 0.0, 1.0, z=5.0, agreement=0.9, **numbers)
        found = about.estimate(fit=NamesFit(**{"probable": 0.5, "likely": 0.8, **fits}))
        assert found.source == SOURCES["after"]
        return found.accuracy

    assert accuracy(evidence, fit) > accuracy({}, {}) + 0.03
