"""See `session.weighing.Weighs`: by the model that gave the zero-shot labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.runs.given import UNKNOWN, Given
from studio.runs.question import Followed, Question

if TYPE_CHECKING:
    from studio.coft.start import ZeroShotStart


class Weigher:
    """What is compared once for a set of images: which of them are alike, and their first labels.

    Args:
        start: of all images of the folder.
        rows: (M,) those of them that are asked about.
        class_names: C.
    """

    def __init__(
        self, start: ZeroShotStart, rows: NDArray[np.int64], class_names: Sequence[str]
    ) -> None:
        from studio.ask.choose import Groups
        from studio.ask.relabel import Relabeller

        self._names = tuple(class_names)
        pictures, probabilities = start.pictures, start.probabilities
        if not np.array_equal(rows, np.arange(len(pictures))):
            pictures, probabilities = pictures[rows], probabilities[rows]
        self._relabel = Relabeller(pictures, probabilities)
        self._groups = Groups.of(pictures.numpy(), classes=len(class_names))

    @property
    def first(self) -> NDArray[np.int64]:
        """(M,) labels together, without answers."""
        return np.asarray(self._relabel.first.argmax(1).numpy())

    def follow(self, said: Given) -> Followed:
        """The labels that follow, as a run that is given these answers would begin."""
        import torch

        given, judged = torch.from_numpy(said.vector), torch.from_numpy(said.judged)
        found, own = self._relabel.following(given, judged)
        return Followed(found.probabilities.float().numpy(), own.confidence, own.estimate())

    def choose(
        self, followed: Followed, said: Given, *, most: int, without: Collection[int]
    ) -> Sequence[Question]:
        """Those first whose answer says most about the others (`ask.choose`)."""
        from studio.ask.choose import choose

        answers = _answers(said)
        found = choose(self._groups, followed.probabilities, answers, most, asked=without)
        return [Question(q.image, q.shortlist, q.why(self._names)) for q in found]


def _answers(said: Given) -> dict[int, int]:
    """A person's: image -> class, below 0: none of the names."""
    given = said.vector
    return {int(i): int(given[i]) for i in np.flatnonzero(given != UNKNOWN)}
