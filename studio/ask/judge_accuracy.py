"""How many labels are right, as far as a judge tells that checked a few of them [studio].

The images are drawn as those that a person checks (`studio.ask.accuracy`). A judge may be wrong, so
what it sees is not the share of right labels: of p right ones it takes p (1 - e) + (1 - p) f to be
right, if it denies a right label with probability e and bears a wrong one out with probability f.
Turned round, this is Rogan and Gladen's correction (Am. J. Epidemiology 107, 1978). e and f are
never known well, so that here the whole posterior of p is worked out, with an even prior of p and
e and f left open; its median is the share, and nine tenths of it are the interval.

What is known of e and f:
- before anything, the prior of a judge (`studio.ask.trust.JUDGE`: 2 of 20 answers are wrong) with
  half its weight, for drawn images are harder than those that it is usually asked about; a wrong
  answer about a wrong label hits just that label in one of five cases at least, and always at
  most, for it is one of the names that are mistaken for each other;
- a person's checks of the same images: what both say of them is one observation (double sampling:
  Tenenbein, JASA 65, 1970), and what the judge alone says of the others is another;
- where a judge's two answers differ, one of them is wrong. That they are the same is no evidence
  that they are right: whoever mistakes a stoat for a weasel does so twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from studio.ask.accuracy import TOO_WIDE, Floats, Labels, Z, share_seen
from studio.ask.judge_question import MAX_NAMES
from studio.numbers import percent, plural

TEN = 10
"""Further checks of which it is said what they would bring."""
_OUTSIDE = 0.05  # of the posterior, on each side of the interval
_STEPS = 100  # of p
_ERRORS = 24  # of e, and of f
_LEAST = 0.005  # half a step of p: what sampling leaves open, of a folder that was checked whole
_HARDLY = 0.01
_WEIGHT = 0.5  # of the prior


@dataclass(frozen=True)
class JudgedShare:
    """The share of right labels by a judge's checks.

    Attributes:
        value: In [0, 1], most likely between low and high.
        seen: The share that the judge takes to be right, uncorrected.
        checks: How many images it was asked about.
        unstable: Of those, how many it answered otherwise the second time; each answer counts half.
        both: How many of them a person has checked as well.
        agreed: Of these, on how many both say alike whether the label is right; half ones count.
        then: How far apart the ends would be after ten more.
    """

    value: float
    low: float
    high: float
    seen: float
    checks: int
    unstable: int = 0
    both: int = 0
    agreed: float = 0.0
    then: float = 1.0

    @property
    def tells(self) -> bool:
        """Whether the interval says anything."""
        return self.high - self.low < TOO_WIDE

    def sentences(self, judge: str) -> list[str]:
        """What these checks say, whose they are, and for what the interval holds, for people.

        judge: The model's name.
        """
        images = plural(self.checks, "image")
        lines = []
        if self.tells:
            lines.append(
                f"About {percent(self.value)} of the labels are right (between "
                f"{100 * self.low:.0f} and {percent(self.high)}, nine times in ten), from {images} "
                f"that the judge {judge} checked."
            )
            lines.append(
                f"As it sees them, {percent(self.seen)} are right; the share is corrected by how "
                "often it may be wrong."
            )
        else:
            lines.append(f"The judge {judge} checked {images}: too little to tell how many labels "
                         "are right.")  # fmt: skip
        if self.both:
            lines.append(
                f"A person has checked {self.both} of the same images, which tells how often it "
                f"is wrong: both say alike of {_number(self.agreed)} whether the label is right."
            )
        else:
            lines.append(
                "No person has checked the same images, so it is taken to be wrong about one in "
                "ten: the interval does not hold for a judge that is wrong more often than one in "
                "five. Check 20 images yourself, and their answers tell."
            )
        if self.unstable:
            lines.append(
                f"Its answer about {plural(self.unstable, 'image')} changed with the order of the "
                "names, and each of the two counts half."
            )
        lines.append(self._more())
        return lines

    def _more(self) -> str:
        wide = self.high - self.low
        if wide - self.then < _HARDLY:
            return (
                f"{TEN} more for the judge would hardly narrow that"
                f"{'' if self.both else '; checks of your own would'}."
            )
        return (
            f"{TEN} more for the judge would narrow that from {100 * wide:.0f} to about "
            f"{100 * self.then:.0f} points."
        )


def judged_share(
    said: Mapping[int, float], known: Mapping[int, bool], labels: Labels, confidence: Floats
) -> JudgedShare:
    """The share of right labels from a judge's checks of drawn images.

    Args:
        said: Image -> the share of its answers that name the image's label, in [0, 1]: 0.5 where
            one of two does. Not empty.
        known: Image -> whether its label is right, by a person; of any images.
        labels: (N,), as of `studio.ask.accuracy.checks`.
        confidence: (N,) in [0, 1], the proxy.
    """
    count = len(said)
    unstable = sum(0 < share < 1 for share in said.values())
    seen, half = share_seen(said, labels, confidence)
    both = {image: right for image, right in known.items() if image in said}
    table = np.zeros((2, 2))  # the label is right, by a person; the judge says so
    for image, right in both.items():
        table[int(right)] += (1 - said[image], said[image])
    alone = {image: share for image, share in said.items() if image not in both}
    rest = share_seen(alone, labels, confidence) if alone else (seen, half)
    spread = rest[1] / Z if alone else None
    then = half / Z * (count / TEN) ** 0.5  # of ten alone
    if spread is not None:
        then = spread * (len(alone) / (len(alone) + TEN)) ** 0.5
    value, low, high = _posterior(rest[0], spread, unstable / count, table)
    _, low_then, high_then = _posterior(rest[0], then, unstable / count, table)
    return JudgedShare(
        value, low, high, seen, count, unstable, len(both), float(table[0, 0] + table[1, 1]),
        high_then - low_then,
    )  # fmt: skip


def _posterior(
    seen: float, spread: float | None, unstable: float, table: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Median and ends of p. seen: the share that the judge alone takes to be right; spread: its
    standard deviation, None where there are no images of its own; unstable: share of the images
    with two answers; table: of images that a person checked too, as in `judged_share`.
    """
    share = (np.arange(_STEPS) + 0.5) / _STEPS
    errors, denies, confirms = _prior()
    # Of two answers that differ at least one is wrong; those that are the same may both be.
    wrong = unstable / 2 + (1 - unstable) * errors
    denied = np.log(denies) + table[1, 0] * np.log(wrong) + table[1, 1] * np.log1p(-wrong)
    confirmed = np.log(confirms) + table[0, 1] * np.log(wrong) + table[0, 0] * np.log1p(-wrong)
    by_person = table[1].sum() * np.log(share) + table[0].sum() * np.log1p(-share)
    fits = np.repeat(by_person, _ERRORS**2).reshape(_STEPS, _ERRORS, _ERRORS)
    if spread is not None:
        borne_out = (1 - share)[:, None] * wrong
        expected = (share[:, None] * (1 - wrong))[:, :, None] + borne_out[:, None, :]
        fits += -0.5 * ((seen - expected) / max(spread, _LEAST)) ** 2
    fits += (denied - denied.max())[None, :, None] + (confirmed - confirmed.max())[None, None, :]
    weight = np.exp(fits - fits.max()).sum((1, 2))
    below = np.concatenate([[0.0], (weight / weight.sum()).cumsum()])
    ends = np.arange(_STEPS + 1) / _STEPS
    value, low, high = np.interp([0.5, _OUTSIDE, 1 - _OUTSIDE], below, ends)
    return float(value), float(low), float(high)


@lru_cache(maxsize=1)
def _prior() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(E,) probabilities of an error; (E,) how likely each is as e, and (E,) as f."""
    from studio.ask.trust import JUDGE  # torch; not needed to show a page

    ends = np.linspace(0, 1, _ERRORS + 1) ** 2  # most of what is likely is small
    middle = (ends[:-1] + ends[1:]) / 2
    wrong, right = JUDGE[0] * _WEIGHT, JUDGE[1] * _WEIGHT
    fine = (np.arange(4000) + 0.5) / 4000
    likely = fine ** (wrong - 1) * (1 - fine) ** (right - 1)
    hits = 1 / MAX_NAMES + (1 - 1 / MAX_NAMES) * (np.arange(40) + 0.5) / 40
    denies = np.histogram(fine, ends, weights=likely)[0]
    same = np.outer(fine, hits).ravel()
    confirms = np.histogram(same, ends, weights=np.repeat(likely, len(hits)))[0]
    tiny = 1e-300
    return middle, denies / denies.sum() + tiny, confirms / confirms.sum() + tiny


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
