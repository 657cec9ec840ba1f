"""What several runs say of the images on which their labels differ.

`letters` are those of the matched runs, in order: "A", "C", ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studio.analysis.matching import ALL, NONE_RIGHT, MatchedRuns
from studio.numbers import count, percent


@dataclass(frozen=True)
class Opinion:
    """What one run says of an image. right: None where the truth is unknown."""

    letter: str
    label: str
    share: str
    right: bool | None


@dataclass(frozen=True)
class ImageCard:
    """An image with the opinions of the runs. number: m of the matched runs; source: address of the
    picture, empty when it is gone; truth: a class name, empty where it is unknown.
    """

    number: int
    path: str
    source: str
    opinions: tuple[Opinion, ...]
    truth: str

    @property
    def sentence(self) -> str:
        """The card for those who cannot see it."""
        labels = ", ".join(f"{opinion.letter} says {opinion.label}" for opinion in self.opinions)
        return f"{self.path}: {labels}. Show large."


def options(matched: MatchedRuns, letters: Sequence[str]) -> list[tuple[str, str]]:
    """What the images can be narrowed to: (text with the number of images, value)."""
    names = {ALL: "All that differ", NONE_RIGHT: "None is right"}
    names |= {f"only-{r}": f"Only {letter} is right" for r, letter in enumerate(letters)}
    return [(f"{names[show]} ({count(images)})", show) for show, images in matched.counts.items()]


def card(matched: MatchedRuns, letters: Sequence[str], m: int, source: str) -> ImageCard:
    """What the card of an image says. source: address of the thumbnail, empty when it is gone."""
    known = matched.truth[m] >= 0
    opinions = []
    for r, outcome in enumerate(matched.outcomes):
        right = bool(matched.right[r, m]) if known else None
        label = matched.name(int(matched.labels[r, m]))
        # Before training nobody has judged a label: there is its confidence only.
        word = "clean" if outcome.judged else "confident"
        share = f"{percent(float(outcome.clean_probability[matched.indices[r, m]]))} {word}"
        opinions.append(Opinion(letters[r], label, share, right))
    truth = matched.name(int(matched.truth[m])) if known else ""
    return ImageCard(m, matched.path(m), source, tuple(opinions), truth)
