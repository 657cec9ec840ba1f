"""What a run's events amount to: losses by step, shares and scores by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Epoch:
    """What one epoch of one phase has said so far. loss by model; shares in [0, 1]."""

    phase: int
    epoch: int
    loss: dict[int, float] = field(default_factory=dict)
    agreement: float | None = None
    clean_fraction: float | None = None


@dataclass(frozen=True)
class Score:
    """Shares in [0, 1] against the true labels; place: on the axis of epochs; phase and epoch:
    None for what belongs to no epoch.
    """

    place: float
    stage: str
    accuracy: float | None
    clean_precision: float | None
    phase: int | None = None
    epoch: int | None = None


@dataclass
class Curves:
    """Collects the lines of events.jsonl one by one, in order.

    `run` names the run. Lines of an unknown kind or with missing fields are passed over, so that an
    older or a torn file still shows. loss: (phase, model) -> [(step, loss)].
    """

    run: str = ""
    seen: int = 0
    loss: dict[tuple[int, int], list[tuple[int, float]]] = field(default_factory=dict)
    scores: list[Score] = field(default_factory=list)
    lengths: dict[int, int] = field(default_factory=dict)
    _epochs: dict[tuple[int, int], Epoch] = field(default_factory=dict)

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one line of events.jsonl, already parsed."""
        self.seen += 1
        take = {"step": self._step, "monitor": self._monitor, "score": self._score}
        try:
            if (kind := event.get("kind")) in take:
                take[str(kind)](event)
        except (KeyError, TypeError, ValueError):
            return

    @property
    def epochs(self) -> list[tuple[float, Epoch]]:
        """All epochs of all phases with their place on one axis, in order."""
        return [(self.place(*key), row) for key, row in sorted(self._epochs.items())]

    def place(self, phase: int, epoch: int) -> float:
        """Where an epoch stands on the axis that runs through all phases."""
        return float(epoch + sum(n for p, n in self.lengths.items() if p < phase))

    def _step(self, event: Mapping[str, Any]) -> None:
        phase, model, step = int(event["phase"]), int(event["model"]), int(event["step"])
        loss, epoch, epochs = float(event["loss"]), int(event["epoch"]), int(event["epochs"])
        self.lengths[phase] = max(self.lengths.get(phase, 0), epochs)
        if not math.isfinite(loss):
            return
        line = self.loss.setdefault((phase, model), [])
        if line and step <= line[-1][0]:
            step = line[-1][0] + 1  # a further round counts on
        line.append((step, loss))
        self._at(phase, epoch).loss[model] = loss

    def _monitor(self, event: Mapping[str, Any]) -> None:
        phase, epoch, epochs = int(event["phase"]), int(event["epoch"]), int(event["epochs"])
        shares = share(event["agreement"]), share(event["clean_fraction"])
        self.lengths[phase] = max(self.lengths.get(phase, 0), epochs)
        row = self._at(phase, epoch)
        row.agreement, row.clean_fraction = shares

    def _score(self, event: Mapping[str, Any]) -> None:
        accuracy, precision = share(event.get("accuracy")), share(event.get("clean_precision"))
        stage = str(event.get("stage", ""))
        # The accuracy of the seeds alone is no point of the same curve.
        if stage == "seed" or (accuracy is None and precision is None):
            return
        if not event.get("phase"):
            place = max((self.place(*key) for key in self._epochs), default=0.0)
            self.scores.append(Score(place, stage, accuracy, precision))
            return
        phase, epoch = int(event["phase"]), int(event["epoch"])
        self.scores.append(
            Score(self.place(phase, epoch), stage, accuracy, precision, phase, epoch)
        )

    def _at(self, phase: int, epoch: int) -> Epoch:
        return self._epochs.setdefault((phase, epoch), Epoch(phase, epoch))


def share(value: Any) -> float | None:
    """A share as stored; None when it was not known."""
    return None if value is None or not math.isfinite(float(value)) else float(value)
