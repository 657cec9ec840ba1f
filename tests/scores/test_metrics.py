from __future__ import annotations

import numpy as np
import pytest

from studio.scores import (
    accuracy,
    auroc,
    belief_precision,
    clean_fraction,
    clean_precision,
    clustering_accuracy,
)
from tools.label_metrics import calibration_error, clean_recall, per_class

LABELS = np.array([0, 0, 1, 1, 2, 2])
TRUTH = np.array([0, 1, 1, 1, -1, 0])  # right: yes no yes yes ? no
CLEAN = np.array([True, True, True, False, True, False])


def test_accuracy_leaves_unknown_truth_out():
    assert accuracy(LABELS, TRUTH) == pytest.approx(3 / 5)


def test_a_label_of_minus_one_is_not_right_by_accident():
    assert accuracy(np.array([-1, 0]), np.array([-1, 1])) == 0


def test_groups_that_exchanged_their_names_are_still_groups():
    names = np.array([1, 1, 2, 2, 0, 0, 0])
    truth = np.array([0, 0, 1, 1, 2, 2, 1])  # all but the last, once 1 -> 0, 2 -> 1, 0 -> 2
    assert accuracy(names, truth) == 0
    assert clustering_accuracy(names, truth) == pytest.approx(6 / 7)
    assert clustering_accuracy(truth, truth) == 1
    one = np.zeros(7, dtype=int)  # one group cannot have several names
    assert clustering_accuracy(one, truth) == pytest.approx(3 / 7)
    assert clustering_accuracy(np.array([-1, 0, 5]), np.array([0, 0, -1])) == pytest.approx(1 / 2)


def test_clean_scores():
    assert clean_fraction(CLEAN) == pytest.approx(4 / 6)
    assert clean_precision(LABELS, CLEAN, TRUTH) == pytest.approx(2 / 3)
    assert clean_recall(LABELS, CLEAN, TRUTH) == pytest.approx(2 / 3)
    every = np.ones(6, dtype=bool)
    assert clean_precision(LABELS, every, TRUTH) == accuracy(LABELS, TRUTH)
    assert clean_recall(LABELS, every, TRUTH) == 1


def test_precision_and_recall_are_not_exchanged():
    clean = np.array([True, False, False, False, False, False])
    assert clean_precision(LABELS, clean, TRUTH) == 1
    assert clean_recall(LABELS, clean, TRUTH) == pytest.approx(1 / 3)


def test_belief_counts_instead_of_images():
    belief = np.array([1.0, 0.5, 0.25, 0.25, 9.0, 0.0])  # 1.5 of 2 on right ones; one unknown
    assert belief_precision(LABELS, belief, TRUTH) == pytest.approx(0.75)
    assert belief_precision(LABELS, CLEAN.astype(float), TRUTH) == clean_precision(
        LABELS, CLEAN, TRUTH
    )


def test_little_belief_is_belief():
    belief = np.array([0.3, 0.1, 0.0, 0.0, 0.0, 0.0])  # all of it less than one image's worth
    assert belief_precision(LABELS, belief, TRUTH) == pytest.approx(0.75)


def test_what_is_not_known_is_none():
    unknown, nothing = np.full(6, -1), np.zeros(6, dtype=bool)
    for truth in (None, unknown):
        assert accuracy(LABELS, truth) is None
        assert clustering_accuracy(LABELS, truth) is None
        assert clean_precision(LABELS, CLEAN, truth) is None
        assert clean_recall(LABELS, CLEAN, truth) is None
        assert belief_precision(LABELS, np.ones(6), truth) is None
        assert auroc(np.linspace(0, 1, 6), LABELS, truth) is None
        assert calibration_error(np.linspace(0, 1, 6), LABELS, truth) is None
    assert clean_precision(LABELS, nothing, TRUTH) is None
    assert belief_precision(LABELS, np.zeros(6), TRUTH) is None
    assert clean_fraction(np.zeros(0, dtype=bool)) is None
    assert auroc(np.linspace(0, 1, 6), TRUTH, TRUTH) is None  # all right: nothing to rank


def test_results_are_plain_floats():
    values = [
        accuracy(LABELS, TRUTH),
        clustering_accuracy(LABELS, TRUTH),
        clean_fraction(CLEAN),
        clean_precision(LABELS, CLEAN, TRUTH),
        auroc(np.linspace(0, 1, 6), LABELS, TRUTH),
        calibration_error(np.linspace(0, 1, 6), LABELS, TRUTH),
    ]
    assert [type(value) for value in values] == [float] * 6


def test_lengths_that_differ_are_an_error_and_not_a_score():
    with pytest.raises(ValueError, match="labels"):
        accuracy(LABELS, TRUTH[:5])
    with pytest.raises(ValueError, match="mask"):
        clean_precision(LABELS, CLEAN[:1], TRUTH)


def test_the_table_of_classes():
    rows = per_class(LABELS, CLEAN, TRUTH, class_names=["a", "b", "c", "d"])
    a, b, c, d = rows
    assert (a.name, a.images, a.labelled, a.clean) == ("a", 2, 2, 2)
    assert (a.recall, a.precision, a.clean_precision) == (0.5, 0.5, 0.5)
    assert (b.images, b.labelled, b.clean) == (3, 2, 1)
    assert b.recall == pytest.approx(2 / 3)
    assert (b.precision, b.clean_precision) == (1, 1)
    assert (c.images, c.labelled, c.clean) == (0, 2, 1)
    assert (c.recall, c.precision, c.clean_precision) == (None, 0, None)
    assert (d.images, d.labelled, d.clean) == (0, 0, 0)
    assert (d.recall, d.precision, d.clean_precision) == (None, None, None)


def test_the_table_without_truth_still_counts():
    row = per_class(LABELS, CLEAN, None, class_names=["a", "b", "c"])[1]
    assert (row.labelled, row.clean) == (2, 1)
    assert (row.images, row.recall, row.precision, row.clean_precision) == (None,) * 4
    assert per_class(LABELS, None, TRUTH, class_names=["a"])[0].clean == 2


def test_auroc_is_one_when_right_labels_score_higher():
    right = (LABELS == TRUTH).astype(float)
    assert auroc(right, LABELS, TRUTH) == 1
    assert auroc(1 - right, LABELS, TRUTH) == 0
    assert auroc(np.full(6, 0.3), LABELS, TRUTH) == 0.5
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.1])  # wrong ones: 0.8 and 0.1
    assert auroc(score, LABELS, TRUTH) == pytest.approx(4 / 6)


def test_auroc_is_scikit_learns_with_many_ties():
    from sklearn.metrics import roc_auc_score

    draw = np.random.default_rng(0)
    labels, truth = draw.integers(0, 3, (2, 200))
    score = draw.integers(0, 9, 200) / 8 + (labels == truth) / 4
    assert auroc(score, labels, truth) == pytest.approx(roc_auc_score(labels == truth, score))


def test_calibration_error_by_hand():
    labels, truth = np.zeros(10, dtype=int), np.array([0] * 7 + [1] * 3)
    assert calibration_error(np.full(10, 0.7), labels, truth) == pytest.approx(0)
    assert calibration_error(np.full(10, 0.95), labels, truth) == pytest.approx(0.25)
    assert calibration_error(np.full(10, 0.5), labels, truth) == pytest.approx(0.2)
    # over-confidence in one bin does not make up for modesty in another
    confidence = np.array([0.9] * 5 + [0.5] * 5)
    truth = np.array([0, 0, 0, 1, 1] + [0] * 5)
    assert calibration_error(confidence, labels, truth) == pytest.approx(0.5 * 0.3 + 0.5 * 0.5)
    assert calibration_error(np.array([0.0, 1.0]), np.array([0, 0]), np.array([1, 0])) == 0
    # 0 belongs to the first bin and not to the second: one is right too seldom, one too often
    confidence = np.array([0.0] * 10 + [0.1] * 10)
    truth = np.array([0] + [1] * 9 + [1] * 10)
    found = calibration_error(confidence, np.zeros(20, dtype=int), truth)
    assert found == pytest.approx(0.5 * 0.1 + 0.5 * 0.1)
