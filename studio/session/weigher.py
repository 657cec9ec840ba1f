"""See `session.weighing.Weighs`: by the model that gave the zero-shot labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from studio.runs.given import UNKNOWN, Given
from studio.runs.question import SHORTLIST, Followed, Question

if TYPE_CHECKING:
    from studio.coft.start import ZeroShotStart


class Weigher:
    """start: of all images of the folder; rows: (M,) those of them that are asked about."""

    def __init__(self, start: ZeroShotStart, rows: Sequence[int]) -> None:
        from studio.coft.start import ZeroShotStart

        chosen = list(rows)
        self._start = ZeroShotStart(
            start.space, start.pictures[chosen], start.probabilities[chosen]
        )

    def follow(self, said: Given) -> Followed:
        """As a run that is given these answers would begin."""
        import torch

        from studio.coft.given import Evidence
        from studio.coft.start import first_scores
        from studio.settings import Settings

        given = torch.from_numpy(said.vector)
        evidence = Evidence.of(given, torch.from_numpy(said.judged))
        steps = first_scores(
            self._start, given, Settings(), device=torch.device("cpu"), evidence=evidence
        )
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return Followed(end.value.float().numpy())

    def choose(
        self, followed: Followed, said: Given, *, most: int, without: Collection[int]
    ) -> Sequence[Question]:
        """The least confident ones first."""
        probabilities = followed.probabilities
        order = np.argsort(probabilities.max(1), kind="stable")
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :SHORTLIST]
        chosen = [int(i) for i in order if said.vector[i] == UNKNOWN and int(i) not in without]
        return [
            Question(i, tuple(best[i].tolist()), "its label is among the least certain")
            for i in chosen[:most]
        ]
