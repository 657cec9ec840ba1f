"""How likely each class is for each image, as far as a run or a model says: what shortlists and the
choice of images to ask about are made from.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from studio.runs.outcome import Outcome

_LEAST = 1e-6


def soft_labels(outcome: Outcome, zero_shot: Callable[[], NDArray[np.float32]]) -> (
    NDArray[np.float32]
):  # fmt: skip
    """(N, C) probabilities whose largest one is the label.

    Args:
        outcome: Its best classes and their probabilities; what they leave is shared by the others.
        zero_shot: Makes (N, C) probabilities before training, for an outcome without best classes.
            Where its label is another one than theirs, that one comes first.
    """
    images, classes = len(outcome), len(outcome.class_names)
    if outcome.top_labels.shape[1]:
        rest = np.clip(1 - outcome.top_probabilities.sum(1), 0, None)
        others = max(1, classes - outcome.top_labels.shape[1])
        found = np.repeat((rest / others)[:, None], classes, 1).astype(np.float32)
        np.put_along_axis(found, outcome.top_labels, outcome.top_probabilities, 1)
    else:
        found = zero_shot().astype(np.float32, copy=True)
    found = np.clip(found, _LEAST, None)
    rows = np.arange(images)
    found[rows, outcome.labels] = np.maximum(found[rows, outcome.labels], found.max(1) * 1.0001)
    return np.asarray(found / found.sum(1, keepdims=True), np.float32)


def likeliest(probabilities: NDArray[np.float32], number: int) -> NDArray[np.int64]:
    """(N, number or C if fewer) the likeliest classes of each image, best first."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :number].astype(np.int64)
