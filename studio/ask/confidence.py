"""How likely labels that follow answers are right, and how many of all labels are.

Images that are labelled together draw each other along, so that nearly every assignment ends at 0
or 1: on eight labelled data sets the mean probability was .95 where .60 were right. It tells the
right labels from the wrong ones all the same. So its log-odds are drawn towards 0 by a line, which
also looks at how many answers there are for each class, and at how many of them the first labels
had agreed with. Their mean is the estimate of how many labels are right.

The constants are made by `tools/fit_confidence.py`, which also measures what they are worth, each
data set estimated with constants fitted to the others (docs/lab-notes.md, "How sure labels are that
follow answers"). They were fitted with the embedded model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scores.estimate import Estimate, around

CERTAIN = 1e-6
"""A probability counts as at most one less this."""
FEWEST = 0.5
"""Answers for each class from which on the estimate is told."""
SOURCE = (
    "Read from how clearly the labels that follow the answers are told apart, how many answers "
    "there are, and how many of them the first labels had agreed with. The interval is how far off "
    "such estimates were on eight labelled data sets, each estimated from the other sets."
)


@dataclass(frozen=True)
class Line:
    """Weights of the log-odds of a label's probability, of log2 of the answers for each class, and
    of the share of them that the first labels had agreed with. spread: as `scores.estimate.Line`'s.
    """

    base: float
    odds: float
    answers: float
    agreed: float
    spread: float


LINE = Line(base=-2.21, odds=0.34, answers=0.24, agreed=1.62, spread=0.1)


@dataclass(frozen=True)
class Answered:
    """What is known of the answers. number: of those that name a class; agreed: with how many of
    these the first labels had agreed; classes: C.
    """

    number: int
    agreed: int
    classes: int

    @property
    def each(self) -> float:
        """Answers for each class, between a quarter and two: what was measured."""
        return min(2.0, max(0.25, self.number / max(1, self.classes)))

    @property
    def share(self) -> float:
        """Of the answers that the first labels had agreed with, drawn towards a half."""
        return (self.agreed + 1) / (self.number + 2)


def confidence_of(
    probability: NDArray[np.floating], answered: Answered, *, line: Line = LINE
) -> NDArray[np.float32]:
    """(N,) how likely each label is right, from 1 / C to 1; the order of the images stays.

    probability: (N,) of the labels, as labelling together gives them.
    """
    sure = np.clip(probability.astype(np.float64), CERTAIN, 1 - CERTAIN)
    odds = line.odds * np.log(sure / (1 - sure))
    odds += line.base + line.answers * math.log2(answered.each) + line.agreed * answered.share
    likely = 1 / (1 + np.exp(-odds))
    return np.asarray(np.maximum(likely, 1 / max(1, answered.classes)), np.float32)


def estimate_of(
    confidence: NDArray[np.floating], answered: Answered, *, line: Line = LINE
) -> Estimate | None:
    """How many of N labels are right; None of too few answers. confidence: (N,) of all labels."""
    if not len(confidence) or answered.number < FEWEST * answered.classes:
        return None
    value = float(np.mean(confidence))
    low, high = around(value, line.spread, images=len(confidence))
    return Estimate(value, low, high, source=SOURCE)
