from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tools.ranking import paired_bootstrap, ranking


@pytest.mark.parametrize("ties", [False, True])
def test_areas_are_scikit_learns(ties):
    rng = np.random.default_rng(0)
    wrong = rng.random(300) < 0.2
    score = rng.normal(size=300) - 0.8 * wrong
    if ties:
        score = np.round(score)
    found = ranking(score, wrong)
    assert found.auroc == pytest.approx(roc_auc_score(wrong, -score))
    assert found.auprc == pytest.approx(average_precision_score(wrong, -score))
    assert found.error_rate == pytest.approx(wrong.mean())


def test_precision_and_recall_of_the_most_suspicious():
    wrong = np.zeros(1000, dtype=bool)
    wrong[:200] = True
    score = np.arange(1000.0)  # the wrong ones first
    perfect = ranking(score, wrong)
    assert (perfect.auroc, perfect.auprc, perfect.precision_100) == (1, pytest.approx(1), 1)
    assert (perfect.recall_100, perfect.precision_errors, perfect.lift_100) == (0.5, 1, 5)
    upside_down = ranking(-score, wrong)
    assert (upside_down.auroc, upside_down.precision_100, upside_down.precision_errors) == (0, 0, 0)
    half = ranking(np.where(np.arange(1000) % 2, score, score + 1000), wrong)
    assert half.precision_errors == 0.5


def test_ties_go_by_index():
    wrong = np.array([True, False, False, True])
    assert ranking(np.zeros(4), wrong).precision_errors == 0.5
    assert ranking(np.zeros(4), wrong).auroc == 0.5


@pytest.mark.parametrize("wrong", [np.zeros(5, bool), np.ones(5, bool), np.zeros(0, bool)])
def test_with_nothing_to_tell_apart_nothing_is_claimed(wrong):
    found = ranking(np.arange(float(len(wrong))), wrong)
    assert (found.auroc, found.auprc, found.precision_100, found.lift_100) == (None,) * 4
    with pytest.raises(ValueError, match="all labels"):
        paired_bootstrap(np.arange(float(len(wrong))), np.arange(float(len(wrong))), wrong)


def test_the_bootstrap_tells_a_difference_from_noise():
    rng = np.random.default_rng(1)
    wrong = rng.random(600) < 0.3
    good, weak = (rng.normal(size=600) - by * wrong for by in (2.0, 0.5))
    clear = paired_bootstrap(good, weak, wrong, repeats=200)
    assert clear.low < clear.mean < clear.high
    assert clear.low > 0
    expected = roc_auc_score(wrong, -good) - roc_auc_score(wrong, -weak)
    assert clear.mean == pytest.approx(expected)
    same = paired_bootstrap(good, good + 5, wrong, repeats=50)
    assert (same.mean, same.low, same.high) == (0, 0, 0)
    noise = paired_bootstrap(weak, weak + 0.3 * rng.normal(size=600), wrong, repeats=200)
    assert noise.low < 0.05
    assert noise.high - noise.low < 0.2, "the scores were not drawn together"
    assert clear == paired_bootstrap(good, weak, wrong, repeats=200)


def test_scores_that_cannot_be_ranked_are_refused():
    with pytest.raises(ValueError, match="not a number"):
        ranking(np.array([1.0, np.nan]), np.array([True, False]))
    with pytest.raises(ValueError, match="scores for"):
        ranking(np.ones(3), np.ones(2, bool))
