"""Several runs side by side in HTML: which to choose, their results, the settings that differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studio.analysis.compared import MOST, ComparedRun, settings
from studio.numbers import UNKNOWN, count, duration, percent
from studio.runs.result import RunResult
from studio.runs.store import RunInfo
from studio.scores.estimate import Estimate
from studio.scores.table import shown
from studio.views.render import part, render
from studio.views.runs import state_name, table_rows

_STAGES = {
    "zero-shot": "first labels, without training",
    "phase1": "Learn which labels are clean (Phase I)",
    "phase2": "Train the classifier (Phase II)",
    "trained": "a trained classifier",
}

_ESTIMATED = "Right, estimated without labels"
_ESTIMATED_CLEAN = "Right among clean, estimated without labels"

Cell = tuple[str, str]
"""What a cell of a table says, and what it says in small print."""


def choices(
    infos: Sequence[RunInfo], results: Mapping[str, RunResult | None], chosen: Sequence[str]
) -> str:
    """All runs as a table with a box to tick in each row, in HTML; newest first."""
    if len(infos) < 2:
        text = "Two runs are needed for a comparison: train a second one on the Train tab."
        return part("empty", text)
    return render("compare/choices.html", rows=table_rows(infos, results, chosen), most=MOST)


def results_table(runs: Sequence[ComparedRun]) -> str:
    """What came of each run, one column a run; shares also as the distance to run A, in HTML."""
    results = [run.result or RunResult() for run in runs]
    rows = [
        _row("State", [state_name(run.info.state) for run in runs]),
        _row("Came as far as", [_STAGES.get(result.stage or "", UNKNOWN) for result in results]),
        _row("Images", [count(result.images) for result in results]),
        _shares("Share of clean labels", [run.clean for run in runs], digits=0),
    ]
    more = [
        _row(_ESTIMATED, [_estimate(result.estimated_accuracy) for result in results]),
        _row(_ESTIMATED_CLEAN, [_estimate(result.estimated_clean_precision) for result in results]),
        *(
            _shares(score.title, [getattr(result, score.name) for result in results])
            for score in shown("compare")
            if score.name != "clean_fraction"  # stands above, also for runs at work
        ),
        _row("Test images", [count(result.test_images) for result in results]),
    ]
    rows += [row for row in more if any(text != UNKNOWN for text, _ in row[1])]
    rows.append(_row("Time taken", [duration(result.seconds) for result in results]))
    caption = "Results side by side; small: percentage points more or less than A"
    return render("compare/columns.html", runs=runs, rows=rows, caption=caption)


def _row(name: str, texts: Sequence[str]) -> tuple[str, list[Cell]]:
    return name, [(text, "") for text in texts]


def _shares(
    name: str, shares: Sequence[float | None], *, digits: int = 1
) -> tuple[str, list[Cell]]:
    first, cells = shares[0], [(percent(shares[0], digits=digits), "")]
    for share in shares[1:]:
        distance = None if first is None or share is None else 100 * (share - first)
        small = "" if distance is None else f"{distance:+.{digits}f}"
        cells.append((percent(share, digits=digits), small))
    return name, cells


def _estimate(estimate: Estimate | None) -> str:
    return UNKNOWN if estimate is None else estimate.text()


def settings_table(runs: Sequence[ComparedRun]) -> str:
    """The settings and inputs that differ, one column a run, and those that are the same, folded
    away, in HTML.
    """
    rows, same = settings(runs)
    columns = [_row(name, values) for name, values in rows]
    return render("compare/settings.html", runs=runs, rows=columns, same=same)
