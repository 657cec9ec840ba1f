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

AFTER_SPREAD = 0.22
"""Of estimates after training, as `scores.estimate.Line`'s: of twelve runs on eight data sets, with
a judge's answers of which one in five to one in fourteen were wrong, eleven lay within it."""
AFTER_SOURCE = (
    "Read from how clearly the labels that follow the answers are told apart, how many answers "
    "there are, how many of them the first labels had agreed with, and how many of these labels "
    "training has kept. The interval is how far off such estimates were in runs with a judge's "
    "answers on eight labelled data sets, the same on which it was chosen."
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


LINE = Line(base=-2.31, odds=0.36, answers=0.3, agreed=1.64, spread=0.1)


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


@dataclass(frozen=True)
class Following:
    """The labels that follow answers, before any training.

    labels: (N,); confidence: (N,) how likely each is right; answered: what is known of the answers.
    """

    labels: NDArray[np.int64]
    confidence: NDArray[np.float32]
    answered: Answered

    @classmethod
    def of(
        cls,
        probabilities: NDArray[np.floating],
        *,
        first: NDArray[np.int64],
        answers: NDArray[np.int64],
        given: NDArray[np.bool_],
    ) -> Following:
        """From what labelling together makes of the answers.

        Args:
            probabilities: (N, C).
            first: (N,) labels that no answer has touched.
            answers: (N,) classes; below 0 = none.
            given: (N,) which of them a person gave; they are taken for right.
        """
        agreed = int((first == answers)[answers >= 0].sum())
        answered = Answered(int((answers >= 0).sum()), agreed, probabilities.shape[1])
        confidence = confidence_of(probabilities.max(1), answered)
        confidence[given] = 1.0
        return cls(np.where(given, answers, probabilities.argmax(1)), confidence, answered)

    def estimate(self) -> Estimate | None:
        """How many of these labels are right; None of too few answers."""
        return estimate_of(self.confidence, self.answered)

    def estimate_after(
        self, labels: NDArray[np.int64], rows: NDArray[np.int64] | slice = slice(None)
    ) -> Estimate | None:
        """How many labels (n,) of the images `rows` are right that training led to.

        One that training has changed is right no more often than the one before it was wrong. None
        of too few answers.
        """
        if not len(labels) or self.estimate() is None:
            return None
        before, sure = self.labels[rows], self.confidence[rows]
        changed = np.maximum(1 - sure, 1 / max(1, self.answered.classes))
        value = float(np.where(labels == before, sure, changed).mean())
        low, high = around(value, AFTER_SPREAD, images=len(labels))
        return Estimate(value, low, high, source=AFTER_SOURCE)
