"""What else tells right labels from wrong ones: the scores that stand beside p_clean.

Everywhere: labels (N,) int, given ones or a model's own; features (N, d), any scale. Every score is
(N,) float64, higher = cleaner, in [0, 1]. None sees a true label. What they were compared with, and
the names B0 to B5, are in tools/rival_scores.py and docs/lab-notes.md.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
LabelArray = npt.NDArray[np.integer]
Indices = npt.NDArray[np.int64]
Score = npt.NDArray[np.float64]


def neighbour_share(
    features: FloatArray,
    labels: LabelArray,
    *,
    k: int = 10,
    candidates: Indices | None = None,
    usable: npt.NDArray[np.bool_] | None = None,
) -> Score:
    """B2: the share of the k nearest images (cosine) with the same label, itself left out.

    Source: Datalab without probabilities [cleanlab, issue_manager/label.py], which takes k + 1
    neighbours and subtracts the image's own vote. k is lowered to N - 1. candidates: (N, K) images
    to choose the nearest from, see `studio.scores.graph.closest`. usable: (N,), whose labels are
    asked; None: all.
    """
    features, labels = checked(features, labels)
    near = _nearest(features, k, candidates, usable)
    asked = np.ones_like(near, np.bool_) if usable is None else usable[near]
    same = ((labels[near] == labels[:, None]) & asked).sum(axis=1)
    return np.asarray(same / np.maximum(asked.sum(axis=1), 1), dtype=np.float64)


def neighbour_votes(
    features: FloatArray, labels: LabelArray, *, k: int = 10, classes: int | None = None
) -> Score:
    """(N, C) shares of the labels among the k nearest images; classes: C, else the largest + 1."""
    features, labels = checked(features, labels)
    near = _nearest(features, k, None, None)
    votes = np.zeros((len(labels), classes or int(labels.max(initial=0)) + 1))
    if near.shape[1]:
        rows = np.repeat(np.arange(len(labels)), near.shape[1])
        np.add.at(votes, (rows, labels[near].ravel()), 1.0 / near.shape[1])
    return votes


def _nearest(
    features: FloatArray, k: int, candidates: Indices | None, usable: npt.NDArray[np.bool_] | None
) -> Indices:
    """(N, k) the nearest images by the cosine of features (N, d); k is lowered to N - 1."""
    import torch

    from studio.scores.graph import closest

    if len(features) < 2:
        return np.zeros((len(features), 0), np.int64)
    unit = np.asarray(features, dtype=np.float32)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    some = None if candidates is None else torch.from_numpy(candidates)
    who = None if usable is None else torch.from_numpy(usable)
    near, _ = closest(torch.from_numpy(unit), count=k, usable=who, candidates=some)
    return np.asarray(near.numpy())


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
    docs/lab-notes.md. Adding p_clean took .010 away on earlier runs.
    """
    parts = [np.asarray(confidence, np.float64), np.asarray(neighbours, np.float64)]
    if phase1_confidence is not None:
        parts.append(np.asarray(phase1_confidence, np.float64).mean(axis=0))
    if len({part.shape for part in parts}) > 1 or parts[0].ndim != 1:
        raise ValueError(f"scores of shapes {[part.shape for part in parts]}")
    return np.asarray(np.mean(parts, axis=0))


def checked(values: FloatArray, labels: LabelArray) -> tuple[FloatArray, LabelArray]:
    """Both as arrays. Raises ValueError when they are not of the same N images."""
    values, labels = np.asarray(values), np.asarray(labels)
    if values.ndim != 2 or labels.shape != values.shape[:1]:
        raise ValueError(f"{labels.shape} labels for values of shape {values.shape}")
    return values, labels
