"""What first labels are worth, in words that follow the estimate of how many are right."""

from __future__ import annotations

from dataclasses import dataclass

from studio.numbers import about, interval
from studio.scores.estimate import Estimate

GOOD_FROM, GOOD_LOW = 0.70, 0.50
BAD_BELOW = 0.10


@dataclass(frozen=True)
class Verdict:
    """What first labels are worth, in words. kind: good, warn or bad, as of a notice."""

    kind: str
    title: str
    text: str


def verdict(estimate: Estimate | None, level: str, classes: int) -> Verdict | None:
    """What to say of first labels; None when nothing is known about them.

    Colour and words follow the estimate. Good: at least 70 % right, and even the lower end of the
    interval is at least one half. Bad: hardly better than guessing, that is, less than a tenth of
    the way from guessing (1 / classes) to all right, or the names fit no better than random nouns.
    All else is a warning.

    level: of `scores.knowledge`, "" when the labels were not judged yet.
    """
    if estimate is None:
        return Verdict("bad", *_HARDLY) if level == "near chance" else None
    chance = 1 / classes
    if level == "near chance" or estimate.accuracy < chance + BAD_BELOW * (1 - chance):
        return Verdict("bad", *_HARDLY)
    title = f"{about(estimate).capitalize()} of these labels are right ({interval(estimate)})."
    if estimate.accuracy >= GOOD_FROM and estimate.low >= GOOD_LOW:
        return Verdict("good", title, "A good start. Training usually corrects some of the rest.")
    return Verdict(
        "warn",
        title,
        "Many are wrong. Training usually corrects some of them; clearer class names or a larger "
        "model help as well.",
    )


_HARDLY = (
    "These labels are hardly better than guessing.",
    "The names mean little to this model on these images, so training cannot help much. Try other "
    "class names or another model first.",
)
