"""How many labels are right, with an interval, from few checks; and which way the checks speak for.

Checks have to be drawn, not chosen: `checks` gives all images in an order of which every beginning
is a sample with equal probabilities, spread over labels and confidences (a systematic sample along
their order, by van der Corput's sequence from a random start). Centres of groups, which
`studio.ask.choose` asks about, are easier than the rest: they are off by up to 23 points.

`right_share` is prediction-powered inference (Angelopoulos et al., Science 2023, arXiv:2301.09633)
with a tuned weight (PPI++, arXiv:2311.01453): the mean of the checks, corrected by what the
confidence says of all images and of the checked ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from studio.numbers import percent, plural
from studio.scores.significance import at_most_heads

T = TypeVar("T")

Z = 1.645
"""Of an interval that is right nine times in ten."""
FEWEST_TO_TUNE = 10
FEWEST_TO_DECIDE = 10
"""Checks from which on they may decide between ways of labelling."""
CLEAR = 0.95
"""How likely another way has to be the better one, for its labels to stand."""
TOO_WIDE = 0.7
"""An interval that leaves so much open is not told."""
ANSWERED_SHARE = 0.8
"""Of the images that were drawn first, how many have to be answered; the others were skipped."""
Labels = NDArray[np.int64]
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class RightShare:
    """value: the share of right labels, in [0, 1], most likely between low and high; checks: how
    many it rests on; left_out: images that it says nothing of, since their labels were told their
    own answers.
    """

    value: float
    low: float
    high: float
    checks: int
    left_out: int = 0

    @property
    def tells(self) -> bool:
        """Whether the interval says anything: that of two images is from 0 to 100 %."""
        return self.high - self.low < TOO_WIDE

    def sentences(self, more: int = 10) -> list[str]:
        """What the checks say, and whether more of them are worth it, for people."""
        wide, then = self.high - self.low, self.with_more(more)
        if not self.tells:
            were = "was" if self.checks == 1 else "were"
            return [
                f"{plural(self.checks, 'answered image')} {were} drawn by chance: too few to tell "
                "how many labels are right.",
                f"{more} more that are drawn would tell it to within about {100 * then / 2:.0f} "
                "points.",
            ]
        low, high = max(0.0, self.value - then / 2), min(1.0, self.value + then / 2)
        narrower = f"from {100 * wide:.0f} to about {100 * then:.0f} points"
        if f"{100 * wide:.0f}" == f"{100 * then:.0f}":
            brings = f"{more} more would hardly narrow that."
        else:
            brings = (
                f"{more} more would narrow that {narrower}: between about {100 * low:.0f} and "
                f"{percent(high)}."
            )
        return [
            f"About {percent(self.value)} of the labels are right (between {100 * self.low:.0f} "
            f"and {percent(self.high)}, nine times in ten), from "
            f"{plural(self.checks, 'checked image')}.",
            *leaves_out(self.left_out),
            brings,
        ]

    def with_more(self, more: int = 10) -> float:
        """How far the ends will be apart after so many more checks, about: (high - low) then."""
        if not self.checks:
            return min(1.0, 2 * Z * 0.5 / max(more, 1) ** 0.5)
        return (self.high - self.low) * (self.checks / (self.checks + more)) ** 0.5


@dataclass(frozen=True)
class Decision:
    """Which way of labelling the answers speak for.

    best: its name; sure: whether it is better than the usual way with a probability of CLEAR at
    least, else best is the usual one; shares: of each way, how many checked images it labels right;
    ahead: by how much the best is ahead of the usual way, in [-1, 1]; chance: the probability that
    it is better, 0 where the usual one is best; checks: how many it rests on.
    """

    best: str
    sure: bool
    shares: Mapping[str, float]
    ahead: float
    chance: float = 0.0
    checks: int = 0


def checks(labels: Labels, confidence: Floats, *, seed: int = 0) -> Labels:
    """(N,) all images in the order in which they are to be checked.

    labels, confidence: (N,) of the labels in question.
    """
    number = len(labels)
    if not number:
        return np.zeros(0, np.int64)
    order = np.lexsort((confidence, labels))
    bits = max(1, (number - 1).bit_length())
    counts = np.arange(2**bits)
    spread = np.zeros(len(counts))
    for bit in range(bits):
        spread += ((counts >> bit) & 1) / 2.0 ** (bit + 1)
    start = np.random.default_rng(seed).random()
    places = (((start + spread) % 1) * number).astype(np.int64).clip(0, number - 1)
    _, first = np.unique(places, return_index=True)
    return np.asarray(order[places[np.sort(first)]], np.int64)


def right_share(
    told: Mapping[int, bool], labels: Labels, confidence: Floats, *, among: Labels | None = None
) -> RightShare:
    """The share of right labels from checks that were drawn (`checks`).

    Args:
        told: Image -> whether its label is right.
        labels: (N,), as of `checks`.
        confidence: (N,) in [0, 1], the proxy.
        among: (n,) images that were drawn from, which alone the share is of: those whose answers
            the labels were told are right more often than the others. None: all.
    """
    left_out = 0 if among is None else len(labels) - len(among)
    if not told:
        return RightShare(0.5, 0.0, 1.0, 0, left_out)
    if among is not None:
        told, labels, confidence = only(told, labels, confidence, among=among)
    value, half = share_seen(told, labels, confidence)
    return RightShare(value, max(0.0, value - half), min(1.0, value + half), len(told), left_out)


def only(
    told: Mapping[int, T], labels: Labels, confidence: Floats, *, among: Labels
) -> tuple[dict[int, T], Labels, Floats]:
    """What was told of some images alone, by their places among these, and their labels (n,) and
    confidences (n,). among: (n,) of the N images, each once, those that something was told of too.
    """
    if len(among) == len(labels):
        return dict(told), labels, confidence
    rows = np.sort(among)
    places = np.searchsorted(rows, np.fromiter(told, np.int64, len(told))).tolist()
    return dict(zip(places, told.values(), strict=True)), labels[rows], confidence[rows]


def leaves_out(images: int) -> list[str]:
    """What a share says nothing of, for people; no line where that is no image."""
    if not images:
        return []
    if images == 1:
        return ["That leaves out 1 image, whose answer these labels were told."]
    return [f"That leaves out {plural(images, 'image')}, whose answers these labels were told."]


def share_seen(
    told: Mapping[int, float], labels: Labels, confidence: Floats
) -> tuple[float, float]:
    """The share of labels that whoever checked takes to be right, in [0, 1], and how far that may
    be off, nine times in ten.

    told: Image -> how far its label was found right, in [0, 1]; not empty. The rest as of
        `right_share`.
    """
    number, count = len(labels), len(told)
    at = np.array(sorted(told), np.int64)
    right = np.array([told[int(i)] for i in at], np.float64)
    proxy = np.asarray(confidence, np.float64)
    weight = _weight(right, proxy[at])
    left = right - weight * proxy[at]
    value = float(np.clip(left.mean() + weight * proxy.mean(), 0, 1))
    # Of a few checks that all say the same the plain variance is 0: two more of each are added.
    share = (float(right.sum()) + 2) / (count + 4)
    plain = float(right.var())
    kept = min(1.0, float(left.var()) / plain) if plain > 0 else 1.0
    spread = max(share * (1 - share) * kept, float(left.var()))
    finite = max(0.0, 1 - count / number)
    return value, float(Z * (1 + 1.5 / count) * (spread / count * finite) ** 0.5)


def first_drawn(order: Sequence[int] | Labels, answered: Collection[int]) -> list[int]:
    """The answered images at the beginning of an order of `checks`, in that order.

    The beginning ends where fewer than ANSWERED_SHARE of its images are answered: what was answered
    behind it was chosen by somebody, and is easier or harder than the rest.
    """
    found: list[int] = []
    whole = 0
    for place, image in enumerate(order, 1):
        if len(answered) < ANSWERED_SHARE * place:
            break
        found += [int(image)] if int(image) in answered else []
        whole = len(found) if len(found) >= ANSWERED_SHARE * place else whole
    return found[:whole]


def decide(told: Mapping[int, int], ways: Mapping[str, Labels], *, usual: str) -> Decision:
    """Which of several ways to label the images the checks speak for.

    Another way takes the usual one's place if it is better with a probability of CLEAR at least:
    of the checked images that just one of the two labels right, its share is above one half, by a
    uniform prior. Of several such ways it is the one that is ahead most.

    Args:
        told: Image -> class, or below 0: none of the names; images that were drawn (`checks`). None
            of the ways may have been told.
        ways: By name, (N,) labels, such as zero-shot, together, after Phase I, after training.
        usual: The way that stays without answers.
    """
    if not told:
        return Decision(usual, False, dict.fromkeys(ways, 0.0), 0.0)
    at = np.array(sorted(told), np.int64)
    truth = np.array([told[int(i)] for i in at], np.int64)
    right = {way: np.asarray(labels)[at] == truth for way, labels in ways.items()}
    shares = {way: float(r.mean()) for way, r in right.items()}
    best, sure, ahead, chance = usual, False, 0.0, 0.0
    for way, own in right.items():
        won, lost = int((own & ~right[usual]).sum()), int((right[usual] & ~own).sum())
        likely, gain = _more_than_half(won, lost), (won - lost) / len(at)
        if len(at) >= FEWEST_TO_DECIDE and likely >= CLEAR and gain > ahead:
            best, sure, ahead, chance = way, True, gain, likely
    return Decision(best, sure, shares, ahead, chance, len(at))


def _more_than_half(won: int, lost: int) -> float:
    """The probability that a share is above one half, after so many for and against it, by a
    uniform prior: one less that of at most `lost` heads in won + lost + 1 even throws.
    """
    return max(0.0, 1 - at_most_heads(lost, throws=won + lost + 1))


def _weight(right: Floats, proxy: Floats) -> float:
    """Lambda of PPI++, in [0, 1]; 0 of few checks."""
    if len(right) < FEWEST_TO_TUNE or proxy.var() <= 0:
        return 0.0
    covariance = float(((right - right.mean()) * (proxy - proxy.mean())).mean())
    return float(np.clip(covariance / proxy.var(), 0, 1))
