"""Which lines the figures of one run have; `views.line_figures` builds them."""

from __future__ import annotations

from itertools import cycle

from studio.runs.curves import Curves
from studio.views import line_figures
from studio.views.line_figures import (
    AGREEMENT,
    CLEAN,
    Figure,
    Line,
    loss_figure,
    loss_points,
    scored,
    share_figure,
)

_STYLES = (  # colour, dash and marker of the lines of a figure, in order
    (1, "solid", "circle"), (5, "dot", "diamond"), (2, "dash", "square"), (4, "solid", "cross"),
)  # fmt: skip
_STYLES_OF_SHARES = ((3, "solid", "circle"), (4, "dash", "square"))


def figures(curves: Curves) -> list[Figure]:
    """All figures that have something to show, in reading order."""
    drawn = [_loss(curves, phase) for phase in sorted({phase for phase, _ in curves.loss})]
    for key, title, measures, styles in (
        ("shares", "Clean labels and agreement", [CLEAN, AGREEMENT], _STYLES_OF_SHARES),
        ("scores", "Compared with the true labels", scored(), _STYLES),
    ):
        lines, hints = [], []
        for measure, (colour, dash, symbol) in zip(measures, cycle(styles), strict=False):
            if points := measure.points(curves):
                lines.append(Line(measure.title, points, colour, dash, symbol))
                hints.append(measure.hint)
        if lines:
            hint, start = " ".join(dict.fromkeys(hints)), _phase_two(curves)
            drawn.append(
                share_figure(key, title, lines, zoom=curves.run, hint=hint, phase_two=start)
            )
    return drawn


def numbers(curves: Curves) -> str:
    """The same as text and tables in HTML, folded away: what a screen reader reads."""
    return line_figures.numbers(figures(curves), [("", curves)], key="curve-table")


def _loss(curves: Curves, phase: int) -> Figure:
    styles = {0: (1, "solid", "circle"), 1: (2, "dash", "square")}
    lines = [
        Line(
            f"Model {model + 1}", loss_points(curves, phase, model), *styles.get(model, (6, "dot"))
        )
        for model in sorted(m for p, m in curves.loss if p == phase)
    ]
    return loss_figure(phase, lines, zoom=curves.run)


def _phase_two(curves: Curves) -> float | None:
    """Where on the axis of epochs Phase II begins; None while it has not."""
    first = curves.lengths.get(1)
    begun = any(row.phase == 2 for _, row in curves.epochs)
    return first + 0.5 if first and begun else None
