"""What a run's events amount to: losses by step, shares and scores by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studio.runs.measured import Estimated, Score
from studio.runs.records import kind_of
from studio.scores.table import shown

if TYPE_CHECKING:
    from studio.coft.events import Monitor, Step


@dataclass
class Epoch:
    """What one epoch of one phase has said so far. loss by model; shares in [0, 1]."""

    phase: int
    epoch: int
    loss: dict[int, float] = field(default_factory=dict)
    agreement: float | None = None
    clean_fraction: float | None = None


@dataclass(frozen=True)
class ScorePoint:
    """A score of labels against the truth. place: on the axis of epochs."""

    place: float
    score: Score

    @property
    def stage(self) -> str:
        """Which labels."""
        return self.score.stage


@dataclass(frozen=True)
class EstimatePoint:
    """An estimate of how many labels are right. place: on the axis of epochs."""

    place: float
    found: Estimated


@dataclass
class Curves:
    """Collects a run's events one by one, in order.

    `run` names the run. loss: (phase, model) -> [(step, loss)]; seen: how many events came, also
    those that are no part of a curve: it changes when the curves do.
    """

    run: str = ""
    seen: int = 0
    loss: dict[tuple[int, int], list[tuple[int, float]]] = field(default_factory=dict)
    scores: list[ScorePoint] = field(default_factory=list)
    estimates: list[EstimatePoint] = field(default_factory=list)
    lengths: dict[int, int] = field(default_factory=dict)
    _epochs: dict[tuple[int, int], Epoch] = field(default_factory=dict)

    def add(self, event: Any) -> None:
        """Take an event of a run; most say nothing about curves."""
        self.seen += 1
        take: dict[str, Callable[[Any], None]] = {
            "step": self._step,
            "monitor": self._monitor,
            "score": self._score,
            "estimated": self._estimate,
        }
        if (kind := kind_of(event)) in take:
            take[kind](event)

    @property
    def epochs(self) -> list[tuple[float, Epoch]]:
        """All epochs of all phases with their place on one axis, in order."""
        return [(self.place(*key), row) for key, row in sorted(self._epochs.items())]

    def place(self, phase: int, epoch: int) -> float:
        """Where an epoch stands on the axis that runs through all phases."""
        return float(epoch + sum(n for p, n in self.lengths.items() if p < phase))

    def _step(self, event: Step) -> None:
        self.lengths[event.phase] = max(self.lengths.get(event.phase, 0), event.epochs)
        if not math.isfinite(event.loss):
            return
        line, step = self.loss.setdefault((event.phase, event.model), []), event.step
        if line and step <= line[-1][0]:
            step = line[-1][0] + 1  # a further round counts on
        line.append((step, event.loss))
        self._at(event.phase, event.epoch).loss[event.model] = event.loss

    def _monitor(self, event: Monitor) -> None:
        self.lengths[event.phase] = max(self.lengths.get(event.phase, 0), event.epochs)
        row = self._at(event.phase, event.epoch)
        row.agreement, row.clean_fraction = share(event.agreement), share(event.clean_fraction)

    def _score(self, score: Score) -> None:
        # The accuracy of the seeds alone is no point of the same curve.
        if score.stage == "seed" or all(score.get(s.name) is None for s in shown("curve")):
            return
        self.scores.append(ScorePoint(self._where(score), score))

    def _estimate(self, found: Estimated) -> None:
        if found.stage != "clean":  # of some of the labels only
            self.estimates.append(EstimatePoint(self._where(found), found))

    def _where(self, event: Score | Estimated) -> float:
        if event.phase is not None and event.epoch is not None:
            return self.place(event.phase, event.epoch)
        return max((self.place(*key) for key in self._epochs), default=0.0)

    def _at(self, phase: int, epoch: int) -> Epoch:
        return self._epochs.setdefault((phase, epoch), Epoch(phase, epoch))


def share(value: float | None) -> float | None:
    """A share as an event holds it; None when it was not known."""
    return None if value is None or not math.isfinite(value) else value
