from __future__ import annotations

import numpy as np
import pytest
import torch

from studio.coft.events import Finished, Judged, Monitor, Progress, SeedSet, ZeroShot
from studio.runs.scoring import Scorer

TRUTH = np.array([0, 0, 1, 1, -1])  # the last image's class is not known


def judged() -> Judged:
    clean = torch.tensor([[True, True, False, True, True], [False, False, True, True, False]])
    probability = torch.tensor([[0.9, 0.8, 0.1, 0.7, 0.9], [0.2, 0.3, 0.9, 0.6, 0.1]])
    return Judged(
        labels=torch.tensor([[0, 1, 0, 1, 0], [0, 1, 1, 1, 1]]),
        clean_probability=probability,
        own_clean_probability=probability,
        clean=clean,
        confidence=probability,
    )


def test_events_without_labels_have_no_score():
    assert Scorer(TRUTH).score(Progress("x", 1, 2)) is None


def test_zero_shot_and_seeds_are_scored_where_the_truth_is_known():
    scorer = Scorer(TRUTH)
    labels = torch.tensor([0, 1, 1, 1, 0])
    assert scorer.score(ZeroShot(labels, labels.float())) == {
        "stage": "zero-shot", "accuracy": 0.75
    }  # fmt: skip
    seeds = SeedSet(torch.tensor([3, 1, 4]), torch.tensor([1, 1, 0]), (1, 2))
    assert scorer.score(seeds) == {"stage": "seed", "round": 1, "model": None, "accuracy": 0.5}


def test_the_monitored_subset_is_compared_with_its_own_truth():
    event = Monitor(1, 2, 3, torch.tensor([1, 2]), torch.tensor([[0, 0], [0, 1]]), 0.5, 0.25)
    score = Scorer(TRUTH).score(event)
    assert score is not None
    assert score["accuracies"] == [0.5, 1.0]
    assert score["accuracy"] == 0.75
    assert (score["agreement"], score["clean_fraction"]) == (0.5, 0.25)
    assert (score["phase"], score["epoch"], score["epochs"]) == (1, 2, 3)


def test_the_judgement_is_scored_of_both_models_and_of_the_labels_that_are_clean():
    score = Scorer(TRUTH).score(judged())
    assert score is not None
    assert score["accuracies"] == [0.5, 0.75]
    # Every image has a clean label: of model 1 (0, 1, 4), model 2 (2), and the better of both (3).
    # Right are 0, 2 and 3, wrong is 1, and of 4 the truth is not known.
    assert score["clean_precision"] == pytest.approx(3 / 4)
    assert score["clean_fraction"] == 1.0
    assert score["agreement"] == pytest.approx(0.6)
    # Right labels at .9, .7 against .8, .1; then at .2, .9, .6 against .3.
    assert score["clean_auroc"] == pytest.approx((3 / 4 + 2 / 3) / 2)


def test_the_outcome_counts_kept_labels_only_for_its_precision():
    ones = torch.ones(5)
    event = Finished(
        labels=torch.tensor([0, 1, 1, 0, 0]), confidence=ones,
        clean_probability=torch.tensor([0.9, 0.1, 0.8, 0.2, 0.5]),
        model_labels=torch.tensor([[0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]),
        model_clean_probability=torch.ones(2, 5),
        clean=torch.tensor([True, False, True, False, True]),
        top_labels=torch.zeros(5, 1), top_probabilities=ones[:, None],
        stage="phase2", stopped=False,
    )  # fmt: skip
    score = Scorer(TRUTH).score(event)
    assert score is not None
    assert (score["accuracy"], score["accuracies"]) == (0.5, [0.5, 1.0])
    assert score["clean_precision"] == 1.0
    assert score["clean_fraction"] == pytest.approx(0.6)
    assert score["clean_auroc"] == 1.0


def test_without_truth_only_what_needs_none_is_told():
    score = Scorer(None).score(judged())
    assert score is not None
    assert score["accuracy"] is None
    assert score["clean_precision"] is None
    assert score["clean_auroc"] is None
    assert score["clean_fraction"] == 1.0
