"""What can be drawn of a run's curves: series of losses by step, and of shares by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studio.numbers import interval
from studio.runs.curves import Curves, Epoch
from studio.scores.table import shown

MAX_POINTS = 240
"""Points per line: enough for the pixels they are drawn on; longer series are averaged in bins."""

Point = tuple[float, float, str]
"""Place on the axis, value, and what it is in words ("" where the place says it all)."""

STAGES = {
    "zero-shot": "zero-shot",
    "monitor": "on a sample",
    "judged": "after Phase I",
    "finished": "final labels",
}
"""Which labels a score is of."""


@dataclass(frozen=True)
class Measure:
    """A share in [0, 1] that changes over a run. points: reads it from the run's curves; hint: what
    has to be known to read it.
    """

    key: str
    title: str
    points: Callable[[Curves], list[Point]]
    hint: str


def loss_points(curves: Curves, phase: int, model: int) -> list[Point]:
    """The loss of a model over the steps of a phase; model: 0 or 1."""
    return [(step, loss, "") for step, loss in curves.loss[phase, model]]


def _by_epoch(value: Callable[[Epoch], float | None]) -> Callable[[Curves], list[Point]]:
    def points(curves: Curves) -> list[Point]:
        values = [(place, value(row), _when(row.phase, row.epoch)) for place, row in curves.epochs]
        return [(place, share, text) for place, share, text in values if share is not None]

    return points


def _scored(name: str) -> Callable[[Curves], list[Point]]:
    def points(curves: Curves) -> list[Point]:
        values = [(p.place, p.score.get(name), _when(p.score.phase, p.score.epoch, p.stage))
                  for p in curves.scores]  # fmt: skip
        return [(place, share, text) for place, share, text in values if share is not None]

    return points


CLEAN = Measure(
    "clean",
    "Share of clean labels",
    _by_epoch(lambda row: row.clean_fraction),
    "Clean: the other model keeps the label.",
)
AGREEMENT = Measure(
    "agreement",
    "Agreement of the two models",
    _by_epoch(lambda row: row.agreement),
    "On a fixed sample of the images.",
)


def _estimated(curves: Curves) -> list[Point]:
    points = []
    for point in curves.estimates:
        found = point.found
        when = _when(found.phase, found.epoch, found.stage)
        points.append((point.place, found.estimate.accuracy, f"{interval(found.estimate)}; {when}"))
    return points


def estimated_band(curves: Curves) -> list[tuple[float, float, float]]:
    """The intervals of `ESTIMATED`: place on the axis, lower and upper end."""
    return [(p.place, p.found.estimate.low, p.found.estimate.high) for p in curves.estimates]


ESTIMATED = Measure(
    "estimated",
    "Accuracy, estimated",
    _estimated,
    "Estimated: without a true label; the band is the interval, which is meant to hold nine times "
    "out of ten.",
)


def scored() -> list[Measure]:
    """The scores of `studio.scores.table` that have curves."""
    return [Measure(s.name, s.title, _scored(s.name), s.hint) for s in shown("curve")]


def phase_name(phase: int) -> str:
    """`Phase I`, `Phase II`."""
    return {1: "Phase I", 2: "Phase II"}.get(phase, f"Phase {phase}")


def _when(phase: int | None, epoch: int | None, stage: str = "") -> str:
    parts = [] if phase is None else [phase_name(phase), f"epoch {epoch}"]
    return ", ".join([*parts, *([STAGES.get(stage, stage)] if stage else [])])


def thin(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """At most MAX_POINTS points: means of equal bins; short series as they are."""
    width = math.ceil(len(points) / MAX_POINTS) or 1
    bins = [points[i : i + width] for i in range(0, len(points), width)]
    xs = [round(sum(x for x, _ in b) / len(b), 1) for b in bins]
    ys = [float(f"{sum(y for _, y in b) / len(b):.4g}") for b in bins]
    return xs, ys
