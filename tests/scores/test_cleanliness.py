from __future__ import annotations

import numpy as np
import pytest
from cleanlab.datalab.internal.issue_manager.label import LabelIssueManager
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from studio.scores import cleanliness, graph
from tools import rival_scores
from tools.ranking import ranking


@pytest.fixture(scope="module")
def world() -> dict[str, np.ndarray]:
    """Four clusters of 60 images, a fifth of the labels wrong, probabilities that half see it."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 60)
    features = rng.normal(size=(4, 16))[truth] + 0.6 * rng.normal(size=(240, 16))
    labels = truth.copy()
    wrong = rng.permutation(240)[:48]
    labels[wrong] = (labels[wrong] + rng.integers(1, 4, 48)) % 4
    logits = rng.normal(size=(240, 4))
    logits[np.arange(240), truth] += 1.5
    logits[np.arange(240), labels] += 1.0
    p = np.exp(logits)
    return {
        "features": features / np.linalg.norm(features, axis=1, keepdims=True),
        "labels": labels,
        "wrong": labels != truth,
        "probabilities": p / p.sum(axis=1, keepdims=True),
    }


def test_confidence_and_margin_are_cleanlabs(world):
    for method, ours in (
        ("self_confidence", rival_scores.self_confidence),
        ("normalized_margin", rival_scores.margin),
    ):
        theirs = get_label_quality_scores(
            world["labels"], world["probabilities"], method=method, adjust_pred_probs=False
        )
        np.testing.assert_allclose(ours(world["probabilities"], world["labels"]), theirs, rtol=1e-9)


def test_neighbours_are_datalabs(world):
    """The formula of its label issues from features alone: k + 1 neighbours less the own vote."""

    class Lab:  # what LabelIssueManager asks a Datalab for; a real one needs four packages more
        def __init__(self) -> None:
            self.labels, self._label_map = world["labels"], dict(enumerate("abcd"))

        def get_info(self, _name: str) -> dict[str, object]:
            return {"num_examples": len(self.labels), "multi_label": False}

    manager = LabelIssueManager(datalab=Lab(), k=10)
    manager.find_issues(features=world["features"])
    theirs = manager.issues["label_score"].to_numpy()
    ours = cleanliness.neighbour_share(world["features"], world["labels"], k=10)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_probe_is_cleanlabs_advice(world):
    """Self-confidence of out-of-sample probabilities, folds and probe as ours."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    p = cross_val_predict(
        LogisticRegression(C=10.0, max_iter=300),
        world["features"], world["labels"], cv=folds, method="predict_proba",
    )  # fmt: skip
    theirs = get_label_quality_scores(world["labels"], p, adjust_pred_probs=False)
    ours = rival_scores.probe_confidence(world["features"], world["labels"])
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_every_score_that_has_a_chance_finds_wrong_labels(world):
    found = {
        "confidence": rival_scores.self_confidence(world["probabilities"], world["labels"]),
        "margin": rival_scores.margin(world["probabilities"], world["labels"]),
        "neighbours": cleanliness.neighbour_share(world["features"], world["labels"]),
        "probe": rival_scores.probe_confidence(world["features"], world["labels"]),
        "loss": rival_scores.small_loss(world["probabilities"], world["labels"]),
    }
    for name, score in found.items():
        assert score.shape == (240,)
        assert ((score >= 0) & (score <= 1)).all(), name
        assert (ranking(score, world["wrong"]).auroc or 0) > 0.75, name
    together = cleanliness.combined(
        confidence=found["confidence"], neighbours=found["neighbours"],
        phase1_confidence=np.stack([found["probe"], found["margin"]]),
    )  # fmt: skip
    both = (found["probe"] + found["margin"]) / 2
    expected = (found["confidence"] + found["neighbours"] + both) / 3
    np.testing.assert_allclose(together, expected)


def test_a_label_is_no_evidence_for_itself():
    """One image whose label nobody around it has: its own vote would give it a tenth or more."""
    features = np.random.default_rng(1).normal(size=(40, 8)) * 0.1 + 1
    labels = np.zeros(40, dtype=int)
    labels[7] = 1
    assert cleanliness.neighbour_share(features, labels)[7] == 0
    assert rival_scores.probe_confidence(features, labels)[7] < 0.1


def test_few_images_and_one_class_are_no_reason_to_fail():
    one = np.ones((1, 4))
    assert cleanliness.neighbour_share(one, np.array([0])).tolist() == [0.0]
    same = cleanliness.neighbour_share(np.ones((3, 4)), np.zeros(3, dtype=int))
    np.testing.assert_allclose(same, 1)
    ten = np.random.default_rng(0).normal(size=(10, 4))
    assert rival_scores.probe_confidence(ten, np.zeros(10, dtype=int)).tolist() == [1.0] * 10
    flat = np.full((5, 3), 1 / 3)
    assert rival_scores.small_loss(flat, np.zeros(5, dtype=int)).tolist() == [1.0] * 5


def test_prompts_contrast_the_label_with_its_denial():
    positive, negative = np.eye(3)[:2], np.eye(3)[[2, 2]]
    image = np.array([[1.0, 0.0, 0.0]])

    def score(label: int) -> float:
        found = rival_scores.prompt_contrast(
            image, np.array([label]), positive=positive, negative=negative, scale=10.0
        )
        return float(found[0])

    assert score(0) == pytest.approx(1 / (1 + np.exp(-10)))
    assert score(1) == pytest.approx(0.5)


def test_many_images_are_compared_in_blocks(monkeypatch):
    rng = np.random.default_rng(3)
    features, labels = rng.normal(size=(50, 6)), rng.integers(0, 3, 50)
    whole = cleanliness.neighbour_votes(features, labels)
    monkeypatch.setattr(graph, "BLOCK_BYTES", 4 * 50 * 7)
    np.testing.assert_allclose(cleanliness.neighbour_votes(features, labels), whole)
    np.testing.assert_allclose(whole.sum(axis=1), 1)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="labels for values"):
        rival_scores.self_confidence(np.ones((3, 2)), np.zeros(4, dtype=int))
    with pytest.raises(ValueError, match="scores of shapes"):
        cleanliness.combined(confidence=np.ones(3), neighbours=np.ones(4))


def test_a_rejected_image_does_not_vote_for_its_neighbours() -> None:
    features = np.concatenate([np.eye(2)[[0] * 6], np.eye(2)[[1] * 6]]).astype(np.float32)
    features += np.random.default_rng(0).normal(scale=0.01, size=features.shape)
    labels = np.array([1, *[0] * 5, *[1] * 6])
    usable = np.ones(12, np.bool_)
    assert cleanliness.neighbour_share(features, labels, k=5)[1] == 0.8
    usable[0] = False
    assert cleanliness.neighbour_share(features, labels, k=4, usable=usable)[1] == 1.0
    usable[2:] = False  # nobody else may be asked
    assert cleanliness.neighbour_share(features, labels, k=5, usable=usable)[2] in (0.0, 1.0)
