"""Figures with lines over steps or epochs, and their twins as text and tables.

Figures are plain dictionaries for plotly.js: drawing happens in the browser, so the Python package
plotly need not be imported. Colours are names of CSS variables, which the page resolves for its
light or dark mode; every line of a figure also has its own dash or marker, so that colour never
stands alone. Which lines a figure has is said by `views.figures` and `views.compare_figures`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import escape

from studio.runs.curves import Curves, Epoch
from studio.scores.table import shown
from studio.views.numbers import percent
from studio.views.render import render

MAX_POINTS = 240
"""Points per line: enough for the pixels they are drawn on; longer series are averaged in bins."""

_FEW = 8  # markers on a line of many points: enough to tell it by, and the line is still seen

Figure = dict[str, Any]

Point = tuple[float, float, str]
"""Place on the axis, value, and what it is in words ("" where the place says it all)."""

_LOSSES = {
    1: "Loss while learning which labels are clean (Phase I)",
    2: "Loss while training the classifier (Phase II)",
}
_STAGES = {
    "zero-shot": "zero-shot",
    "monitor": "on a sample",
    "judged": "after Phase I",
    "finished": "final labels",
}


@dataclass(frozen=True)
class Line:
    """One line of a figure. colour: number of a series in the page's style; symbols: of plotly, one
    for all points or one for each; full_name: shown where the name in the legend is pointed at.
    """

    name: str
    points: Sequence[Point]
    colour: int
    dash: str = "solid"
    symbols: str | list[str] = "circle"
    full_name: str = ""

    def trace(self) -> dict[str, Any]:
        """The line as plotly takes it."""
        colour = f"var(--series-{self.colour})"
        texts = [text for _, _, text in self.points]
        marker: dict[str, Any] = {"color": colour, "symbol": self.symbols, "size": 7}
        trace: dict[str, Any] = {
            "type": "scatter",
            # plotly's texts understand some tags: what a user calls a run must not become one.
            "name": str(escape(self.name)),
            "meta": self.full_name or self.name,
            "mode": "lines+markers",
            "line": {"color": colour, "dash": self.dash, "width": 2},
            "marker": marker,
        }
        if any(texts):
            xs, ys = [x for x, _, _ in self.points], [round(y, 4) for _, y, _ in self.points]
            trace |= {"text": [str(escape(text)) for text in texts]}
            trace |= {"hovertemplate": "%{y:.1%} (%{text})"}
        else:
            xs, ys = thin([(x, y) for x, y, _ in self.points])
            marker["maxdisplayed"] = _FEW
        return {**trace, "x": xs, "y": ys}


@dataclass(frozen=True)
class Measure:
    """A share in [0, 1] that changes over a run. points: reads it from the run's curves; hint: what
    has to be known to read it.
    """

    key: str
    title: str
    points: Callable[[Curves], list[Point]]
    hint: str


def loss_figure(phase: int, lines: Sequence[Line], *, zoom: str, hint: str = "") -> Figure:
    """The loss of one phase over the optimiser's steps. zoom: the page keeps a user's zoom as long
    as this text stays the same.
    """
    summary = "; ".join(
        f"{line.name}: {line.points[0][1]:.3g} at first, {line.points[-1][1]:.3g} at step "
        f"{line.points[-1][0]:.0f}"
        for line in lines
    )
    title = _LOSSES.get(phase, f"Loss in phase {phase}")
    figure = _figure(f"loss{phase}", title, lines, summary=summary, zoom=zoom, hint=hint)
    figure["layout"] |= {
        "xaxis": {"title": {"text": "optimiser step"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "loss"}, "rangemode": "tozero"},
    }
    return figure


def share_figure(
    key: str,
    title: str,
    lines: Sequence[Line],
    *,
    zoom: str,
    hint: str = "",
    phase_two: float | None = None,
) -> Figure:
    """Shares over epochs. zoom: as for `loss_figure`; phase_two: where on the axis Phase II begins,
    to be marked there.
    """
    summary = "; ".join(
        f"{line.name}: "
        + " to ".join(f"{percent(y, digits=1)} ({text})" for _, y, text in _ends(line.points))
        for line in lines
    )
    figure = _figure(key, title, lines, summary=summary, zoom=zoom, hint=hint)
    figure["layout"] |= {
        "xaxis": {"title": {"text": "epoch"}, "rangemode": "tozero"},
        "yaxis": {"tickformat": ".0%", "range": [0, 1.04]},
    }
    if phase_two is not None:
        figure["layout"] |= _phase_two(phase_two)
    return figure


def _figure(
    key: str, title: str, lines: Sequence[Line], *, summary: str, zoom: str, hint: str
) -> Figure:
    return {
        "key": key,
        "title": title,
        "summary": f"{summary}.",
        "hint": hint,
        "traces": [line.trace() for line in lines],
        "layout": {"uirevision": f"{zoom}/{key}"},
    }


def _ends(points: Sequence[Point]) -> Sequence[Point]:
    return points if len(points) < 2 else (points[0], points[-1])


def _phase_two(place: float) -> dict[str, Any]:
    quiet = "var(--series-quiet)"
    line = {"dash": "dot", "width": 1, "color": quiet}
    ends = {"type": "line", "yref": "paper", "x0": place, "x1": place, "y0": 0, "y1": 1}
    text: dict[str, Any] = {"text": "Phase II", "showarrow": False, "font": {"color": quiet}}
    where = {"x": place, "y": 0, "yref": "paper", "yanchor": "bottom", "xanchor": "left"}
    return {"shapes": [{**ends, "line": line}], "annotations": [{**text, **where, "xshift": 3}]}


# What a run's curves hold ---------------------------------------------------------------------


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


def scored() -> list[Measure]:
    """The scores of `studio.scores.table` that have curves."""
    return [Measure(s.name, s.title, _scored(s.name), s.hint) for s in shown("curve")]


def phase_name(phase: int) -> str:
    """`Phase I`, `Phase II`."""
    return {1: "Phase I", 2: "Phase II"}.get(phase, f"Phase {phase}")


def _when(phase: int | None, epoch: int | None, stage: str = "") -> str:
    parts = [] if phase is None else [phase_name(phase), f"epoch {epoch}"]
    return ", ".join([*parts, *([_STAGES.get(stage, stage)] if stage else [])])


def thin(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """At most MAX_POINTS points: means of equal bins; short series as they are."""
    width = math.ceil(len(points) / MAX_POINTS) or 1
    bins = [points[i : i + width] for i in range(0, len(points), width)]
    xs = [round(sum(x for x, _ in b) / len(b), 1) for b in bins]
    ys = [float(f"{sum(y for _, y in b) / len(b):.4g}") for b in bins]
    return xs, ys


# The twin of the figures ----------------------------------------------------------------------


def numbers(figures: Sequence[Figure], curves: Sequence[tuple[str, Curves]], *, key: str) -> str:
    """What the figures show as text and tables in HTML, folded away; "" without figures.

    curves: (letter of the run, its curves); a letter of "" leaves out the column of runs. key: lets
    the page keep it open over updates.
    """
    if not figures:
        return ""
    return render(
        "curves/numbers.html",
        figures=figures,
        curves=curves,
        named=any(letter for letter, _ in curves),
        phase_name=phase_name,
        stages=_STAGES,
        scores=shown("curve"),
        key=key,
    )
