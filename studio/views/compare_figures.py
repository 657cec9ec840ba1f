"""The curves of several runs over each other, as figures and as tables.

A run is told by its colour, its marker and its letter; what a line stands for within a run (model 1
or 2) by its dash, the phase by an open or a full marker. See `views.figures` for the form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from studio.runs.curves import Curves, ScorePoint
from studio.views.figures import Figure, epoch_rows, phase_name, stage_name, thin
from studio.views.markup import details, esc, table
from studio.views.numbers import percent

LETTERS = "ABCDEF"
"""Names of compared runs, in order; more lines than these cannot be told apart."""

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star")
_DASHES = {0: "solid", 1: "dot"}
_NAME = 28


@dataclass(frozen=True)
class Lines:
    """One of the compared runs. place: 0 for run A, 1 for run B, ..."""

    place: int
    name: str
    curves: Curves

    @property
    def letter(self) -> str:
        """What the run is called in figures and tables."""
        return LETTERS[self.place]

    @property
    def label(self) -> str:
        """Letter and name; short enough for a legend."""
        short = self.name if len(self.name) <= _NAME else f"{self.name[: _NAME - 1]}…"
        return f"{self.letter} {short}"


Point = tuple[float, float, str]
"""Place on the axis of epochs, share in [0, 1], what it is in words."""


def figures(runs: Sequence[Lines]) -> list[Figure]:
    """All figures that at least one of the runs has something for, in reading order."""
    phases = sorted({phase for run in runs for phase, _ in run.curves.loss})
    drawn = [_loss(runs, phase) for phase in phases]
    shares: list[tuple[str, str, Callable[[Curves], list[Point]]]] = [
        ("clean", "Labels believed by the other model", _believed),
        ("agreement", "Agreement of the two models", _agreement),
        ("accuracy", "Accuracy against the known labels", _accuracy),
        ("precision", "Right among clean", _precision),
    ]
    for key, title, points in shares:
        if any(points(run.curves) for run in runs):
            drawn.append(_shares(runs, key, title, points))
    return drawn


def numbers(runs: Sequence[Lines]) -> str:
    """The same as text and tables in HTML, folded away: what a screen reader reads."""
    parts = [f"<p>{esc(f['title'])}: {esc(f['summary'])}</p>" for f in figures(runs)]
    rows = [(run.letter, *row) for run in runs for row in epoch_rows(run.curves)]
    if rows:
        head = ("run", "phase", "epoch", "loss, model 1", "loss, model 2", "believed", "agreement")
        caption = "By epoch (loss: of the epoch's latest step)"
        parts.append(table(head, rows, caption=caption, numeric=5))
    scores = [
        (run.letter, stage_name(s.stage), percent(s.accuracy, digits=1),
         percent(s.clean_precision, digits=1))
        for run in runs for s in run.curves.scores
    ]  # fmt: skip
    if scores:
        columns = ("run", "stage", "accuracy", "right among clean")
        parts.append(table(columns, scores, caption="Against the known labels", numeric=2))
    if not parts:
        return ""
    return details("Numbers behind the curves", "".join(parts), key="compare-curve-table")


def _loss(runs: Sequence[Lines], phase: int) -> Figure:
    traces, told = [], []
    for run in runs:
        for model in sorted(m for p, m in run.curves.loss if p == phase):
            points = run.curves.loss[phase, model]
            xs, ys = thin(points)
            trace = _trace(run, xs, ys, [], dash=_DASHES.get(model, "dash"))
            # Markers tell the run without its colour; eight of them leave the line to be seen.
            trace["marker"] |= {"maxdisplayed": 8, "symbol": SYMBOLS[run.place]}
            trace |= {"name": f"{run.letter}, model {model + 1}", "mode": "lines+markers"}
            traces.append(_named(trace))
            told.append(
                f"{run.letter}, model {model + 1}: {points[0][1]:.3g} at first, "
                f"{points[-1][1]:.3g} at step {points[-1][0]}"
            )
    figure = _figure(
        runs, f"loss{phase}", f"Loss, {phase_name(phase)}", "; ".join(told) + ".", traces
    )
    figure["hint"] = "Solid: model 1, dotted: model 2."
    figure["layout"]["xaxis"]["title"]["text"] = "optimiser step"
    figure["layout"]["yaxis"] = {"title": {"text": "loss"}, "rangemode": "tozero"}
    return figure


def _shares(
    runs: Sequence[Lines], key: str, title: str, points_of: Callable[[Curves], list[Point]]
) -> Figure:
    traces, told, phases = [], [], False
    for run in runs:
        points = points_of(run.curves)
        if not points:
            continue
        first = run.curves.lengths.get(1, 0)
        full = [x > first for x, _, _ in points]
        phases = phases or (any(full) and not all(full))
        symbol = SYMBOLS[run.place]
        trace = _trace(run, [p[0] for p in points], [round(p[1], 4) for p in points],
                       [p[2] for p in points])  # fmt: skip
        trace["marker"]["symbol"] = [symbol if late else f"{symbol}-open" for late in full]
        traces.append(_named(trace))
        told.append(
            f"{run.letter}: {percent(points[0][1], digits=1)} ({points[0][2]}), "
            f"{percent(points[-1][1], digits=1)} ({points[-1][2]})"
        )
    figure = _figure(runs, key, title, "; ".join(told) + ".", traces)
    if phases:
        figure["hint"] = "Open markers: Phase I and before; full ones: Phase II."
    return figure


def _believed(curves: Curves) -> list[Point]:
    return [
        (x, row.clean_fraction, f"{phase_name(row.phase)}, epoch {row.epoch}")
        for x, row in curves.epochs if row.clean_fraction is not None
    ]  # fmt: skip


def _agreement(curves: Curves) -> list[Point]:
    return [
        (x, row.agreement, f"{phase_name(row.phase)}, epoch {row.epoch}")
        for x, row in curves.epochs if row.agreement is not None
    ]  # fmt: skip


def _accuracy(curves: Curves) -> list[Point]:
    return _scored(curves, lambda score: score.accuracy)


def _precision(curves: Curves) -> list[Point]:
    return _scored(curves, lambda score: score.clean_precision)


def _scored(curves: Curves, value: Callable[[ScorePoint], float | None]) -> list[Point]:
    found = [(s.place, value(s), stage_name(s.stage)) for s in curves.scores]
    return [(place, share, stage) for place, share, stage in found if share is not None]


def _trace(
    run: Lines, xs: list[float], ys: list[float], texts: list[str], *, dash: str = "solid"
) -> dict[str, Any]:
    color = f"var(--series-{run.place + 1})"
    trace: dict[str, Any] = {
        "type": "scatter",
        "name": run.label,
        "x": xs,
        "y": ys,
        "mode": "lines+markers",
        "line": {"color": color, "dash": dash, "width": 2},
        "marker": {"color": color, "size": 7},
    }
    if texts:
        trace |= {"text": [esc(t) for t in texts], "hovertemplate": "%{y:.1%} (%{text})"}
    return trace


def _named(trace: dict[str, Any]) -> dict[str, Any]:
    # plotly's legend understands some tags: what a user calls a run must not become one.
    return {**trace, "name": esc(trace["name"])}


def _figure(
    runs: Sequence[Lines], key: str, title: str, summary: str, traces: list[dict[str, Any]]
) -> Figure:
    """A figure over epochs with shares upwards."""
    whose = ",".join(run.curves.run for run in runs)
    layout = {
        "uirevision": f"compare/{whose}/{key}",  # the zoom stays as long as this does
        "xaxis": {"title": {"text": "epoch"}, "rangemode": "tozero"},
        "yaxis": {"tickformat": ".0%", "range": [0, 1.04]},
    }
    return {
        "key": key, "title": title, "summary": summary, "hint": "", "traces": traces,
        "layout": layout,
    }  # fmt: skip
