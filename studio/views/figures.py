"""Figures with lines over steps or epochs, and their twins as text and tables.

Figures are plain dictionaries for plotly.js: drawing happens in the browser, so the Python package
plotly need not be imported. Colours are names of CSS variables, which the page resolves for its
light or dark mode; every line of a figure also has its own dash or marker, so that colour never
stands alone. The figures of one run are at the end; `views.compare_figures` has those of several.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from markupsafe import escape

from studio.analysis.measures import (
    AGREEMENT,
    CLEAN,
    ESTIMATED,
    STAGES,
    Measure,
    Point,
    estimated_band,
    loss_points,
    phase_name,
    scored,
    thin,
)
from studio.numbers import percent
from studio.runs.curves import Curves
from studio.scores.table import shown
from studio.views.render import render

_FEW = 8  # markers on a line of many points: enough to tell it by, and the line is still seen
_LOSSES = {
    1: "Loss while learning which labels are clean (Phase I)",
    2: "Loss while training the classifier (Phase II)",
}
_STYLES = (  # colour, dash and marker of the lines of a figure, in order
    (1, "solid", "circle"), (5, "dot", "diamond"), (2, "dash", "square"), (4, "solid", "cross"),
)  # fmt: skip
_STYLE_OF_ESTIMATES = (6, "dash", "triangle-up")
_STYLES_OF_SHARES = ((3, "solid", "circle"), (4, "dash", "square"))

Figure = dict[str, Any]


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


def share_figure(key: str, title: str, lines: Sequence[Line], *, zoom: str, hint: str) -> Figure:
    """Shares over epochs. zoom: as for `loss_figure`."""
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
    return figure


def band(points: Sequence[tuple[float, float, float]], *, colour: int) -> dict[str, Any]:
    """A band between the lower and the upper of (place, lower, upper), as plotly takes it."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [x for x, _, _ in points] + [x for x, _, _ in reversed(points)],
        "y": [round(high, 4) for _, _, high in points]
        + [round(low, 4) for _, low, _ in reversed(points)],
        "fill": "toself",
        "fillcolor": f"var(--series-{colour})",
        "line": {"width": 0},
        "opacity": 0.15,
        "hoverinfo": "skip",
        "showlegend": False,
    }


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


def twin(figures: Sequence[Figure], curves: Sequence[tuple[str, Curves]], *, key: str) -> str:
    """What the figures show as text and tables in HTML, folded away: what a screen reader reads;
    "" without figures.

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
        stages=STAGES,
        scores=shown("curve"),
        key=key,
    )


# The figures of one run -----------------------------------------------------------------------


def figures(curves: Curves) -> list[Figure]:
    """All figures that have something to show, in reading order."""
    drawn = [_loss(curves, phase) for phase in sorted({phase for phase, _ in curves.loss})]
    right = [*zip(scored(), cycle(_STYLES), strict=False), (ESTIMATED, _STYLE_OF_ESTIMATES)]
    for key, title, measures in (
        ("shares", "Clean labels and agreement",
         zip((CLEAN, AGREEMENT), _STYLES_OF_SHARES, strict=True)),
        ("scores", "How many labels are right", right),
    ):  # fmt: skip
        if figure := _of_shares(curves, key, title, measures):
            drawn.append(figure)
    return drawn


def _of_shares(
    curves: Curves, key: str, title: str, measures: Iterable[tuple[Measure, tuple[int, str, str]]]
) -> Figure | None:
    """The shares that have points, each in its style; None without any."""
    lines, hints, bands = [], [], []
    for measure, style in measures:
        if points := measure.points(curves):
            lines.append(Line(measure.title, points, *style))
            hints.append(measure.hint)
            # A single point is no curve, and its band would be a stroke.
            if measure is ESTIMATED and len(points) > 1:
                bands.append(band(estimated_band(curves), colour=style[0]))
    if not lines:
        return None
    hint = " ".join(dict.fromkeys(hints))
    figure = share_figure(key, title, lines, zoom=curves.run, hint=hint)
    figure["traces"] += bands  # last: the legend's entries are those of the lines, in order
    figure["layout"] |= _phase_two(curves)
    return figure


def numbers(curves: Curves) -> str:
    """The `twin` of the figures of one run."""
    return twin(figures(curves), [("", curves)], key="curve-table")


def _loss(curves: Curves, phase: int) -> Figure:
    styles = {0: (1, "solid", "circle"), 1: (2, "dash", "square")}
    lines = [
        Line(
            f"Model {model + 1}", loss_points(curves, phase, model), *styles.get(model, (6, "dot"))
        )
        for model in sorted(m for p, m in curves.loss if p == phase)
    ]
    return loss_figure(phase, lines, zoom=curves.run)


def _phase_two(curves: Curves) -> dict[str, Any]:
    """A line where Phase II begins on the axis of epochs; none while it has not."""
    first = curves.lengths.get(1)
    if not first or all(row.phase != 2 for _, row in curves.epochs):
        return {}
    place, quiet = first + 0.5, "var(--series-quiet)"
    line = {"dash": "dot", "width": 1, "color": quiet}
    ends = {"type": "line", "yref": "paper", "x0": place, "x1": place, "y0": 0, "y1": 1}
    text: dict[str, Any] = {"text": "Phase II", "showarrow": False, "font": {"color": quiet}}
    where = {"x": place, "y": 0, "yref": "paper", "yanchor": "bottom", "xanchor": "left"}
    return {"shapes": [{**ends, "line": line}], "annotations": [{**text, **where, "xshift": 3}]}
