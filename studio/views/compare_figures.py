"""Which lines the figures of several runs have; `views.figures` builds them.

A run is recognised by its colour, its marker and its letter; what a line stands for within a run
(model 1 or 2) by its dash, the phase by an open or a full marker.
"""

from __future__ import annotations

from collections.abc import Sequence

from studio.analysis.compared import ComparedRun
from studio.analysis.measures import (
    AGREEMENT,
    CLEAN,
    ESTIMATED,
    Measure,
    loss_points,
    scored,
)
from studio.views.figures import Figure, Line, loss_figure, share_figure, twin

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star")
_DASHES = {0: "solid", 1: "dot"}
_NAME = 28  # characters of a run's name that a legend has room for


def figures(runs: Sequence[ComparedRun]) -> list[Figure]:
    """All figures that at least one of the runs has something for, in reading order."""
    phases = sorted({phase for run in runs for phase, _ in run.curves.loss})
    drawn = [_loss(runs, phase) for phase in phases]
    for measure in (CLEAN, AGREEMENT, *scored(), ESTIMATED):
        if any(measure.points(run.curves) for run in runs):
            drawn.append(_shares(runs, measure))
    return drawn


def numbers(runs: Sequence[ComparedRun]) -> str:
    """The `twin` of the figures."""
    curves = [(run.letter, run.curves) for run in runs]
    return twin(figures(runs), curves, key="compare-curve-table")


def _loss(runs: Sequence[ComparedRun], phase: int) -> Figure:
    lines = [
        Line(
            f"{run.letter}, model {model + 1}",
            loss_points(run.curves, phase, model),
            run.place + 1,
            _DASHES.get(model, "dash"),
            SYMBOLS[run.place],
            full_name=f"{run.letter} {run.info.name}, model {model + 1}",
        )
        for run in runs
        for model in sorted(m for p, m in run.curves.loss if p == phase)
    ]
    return loss_figure(phase, lines, zoom=_zoom(runs), hint="Solid: model 1. Dotted: model 2.")


def _shares(runs: Sequence[ComparedRun], measure: Measure) -> Figure:
    lines, both = [], False
    for run in runs:
        points = measure.points(run.curves)
        if not points:
            continue
        first = run.curves.lengths.get(1, 0)
        late = [place > first for place, _, _ in points]
        both = both or (any(late) and not all(late))
        symbol, name = SYMBOLS[run.place], run.info.name
        short = name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
        lines.append(
            Line(
                f"{run.letter} {short}",
                points,
                run.place + 1,
                symbols=[symbol if full else f"{symbol}-open" for full in late],
                full_name=f"{run.letter} {name}",
            )
        )
    phases = " Open markers: up to Phase I. Full markers: Phase II." if both else ""
    hint = f"{measure.hint}{phases}"
    return share_figure(measure.key, measure.title, lines, zoom=_zoom(runs), hint=hint)


def _zoom(runs: Sequence[ComparedRun]) -> str:
    return f"compare/{','.join(run.curves.run for run in runs)}"
