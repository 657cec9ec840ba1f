"""The curves of a run as figures, and their twins as text and table.

Figures are plain dictionaries for plotly.js: drawing happens in the browser, so the Python package
plotly need not be imported. Colours are names of CSS variables, which the page resolves for its
light or dark mode; every series also has its own dash and marker, so colour never stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from studio.runs.curves import Curves
from studio.views.markup import details, esc, table
from studio.views.numbers import UNKNOWN, percent

MAX_POINTS = 240
"""Points per line: enough for the pixels they are drawn on; longer series are averaged in bins."""

Figure = dict[str, Any]

_STYLE: dict[str, tuple[str, str, str]] = {
    "model1": ("var(--series-1)", "solid", "circle"),
    "model2": ("var(--series-2)", "dash", "square"),
    "clean": ("var(--series-3)", "solid", "circle"),
    "agreement": ("var(--series-4)", "dash", "square"),
    "accuracy": ("var(--series-1)", "solid", "circle"),
    "precision": ("var(--series-5)", "dot", "diamond"),
}
_STAGES = {
    "zero-shot": "zero-shot",
    "monitor": "on a sample",
    "judged": "after Phase I",
    "finished": "final labels",
}


def figures(curves: Curves) -> list[Figure]:
    """All figures that have something to show, in reading order."""
    drawn = [_loss(curves, phase) for phase in sorted({p for p, _ in curves.loss})]
    if any(row.agreement is not None for _, row in curves.epochs):
        drawn.append(_shares(curves))
    if curves.scores:
        drawn.append(_scores(curves))
    return drawn


def numbers(curves: Curves) -> str:
    """The same as text and tables in HTML, folded away: what a screen reader reads."""
    parts = [f"<p>{esc(f['title'])}: {esc(f['summary'])}</p>" for f in figures(curves)]
    if rows := epoch_rows(curves):
        head = ("phase", "epoch", "loss, model 1", "loss, model 2", "believed", "agreement")
        caption = "By epoch (loss: of the epoch's latest step)"
        parts.append(table(head, rows, caption=caption, numeric=5))
    if curves.scores:
        scores = [
            (
                stage_name(s.stage),
                percent(s.accuracy, digits=1),
                percent(s.clean_precision, digits=1),
            )
            for s in curves.scores
        ]
        columns = ("stage", "accuracy", "right among clean")
        parts.append(table(columns, scores, caption="Against the known labels", numeric=2))
    if not parts:
        return ""
    return details("Numbers behind the curves", "".join(parts), key="curve-table")


def epoch_rows(curves: Curves) -> list[tuple[str, ...]]:
    """One row per epoch: phase, epoch, loss of model 1 and 2, believed, agreement."""
    rows = []
    for _, row in curves.epochs:
        losses = [f"{row.loss[m]:.3f}" if m in row.loss else UNKNOWN for m in (0, 1)]
        shares = percent(row.clean_fraction), percent(row.agreement)
        rows.append((phase_name(row.phase), str(row.epoch), *losses, *shares))
    return rows


def _loss(curves: Curves, phase: int) -> Figure:
    traces, told = [], []
    for model in sorted(m for p, m in curves.loss if p == phase):
        points = curves.loss[phase, model]
        name, (first, last) = f"model {model + 1}", (points[0], points[-1])
        xs, ys = thin(points)
        traces.append(_trace(name, xs, ys, "model1" if model == 0 else "model2", markers=False))
        told.append(f"{name}: {first[1]:.3g} at first, {last[1]:.3g} at step {last[0]}")
    figure = _figure(
        curves, f"loss{phase}", f"Loss, {phase_name(phase)}", "; ".join(told) + ".", traces
    )
    figure["layout"]["xaxis"]["title"]["text"] = "optimiser step"
    figure["layout"]["yaxis"] = {"title": {"text": "loss"}, "rangemode": "tozero"}
    return figure


def _shares(curves: Curves) -> Figure:
    clean = [(x, r.clean_fraction) for x, r in curves.epochs if r.clean_fraction is not None]
    agreement = [(x, r.agreement) for x, r in curves.epochs if r.agreement is not None]
    traces = [
        _trace("labels believed", *_columns(clean), "clean"),
        _trace("models agree", *_columns(agreement), "agreement"),
    ]
    told = ""
    if clean and agreement:
        told = (
            f"{percent(clean[-1][1])} of the labels are believed by the other model, and the "
            f"models agree on {percent(agreement[-1][1])} of a fixed sample."
        )
    return _figure(curves, "shares", "Trust and agreement", told, traces)


def _scores(curves: Curves) -> Figure:
    accuracy = [(s.place, s.accuracy, s.stage) for s in curves.scores if s.accuracy is not None]
    precision = [
        (s.place, s.clean_precision, s.stage)
        for s in curves.scores
        if s.clean_precision is not None
    ]
    traces = []
    if accuracy:
        stages = [stage_name(point[2]) for point in accuracy]
        traces.append(_trace("accuracy", *_columns(accuracy), "accuracy", texts=stages))
    if precision:
        stages = [stage_name(point[2]) for point in precision]
        traces.append(_trace("right among clean", *_columns(precision), "precision", texts=stages))
    told = ""
    if accuracy:
        (_, first, since), (_, last, now) = accuracy[0], accuracy[-1]
        told = f"Accuracy {percent(first, digits=1)} ({stage_name(since)}), "
        told += f"now {percent(last, digits=1)} ({stage_name(now)})."
    figure = _figure(curves, "scores", "Against the known labels", told, traces)
    figure["hint"] = "From sub-folder names, for this picture only: never used in training."
    return figure


def _figure(
    curves: Curves, key: str, title: str, summary: str, traces: list[dict[str, Any]]
) -> Figure:
    """A figure over epochs with shares upwards; a line where Phase II begins."""
    layout: dict[str, Any] = {
        "uirevision": f"{curves.run}/{key}",  # the zoom stays as long as this does
        "xaxis": {"title": {"text": "epoch"}, "rangemode": "tozero"},
        "yaxis": {"tickformat": ".0%", "range": [0, 1.04]},
    }
    first = curves.lengths.get(1)
    if first and not key.startswith("loss") and any(row.phase == 2 for _, row in curves.epochs):
        quiet = "var(--series-quiet)"
        place: dict[str, Any] = {"yref": "paper", "x0": first + 0.5, "x1": first + 0.5}
        line = {"dash": "dot", "width": 1, "color": quiet}
        layout["shapes"] = [{"type": "line", "y0": 0, "y1": 1, "line": line, **place}]
        label: dict[str, Any] = {"text": "Phase II", "showarrow": False, "xshift": 3}
        where = {"x": first + 0.5, "y": 0, "yref": "paper", "yanchor": "bottom", "xanchor": "left"}
        layout["annotations"] = [{**label, **where, "font": {"color": quiet}}]
    figure: Figure = {"key": key, "title": title, "summary": summary, "hint": ""}
    return {**figure, "traces": traces, "layout": layout}


def phase_name(phase: int) -> str:
    """`Phase I`, `Phase II`."""
    return {1: "Phase I", 2: "Phase II"}.get(phase, f"Phase {phase}")


def stage_name(stage: str) -> str:
    """The stage of a score in words."""
    return _STAGES.get(stage, stage)


def _columns(points: Sequence[Any]) -> tuple[list[float], list[float]]:
    return [p[0] for p in points], [round(p[1], 4) for p in points]


def thin(points: Sequence[tuple[int, float]]) -> tuple[list[float], list[float]]:
    """At most MAX_POINTS points: means of equal bins; short series as they are."""
    width = math.ceil(len(points) / MAX_POINTS) or 1
    bins = [points[i : i + width] for i in range(0, len(points), width)]
    xs = [round(sum(x for x, _ in b) / len(b), 1) for b in bins]
    ys = [float(f"{sum(y for _, y in b) / len(b):.4g}") for b in bins]
    return xs, ys


def _trace(
    name: str,
    xs: list[float],
    ys: list[float],
    style: str,
    *,
    markers: bool = True,
    texts: list[str] | None = None,
) -> dict[str, Any]:
    color, dash, symbol = _STYLE[style]
    trace: dict[str, Any] = {
        "type": "scatter",
        "name": name,
        "x": xs,
        "y": ys,
        "mode": "lines+markers" if markers or len(xs) < 3 else "lines",
        "line": {"color": color, "dash": dash, "width": 2},
        "marker": {"color": color, "symbol": symbol, "size": 6},
    }
    if texts:
        # plotly's hover text understands some tags: what a file says must not become one.
        trace |= {"text": [esc(t) for t in texts], "hovertemplate": "%{y:.1%} (%{text})"}
    return trace
