"""What p_clean is compared with: other scores of how likely a label is right.

As in `studio.scores.cleanliness`: labels (N,) int, given ones or a model's own; features (N, d);
probabilities (N, C) of any classifier. Every score is (N,) float64, higher = cleaner, in [0, 1].
None sees a true label. The names B0 to B5 are those of docs/lab-notes.md; B2 is
`studio.scores.cleanliness.neighbour_share`.

For labels that are a model's own best classes its confidence and margin say all it has to say, and
methods that look for labels which differ from the prediction (cleanlab's filters) find nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from studio.scores.cleanliness import FloatArray, LabelArray, Score, checked


def self_confidence(probabilities: FloatArray, labels: LabelArray) -> Score:
    """B0: the probability of the label [cleanlab]; of pseudo-labels the largest there is."""
    probabilities, labels = checked(probabilities, labels)
    return np.asarray(probabilities[np.arange(len(labels)), labels], dtype=np.float64)


def margin(probabilities: FloatArray, labels: LabelArray) -> Score:
    """B1: the label's probability less the best other one, from [-1, 1] to [0, 1] [cleanlab]."""
    own = self_confidence(probabilities, labels)
    others = np.array(probabilities, dtype=np.float64)
    others[np.arange(len(labels)), labels] = -np.inf
    return (own - others.max(axis=1) + 1) / 2


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

    features, labels = checked(features, labels)
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
    features, labels = checked(features, labels)
    if positive.shape != negative.shape:
        raise ValueError(f"{positive.shape} positive against {negative.shape} negative vectors")

    def unit(values: FloatArray) -> Score:
        found = np.asarray(values, dtype=np.float64)
        return found / np.maximum(np.linalg.norm(found, axis=-1, keepdims=True), 1e-12)

    difference = (unit(features) * (unit(positive) - unit(negative))[labels]).sum(axis=1)
    return np.asarray(1 / (1 + np.exp(-scale * difference)))
