"""What a run says of images that it was not trained on, as data for a page or a program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.images.folder import Refused


@dataclass(frozen=True)
class Near:
    """A training image near to another: its label in the run, cosine in [-1, 1], and thumbnail."""

    path: str
    label: str
    cosine: float
    picture: str


@dataclass(frozen=True)
class Predicted:
    """An image that was dropped. likeliest: the best classes with their probabilities."""

    path: str
    picture: str
    likeliest: list[tuple[str, float]]
    nearest: list[Near]


@dataclass(frozen=True)
class Answers:
    """What came of one drop. images: the first SHOWN of `total`; table: the CSV with all of them;
    problem: why there are no nearest training images.
    """

    images: list[Predicted]
    total: int
    refused: tuple[Refused, ...]
    table: Path
    problem: str = ""
