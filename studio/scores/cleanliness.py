"""What else tells right labels from wrong ones: the scores that p_clean has to be compared with.

Everywhere: labels (N,) int, given ones or a model's own; probabilities (N, C) of any classifier;
features (N, d), any scale. Every score is (N,) float64, higher = cleaner, in [0, 1] unless said
otherwise. None sees a true label. The names B0 to B5 are those of docs/benchmarks.md.

For labels that are a model's own best classes its confidence and margin say all it has to say, and
methods that look for labels which differ from the prediction (cleanlab's filters) find nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
LabelArray = npt.NDArray[np.integer]
Score = npt.NDArray[np.float64]

_BLOCK = 2048  # rows of a similarity matrix at a time: 100,000 images stay below 1 GB


def self_confidence(probabilities: FloatArray, labels: LabelArray) -> Score:
    """B0: the probability of the label [cleanlab]; of pseudo-labels the largest there is."""
    probabilities, labels = _checked(probabilities, labels)
    return np.asarray(probabilities[np.arange(len(labels)), labels], dtype=np.float64)


def margin(probabilities: FloatArray, labels: LabelArray) -> Score:
    """B1: the label's probability less the best other one, from [-1, 1] to [0, 1] [cleanlab]."""
    own = self_confidence(probabilities, labels)
    others = np.array(probabilities, dtype=np.float64)
    others[np.arange(len(labels)), labels] = -np.inf
    return (own - others.max(axis=1) + 1) / 2


def neighbour_share(features: FloatArray, labels: LabelArray, *, k: int = 10) -> Score:
    """B2: the share of the k nearest images (cosine) with the same label, itself left out.

    Source: Datalab without probabilities [cleanlab, issue_manager/label.py], which takes k + 1
    neighbours and subtracts the image's own vote. k is lowered to N - 1.
    """
    votes = neighbour_votes(features, labels, k=k)
    return np.asarray(votes[np.arange(len(labels)), labels])


def neighbour_votes(
    features: FloatArray, labels: LabelArray, *, k: int = 10, classes: int | None = None
) -> Score:
    """(N, C) shares of the labels among the k nearest images; classes: C, else the largest + 1."""
    features, labels = _checked(features, labels)
    count = len(labels)
    k = min(k, count - 1)
    votes = np.zeros((count, classes or int(labels.max(initial=0)) + 1))
    if k < 1:
        return votes
    unit = np.asarray(features, dtype=np.float32)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    for begin in range(0, count, _BLOCK):
        rows = np.arange(begin, min(begin + _BLOCK, count))
        similarity = unit[rows] @ unit.T
        similarity[np.arange(len(rows)), rows] = -np.inf
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        np.add.at(votes, (np.repeat(rows, k), labels[nearest].ravel()), 1.0 / k)
    return votes


def probe_confidence(
    features: FloatArray, labels: LabelArray, *, folds: int = 5, seed: int = 0
) -> Score:
    """B3: the label's probability under a logistic regression that was fitted to other images.

    Source: cleanlab's advice, out-of-sample probabilities by cross-validation. Folds are stratified
    where every label has enough images; a label with fewer than two images is known to no fold that
    could judge it and scores 0.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold, StratifiedKFold

    features, labels = _checked(features, labels)
    unit = np.asarray(features, dtype=np.float64)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    score = np.zeros(len(labels))
    counts = np.bincount(labels)
    kind: Any = StratifiedKFold if counts[counts > 0].min() >= folds else KFold
    for rest, own in kind(folds, shuffle=True, random_state=seed).split(unit, labels):
        if len(np.unique(labels[rest])) < 2:
            score[own] = labels[own] == labels[rest[0]]
            continue
        # Unit vectors need a weak penalty: C = 1 leaves the probabilities nearly even.
        probe = LogisticRegression(C=10.0, max_iter=300).fit(unit[rest], labels[rest])
        column = np.full(len(counts), -1)
        column[probe.classes_] = np.arange(len(probe.classes_))
        chosen = column[labels[own]]
        found = probe.predict_proba(unit[own])[np.arange(len(own)), chosen]
        score[own] = np.where(chosen >= 0, found, 0.0)
    return score


def small_loss(probabilities: FloatArray, labels: LabelArray, *, seed: int = 0) -> Score:
    """B4: the probability of having a small loss, under two Gaussians [DivideMix].

    The loss is the cross-entropy of the label, scaled to [0, 1]. Because the Gaussians differ in
    width, the score need not rise as the loss falls. Constant losses give 1.
    """
    from sklearn.mixture import GaussianMixture

    loss = -np.log(np.maximum(self_confidence(probabilities, labels), 1e-12))
    span = float(np.ptp(loss)) if len(loss) else 0.0
    if len(loss) < 2 or span <= 0:
        return np.ones(len(loss))
    scaled = ((loss - loss.min()) / span)[:, None]
    mixture = GaussianMixture(2, max_iter=100, tol=1e-3, reg_covar=5e-4, random_state=seed).fit(
        scaled
    )
    return np.asarray(mixture.predict_proba(scaled)[:, int(mixture.means_.argmin())])


def prompt_contrast(
    features: FloatArray,
    labels: LabelArray,
    *,
    positive: FloatArray,
    negative: FloatArray,
    scale: float,
) -> Score:
    """B5: p_clean without training: the label's sentence against the one that denies it.

    features: (N, d); positive, negative: (C, d) vectors of "a photo of a ..." and "a photo without
    a ..."; all in the space in which cosines are compared; scale: 1 / tau.
    """
    features, labels = _checked(features, labels)
    if positive.shape != negative.shape:
        raise ValueError(f"{positive.shape} positive against {negative.shape} negative vectors")

    def unit(values: FloatArray) -> Score:
        found = np.asarray(values, dtype=np.float64)
        return found / np.maximum(np.linalg.norm(found, axis=-1, keepdims=True), 1e-12)

    difference = (unit(features) * (unit(positive) - unit(negative))[labels]).sum(axis=1)
    return np.asarray(1 / (1 + np.exp(-scale * difference)))


def combined(
    *, confidence: FloatArray, neighbours: FloatArray, phase1_confidence: FloatArray | None = None
) -> Score:
    """The mean of what three witnesses say: a fixed formula, with nothing fitted to any set.

    confidence: (N,) of the final label, from the trained classifier; neighbours: (N,)
    `neighbour_share` of the final labels on the features from before training; phase1_confidence:
    (M, N) largest probabilities of the models before they were trained on all labels, or None for
    methods without that phase. They err differently: training makes a classifier sure of the wrong
    labels it was given, the features never saw a label, and Phase I saw only the seeds.

    Mean AUROC over six sets .824, the best single score (neighbours) .776, p_clean .745: see
    docs/benchmarks.md. Adding p_clean took .010 away on earlier runs.
    """
    parts = [np.asarray(confidence, np.float64), np.asarray(neighbours, np.float64)]
    if phase1_confidence is not None:
        parts.append(np.asarray(phase1_confidence, np.float64).mean(axis=0))
    if len({part.shape for part in parts}) > 1 or parts[0].ndim != 1:
        raise ValueError(f"scores of shapes {[part.shape for part in parts]}")
    return np.asarray(np.mean(parts, axis=0))


def _checked(values: FloatArray, labels: LabelArray) -> tuple[FloatArray, LabelArray]:
    values, labels = np.asarray(values), np.asarray(labels)
    if values.ndim != 2 or labels.shape != values.shape[:1]:
        raise ValueError(f"{labels.shape} labels for values of shape {values.shape}")
    return values, labels
