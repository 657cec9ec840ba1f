"""What a person is asked about an image, and what follows the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from studio.scores.estimate import Estimate


class Question(NamedTuple):
    """An image that is worth asking about: its index, the classes that it most likely shows, the
    likeliest first, and why, in words that go on after “This image”.
    """

    image: int
    shortlist: tuple[int, ...]
    why: str


@dataclass(frozen=True)
class Followed:
    """The labels of M images that follow answers: probabilities (M, C), as labelling together gives
    them; confidence (M,), how likely the label of the largest one is right; and how many labels are
    right as far as that can be told.
    """

    probabilities: NDArray[np.float32]
    confidence: NDArray[np.float32]
    estimate: Estimate | None = None


@dataclass(frozen=True)
class Progress:
    """How far one is. done: answered, of `shown` images that were seen, of `whole` that come;
    skipped: seen before the last one, and not answered;
    left: images that could come after these; changed: labels that follow answers and were others
    before; pending: labels are being made to follow; among: images that are asked among and whose
    labels follow, where these were drawn from very many; else 0; images: all there are.
    """

    done: int = 0
    shown: int = 0
    skipped: int = 0
    whole: int = 0
    left: int = 0
    changed: int = 0
    pending: bool = False
    followed: Followed | None = None
    among: int = 0
    images: int = 0
