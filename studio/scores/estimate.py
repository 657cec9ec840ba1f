"""How many labels are right, estimated without a single true label; always with an interval.

Before training (`estimate_zero_shot`) two numbers of the zero-shot probabilities are looked at: the
mean confidence, and how clearly the best class wins over the second, the mean of log(p1 / p2). A
line through them, fitted to labelled sets, gives the accuracy of a model that knows the images;
`studio.scores.knowledge` says whether it does. At z <= 1 the estimate is chance, from z = 3 on it
is the line's, in between a mixture, and the interval allows for z being off by one.

After training (`estimate_run`) it is the mean of the combined scores (`studio.scores.cleanliness`),
each the belief of three witnesses that a label is right. Methods without such scores move the
estimate from before by what they changed: a changed label was right more often afterwards than
before, by GAIN of the changed labels in the median set.

Neither sees a true label. Mean absolute error on sets that nothing was fitted to: 4.1 points
before training (13 parts of 7 sets, all inside their intervals), 4.6 after it (141 runs of
twelve methods and ablations on seven sets; 94 % inside), 6.8 for CoFT's own with its defaults; 14
where some of the names are foreign to the images. The intervals are meant to hold nine times out
of ten.

The constants are made by `tools/fit_estimate.py`, which also measures what they are worth;
docs/benchmarks.md has its tables. They were fitted with the embedded model: with another model the
same formula is a guess whose error was not measured.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
LabelArray = npt.NDArray[np.integer]

# Made by `python tools/fit_estimate.py DATA RUNS ...`, see there.
INTERCEPT, CONFIDENCE, GAP = -1.43, -0.33, 1.26
SPREAD = 0.60  # 90 % of the residuals of left-out sets are smaller, in logits of the skill
SCORE_SPREAD = 0.16  # as SPREAD, of the mean score, in shares
GAIN, GAIN_SPREAD = 0.12, 0.04
CLEAN_SPREAD = 0.20  # as SCORE_SPREAD, of the clean labels alone: a quarter more, not fitted

_CHANCE_UNTIL, _KNOWN_FROM = 1.0, 3.0  # of z
_NINETY = 1.645  # standard deviations of a normal distribution on either side of 90 %


@dataclass(frozen=True)
class Estimate:
    """Share of labels that are right, in [0, 1], and the interval it lies in, as far as is known.

    z: what `studio.scores.knowledge` found, None when it was not asked; the estimate after training
    needs it again.
    """

    accuracy: float
    low: float
    high: float
    z: float | None = None

    def text(self) -> str:
        """For people: "about 62 % (50 to 74 %)"."""
        return (
            f"about {100 * self.accuracy:.0f} % ({100 * self.low:.0f} to {100 * self.high:.0f} %)"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """What is looked at before training: the logit of the mean confidence, and the mean gap."""

    images: int
    classes: int
    confidence: float
    gap: float

    @classmethod
    def of(cls, probabilities: FloatArray) -> Evidence:
        """Of zero-shot probabilities (N, C), N >= 1, C >= 2, at the model's own scale.

        Raises:
            ValueError: The shape is another.
        """
        values = np.asarray(probabilities, dtype=np.float64)
        if values.ndim != 2 or not len(values) or values.shape[1] < 2:
            raise ValueError(f"probabilities of shape {values.shape}: (N, C) with C >= 2 needed")
        # A class of probability 0 would be infinitely far behind.
        best = np.maximum(np.partition(values, -2, axis=1)[:, -2:], 1e-12)
        mean = min(float(best[:, 1].mean()), 1 - 1e-6)
        gap = float(np.log(best[:, 1] / best[:, 0]).mean())
        return cls(len(values), values.shape[1], math.log(mean / (1 - mean)), gap)

    def estimate(self, *, z: float | None) -> Estimate:
        """Accuracy of the labels argmax(probabilities); z: see `estimate_zero_shot`."""
        chance = 1.0 / self.classes
        line = INTERCEPT + CONFIDENCE * self.confidence + GAP * self.gap

        def at(z: float, line: float, deviations: float) -> float:
            known = _known(z)
            skilled = chance + (1 - chance) / (1 + math.exp(-line))
            # Without knowledge each class hits or misses as a whole: C draws, not N.
            unknown = chance + deviations * _NINETY * math.sqrt(chance * (1 - chance) * chance)
            return known * skilled + (1 - known) * unknown

        sure = _KNOWN_FROM + 1 if z is None else z
        middle = at(sure, line, 0.0)
        sampling = _NINETY * math.sqrt(middle * (1 - middle) / self.images)
        low = middle - math.hypot(middle - at(sure - 1, line - SPREAD, -1.0), sampling)
        high = middle + math.hypot(at(sure + 1, line + SPREAD, 1.0) - middle, sampling)
        return _estimate(middle, min(low, chance) if z is None else low, high, z)


def estimate_zero_shot(probabilities: FloatArray, *, z: float | None = None) -> Estimate:
    """Accuracy of the zero-shot labels argmax(probabilities).

    probabilities: (N, C), N >= 1, C >= 2, at the model's own scale; z: of `knowledge` for the same
    images and class vectors. None takes it that the model knows the images, which is wrong just
    where it matters most: then the interval begins at chance.

    Raises:
        ValueError: The shape is another.
    """
    return Evidence.of(probabilities).estimate(z=z)


def estimate_run(
    *,
    before: Estimate,
    zero_shot_labels: LabelArray,
    labels: LabelArray,
    scores: FloatArray | None = None,
    given: npt.NDArray[np.bool_] | None = None,
) -> Estimate:
    """Accuracy of the labels of a trained model.

    before: `estimate_zero_shot` of the same images; zero_shot_labels, labels: (N,), N >= 1; scores:
    (N,) combined scores of the labels, where there are any; given: (N,) labels that a person gave,
    which are taken for right.

    Raises:
        ValueError: The labels are not of the same images.
    """
    zero_shot_labels, labels = np.asarray(zero_shot_labels), np.asarray(labels)
    if labels.shape != zero_shot_labels.shape or labels.ndim != 1 or not len(labels):
        raise ValueError(f"{labels.shape} labels against {zero_shot_labels.shape} before training")
    free = np.ones(len(labels), dtype=bool) if given is None else ~np.asarray(given, dtype=bool)
    if not free.any():
        return Estimate(1.0, 1.0, 1.0, before.z)
    # Where the model knows nothing, nothing is learned: labels change from wrong to wrong.
    known = _known(before.z) if before.z is not None else 1.0
    if scores is None:
        moved = known * float((labels != zero_shot_labels)[free].mean())
        middle, spread = before.accuracy + GAIN * moved, GAIN_SPREAD * moved
        below, above = before.accuracy - before.low, before.high - before.accuracy
    else:
        mean = float(np.asarray(scores, dtype=np.float64)[free].mean())
        middle, spread = known * mean + (1 - known) * before.accuracy, SCORE_SPREAD * known
        below = (1 - known) * (before.accuracy - before.low)
        above = (1 - known) * (before.high - before.accuracy)
    low, high = middle - math.hypot(below, spread), middle + math.hypot(above, spread)
    share = float(free.mean())
    middle, low, high = (1 - share + share * value for value in (middle, low, high))
    return _estimate(middle, low, high, before.z)


def estimate_clean(
    *,
    before: Estimate,
    scores: FloatArray,
    clean: npt.NDArray[np.bool_],
    given: npt.NDArray[np.bool_] | None = None,
) -> Estimate | None:
    """Share of right labels among the clean ones of a trained model.

    The same evidence as `estimate_run`: the mean of the combined scores, here of the clean labels.
    None: no label is clean.

    How good it is was measured on two sets only, by tools/measure_clean_estimate.py, one CoFT run
    each: pacs_art_painting 85 % for 87 %; clothing10, of the labels after Phase I, 70 % for 61 %.
    Where CoFT's own estimate of all labels is too high (11 points on pets, 17 on clothing10), so
    must this one be. The interval is therefore wider than that of `estimate_run`; whether it holds
    eight times in ten is not known.

    before: `estimate_zero_shot` of the same images; scores: (N,) combined scores of the labels;
    clean: (N,) which labels are clean; given: (N,) labels that a person gave, taken for right.

    Raises:
        ValueError: The arguments are not of the same images.
    """
    scores, clean = np.asarray(scores, dtype=np.float64), np.asarray(clean, dtype=bool)
    if scores.shape != clean.shape or scores.ndim != 1:
        raise ValueError(f"{scores.shape} scores for {clean.shape} labels")
    if not clean.any():
        return None
    free = clean if given is None else clean & ~np.asarray(given, dtype=bool)
    if not free.any():
        return Estimate(1.0, 1.0, 1.0, before.z)
    # Where the model knows nothing, what it finds clean is no better than the rest.
    known = _known(before.z) if before.z is not None else 1.0
    mean = float(scores[free].mean())
    middle, spread = known * mean + (1 - known) * before.accuracy, CLEAN_SPREAD * known
    below = (1 - known) * (before.accuracy - before.low)
    above = (1 - known) * (before.high - before.accuracy)
    low, high = middle - math.hypot(below, spread), middle + math.hypot(above, spread)
    share = float(free.sum() / clean.sum())
    middle, low, high = (1 - share + share * value for value in (middle, low, high))
    return _estimate(middle, low, high, before.z)


def _known(z: float) -> float:
    """How far an image set counts as known to the model: 0 to 1."""
    return min(max((z - _CHANCE_UNTIL) / (_KNOWN_FROM - _CHANCE_UNTIL), 0.0), 1.0)


def _estimate(accuracy: float, low: float, high: float, z: float | None) -> Estimate:
    accuracy = min(max(accuracy, 0.0), 1.0)
    return Estimate(accuracy, min(max(low, 0.0), accuracy), max(min(high, 1.0), accuracy), z)
