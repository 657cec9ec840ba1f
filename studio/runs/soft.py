"""How likely each class is for each image, as far as a run or a model says: what shortlists and the
choice of images to ask about are made from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from studio.ask.judge_question import MAX_NAMES
from studio.runs.judging import ChooseImages
from studio.runs.outcome import Outcome

_LEAST = 1e-6

Soft = NDArray[np.float32]
"""(N, C) probabilities."""


def soft_labels(outcome: Outcome, zero_shot: Callable[[], Soft]) -> Soft:
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


def chooser(outcome: Outcome, probabilities: Soft) -> ChooseImages:
    """See `runs.judging.ChooseImages`: the images that the model is least sure of, and no class a
    second time before each has had its turn.
    """
    names = outcome.class_names
    shortlists = np.argsort(-probabilities, axis=1, kind="stable")[:, :MAX_NAMES]

    def choose(
        answers: Mapping[int, int], asked: Collection[int], most: int
    ) -> Sequence[tuple[int, Sequence[int]]]:
        times = np.bincount([c for c in answers.values() if c >= 0], minlength=len(names))
        order = np.lexsort((probabilities.max(1), times[outcome.labels]))
        chosen = [int(i) for i in order if int(i) not in asked][:most]
        return [(i, shortlists[i].tolist()) for i in chosen]

    return choose
