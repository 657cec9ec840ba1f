"""How many labels are right, estimated without a single true label; always with an interval.

Before training (`estimate_zero_shot`) four numbers are looked at: how confident the model is; how
much more confident than under random nouns (z) and under nouns near to the names (near); and how
many labels stay the same under other templates (agreement), see `studio.scores.knowledge`. A line
through them, fitted to labelled sets, gives the logit of the skill, the share of the way from
chance to all right. Where the last three are not known, how clearly the best class wins over the
second is all there is, the mean of log(p1 / p2), and the interval is wider.

While training runs and after it (`estimate_run`) four others are: near; how far the names still fit
the new labels, as two numbers (`studio.scores.names_fit`); and how evenly the zero-shot labels used
the names.

None of it sees a true label. The constants are made by `tools/fit_estimate.py`, which also measures
what they are worth; docs/lab-notes.md has its tables. Each of eight labelled sets of photos and of
parts of them (classes missing, long tails, half of the names wrong) was estimated with constants
fitted to the others only. The intervals are as wide as it takes to hold nine times out of ten there
and on six sets that had no part in any choice, where estimates are too low. The constants were
fitted with the embedded model: with another model the same formula is a guess whose error was not
measured.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from studio.progress import Progress
from studio.scores.names_fit import NamesFit, evenness
from studio.scores.rows import Rows, likeliest, parts

FloatArray = npt.NDArray[np.floating]
LabelArray = npt.NDArray[np.integer]
BoolArray = npt.NDArray[np.bool_]


class Line(NamedTuple):
    """Weights of an intercept and of indicators, which give the logit of the skill.

    spread: half the width of the interval, in radians of the arcsine of the root of the accuracy,
    where a share's error is about the same everywhere.
    """

    weights: tuple[float, ...]
    spread: float


# Made by `python tools/fit_estimate.py DATA --apart NEW --write`, see there. The indicators are
# those of `Evidence.indicators`, in order.
LINES = {
    "before": Line((-10.430, 0.517, 0.692, 0.775, 8.611), 0.32),
    "before, without z": Line((-0.957, 2.671), 0.32),
    "after": Line((-5.955, 1.190, 0.953, 0.882, 4.178), 0.41),
    "after, without z": Line((-3.618, 1.919, 0.115, -0.469, 4.400), 0.41),
}

BAD_BELOW = 0.10
"""Less than this share of the way from chance to all right is hardly better than guessing."""

_NINETY = 1.645  # standard deviations of a normal distribution on either side of 90 %

_MEASURED = (
    "The interval is how far off such estimates were on fourteen labelled data sets and parts of "
    "them, each estimated from other sets."
)
_MEASURED_AFTER = (
    "The interval is how far off such estimates were on whole runs and what stands in for them, "
    "on fourteen data sets, each estimated from others."
)
SOURCES = {
    "before": "It is read from how clearly the model decides between these names, how much more "
    "clearly than between random nouns and nouns near to them, and how many labels stay the same "
    f"when the names stand in other sentences. {_MEASURED}",
    "before, without z": "It is read from how clearly the model decides between these names alone, "
    f"so that it is rough. {_MEASURED}",
    "after": "It is read from how much more clearly the model decided, before training, between "
    "these names than between nouns near to them, how evenly it used them, and how far they fit "
    f"the new labels. {_MEASURED_AFTER}",
    "after, without z": "It is read from how clearly the model decided between these names before "
    f"training and how far they fit the new labels, so that it is rough. {_MEASURED_AFTER}",
    "given": "All labels were given by a person and are taken for right.",
}
"""Where an estimate and its interval come from, in words; by the line."""


@dataclass(frozen=True)
class Estimate:
    """Share of labels that are right, in [0, 1], and the interval it lies in, as far as is known.

    z: what `studio.scores.knowledge` found, None when it was not asked; source: where the estimate
    and its interval come from, in words.
    """

    accuracy: float
    low: float
    high: float
    z: float | None = None
    source: str = ""

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
    """What is looked at before training.

    images, classes: how many; confidence: the logit of its mean; gap: the mean of log(p1 / p2); z,
    near, agreement: of `knowledge` for the same images and class vectors; None: not asked;
    evenness: of the zero-shot labels over the classes (`names_fit.evenness`).
    """

    images: int
    classes: int
    confidence: float
    gap: float
    z: float | None = None
    near: float | None = None
    agreement: float | None = None
    evenness: float = 1.0

    @classmethod
    def of(
        cls,
        probabilities: Rows,
        *,
        z: float | None = None,
        near: float | None = None,
        agreement: float | None = None,
        progress: Progress | None = None,
    ) -> Evidence:
        """Of zero-shot probabilities (N, C), N >= 1, C >= 2, at the model's own scale.

        progress: told (images done, N).

        Raises:
            ValueError: The shape is another.
        """
        shape = probabilities.shape
        if len(shape) != 2 or not shape[0] or shape[1] < 2:
            raise ValueError(f"probabilities of shape {shape}: (N, C) with C >= 2 needed")
        best, labels = np.empty((shape[0], 2)), np.empty(shape[0], dtype=np.int64)
        for part, some in parts(probabilities, progress=progress):
            labels[part] = some.argmax(axis=1)
            two = np.partition(some.astype(np.float64), -2, axis=1)[:, -2:]
            best[part] = np.maximum(two, 1e-12)  # one of 0 would be infinitely far behind
        gap = float(np.log(best[:, 1] / best[:, 0]).mean())
        confidence = _logit(float(best[:, 1].mean()))
        even = evenness(labels, shape[1])
        return cls(*shape, confidence, gap, z, near, agreement, even)

    def line(self, fit: NamesFit | None) -> str:
        """Which of LINES applies."""
        known = "" if self._known else ", without z"
        return ("before" if fit is None else "after") + known

    def indicators(self, fit: NamesFit | None) -> tuple[float, ...]:
        """What the weights of that line belong to, after the intercept."""
        known, after = self._known, tuple[float, ...]()
        if fit is not None:
            after = (_logit(fit.probable), self.evenness, fit.likely)
        if known is None:
            return (math.log(max(self.gap, 1e-3)), *after)
        z, near, agreement = known
        nearer = math.log1p(max(near, 0.0))
        if fit is not None:
            return (nearer, *after)
        return (self.confidence, math.log1p(max(z, 0.0)), nearer, agreement)

    @property
    def _known(self) -> tuple[float, float, float] | None:
        if self.z is None or self.near is None or self.agreement is None:
            return None
        return self.z, self.near, self.agreement

    def estimate(self, *, fit: NamesFit | None = None, images: int | None = None) -> Estimate:
        """Accuracy of the labels argmax(probabilities).

        fit: of other labels of the same images; images: how many these are, all if None.
        """
        name, found = self.line(fit), self.indicators(fit)
        weights, spread = LINES[name]
        logit = weights[0] + sum(w * value for w, value in zip(weights[1:], found, strict=True))
        chance = 1.0 / self.classes
        accuracy = chance + (1 - chance) / (1 + math.exp(-min(max(logit, -20.0), 20.0)))
        low, high = around(accuracy, spread, images=images or self.images)
        return Estimate(accuracy, min(low, accuracy), max(high, accuracy), self.z, SOURCES[name])


def around(accuracy: float, spread: float, *, images: int) -> tuple[float, float]:
    """The ends of an interval about an accuracy in [0, 1].

    spread: half its width in radians of the arcsine of the root; the chance of so few images comes
    on top.
    """
    middle = math.asin(math.sqrt(min(max(accuracy, 0.0), 1.0)))
    half = math.hypot(spread, _NINETY / 2 / math.sqrt(images))
    return math.sin(max(middle - half, 0.0)) ** 2, math.sin(min(middle + half, math.pi / 2)) ** 2


def estimate_zero_shot(
    probabilities: FloatArray,
    *,
    z: float | None = None,
    near: float | None = None,
    agreement: float | None = None,
) -> Estimate:
    """Accuracy of the zero-shot labels argmax(probabilities).

    probabilities: (N, C), N >= 1, C >= 2, at the model's own scale; the rest: see `Evidence`.
    Without them all that is known is how clearly the model decides, which tells less: the interval
    is wider.

    Raises:
        ValueError: The shape is another.
    """
    return Evidence.of(probabilities, z=z, near=near, agreement=agreement).estimate()


def level_of(estimate: Estimate, classes: int) -> str:
    """What first labels are worth: "promising", "doubtful" or "near chance".

    Promising: even the lower end of the interval is at least 10 points above twice chance (of two
    or three classes: three quarters of the way from chance to all right). Near chance: the estimate
    is less than a tenth of that way, or the names fit no better than random nouns (z below 1). Else
    doubtful.
    """
    chance = 1.0 / classes
    no_better = estimate.z is not None and estimate.z < 1.0
    if no_better or estimate.accuracy < chance + BAD_BELOW * (1 - chance):
        return "near chance"
    enough = min(2 * chance + 0.1, chance + 0.75 * (1 - chance))
    return "promising" if estimate.low >= enough - 1e-9 else "doubtful"


def estimate_run(
    *,
    evidence: Evidence,
    probabilities: Rows,
    labels: LabelArray,
    given: BoolArray | None = None,
) -> Estimate:
    """Accuracy of labels that training led to.

    evidence: from before training, of all images; probabilities: (n, C) zero-shot, of the images
    that have these labels, n >= 1; labels: (n,); given: (n,) labels that a person gave, which are
    taken for right. Labels that are still the zero-shot ones have the estimate from before.

    Raises:
        ValueError: The labels are not of the same images.
    """
    labels, shape = np.asarray(labels), probabilities.shape
    if labels.shape != shape[:1] or len(shape) != 2 or not len(labels):
        raise ValueError(f"{labels.shape} labels for probabilities of shape {shape}")
    free = np.ones(len(labels), dtype=bool) if given is None else ~np.asarray(given, dtype=bool)
    if not free.any():
        return Estimate(1.0, 1.0, 1.0, evidence.z, SOURCES["given"])
    images = np.flatnonzero(free)
    labels = labels[images]
    changed = (labels != likeliest(probabilities, images)).any()
    fit = NamesFit.of(probabilities, labels, images=images) if changed else None
    found = evidence.estimate(fit=fit, images=len(labels))
    return _with_given(found, float(free.mean()))


def estimate_clean(
    *,
    after: Estimate,
    scores: FloatArray,
    clean: BoolArray,
    given: BoolArray | None = None,
) -> Estimate | None:
    """Share of right labels among the clean ones of a trained model; None: no label is clean.

    The estimate of all labels and its ends, moved by as much, in logits, as the mean combined score
    of the clean labels is above that of all labels. How good it is was measured on few sets, by
    tools/measure_clean_estimate.py.

    after: `estimate_run` of the same labels; scores: (N,) combined scores of the labels; clean:
    (N,) which labels are clean; given: (N,) labels that a person gave, taken for right.

    Raises:
        ValueError: The arguments are not of the same images.
    """
    scores, clean = np.asarray(scores, dtype=np.float64), np.asarray(clean, dtype=bool)
    if scores.shape != clean.shape or scores.ndim != 1:
        raise ValueError(f"{scores.shape} scores for {clean.shape} labels")
    if not clean.any():
        return None
    told = np.zeros(len(clean), dtype=bool) if given is None else np.asarray(given, dtype=bool)
    if not (clean & ~told).any():
        return Estimate(1.0, 1.0, 1.0, after.z, SOURCES["given"])
    lift = _logit(float(scores[clean & ~told].mean())) - _logit(float(scores[~told].mean()))
    share = float((~told).mean())
    ends = [1 - (1 - end) / share for end in (after.accuracy, after.low, after.high)]
    middle, low, high = (1 / (1 + math.exp(-_logit(end) - lift)) for end in ends)
    found = Estimate(middle, min(low, middle), max(high, middle), after.z, after.source)
    return _with_given(found, float((clean & ~told).sum() / clean.sum()))


def _with_given(found: Estimate, share: float) -> Estimate:
    """Of all labels, where `found` is that of a share of them and the others are right."""
    middle, low, high = (
        1 - share + share * value for value in (found.accuracy, found.low, found.high)
    )
    return Estimate(middle, low, high, found.z, found.source)


def _logit(share: float) -> float:
    share = min(max(share, 1e-4), 1 - 1e-4)
    return math.log(share / (1 - share))
