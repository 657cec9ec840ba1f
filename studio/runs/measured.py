"""What a run records beside the events of its fit: scores, estimates, what the model knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.scores.estimate import Estimate

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Score:
    """How good the labels of one stage are; kind "score".

    stage: "zero-shot", "seed", "monitor", "judged" or "finished"; values: by the score's name,
    shares in [0, 1], None where the truth is not known; phase, epoch: of "monitor"; round_number:
    of "seed" and "judged"; model: of "seed", None = both.
    """

    stage: str
    values: Mapping[str, float | None]
    phase: int | None = None
    epoch: int | None = None
    round_number: int | None = None
    model: int | None = None

    def get(self, name: str) -> float | None:
        """A score by its name; None where it is not known."""
        return self.values.get(name)


@dataclass(frozen=True)
class Estimated:
    """How many labels are right, estimated; kind "estimate".

    stage: "zero-shot", "monitor", "judged", "finished", or "clean" (of the clean labels at the
    end); phase, epoch: of "monitor".
    """

    stage: str
    estimate: Estimate
    phase: int | None = None
    epoch: int | None = None


@dataclass(frozen=True)
class Combined:
    """The combined score of each final label; kind "combined". score: (N,) float32 in [0, 1]."""

    score: Tensor


@dataclass(frozen=True)
class Strangers:
    """How far each image seems to be of none of the classes; kind "strangers". score: (N,) float32
    in [0, 1], see `scores.strangers`.
    """

    score: Tensor
