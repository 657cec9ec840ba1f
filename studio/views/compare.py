"""Several runs side by side in HTML: which to choose, their results, the settings that differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.errors import PromptError
from studio.prompts.prompt_set import PromptSet
from studio.runs.curves import Curves
from studio.runs.result import RunResult
from studio.runs.store import RunInfo
from studio.scores.estimate import Estimate
from studio.scores.table import shown
from studio.views.numbers import UNKNOWN, count, duration, percent
from studio.views.render import part, render
from studio.views.runs import method_name, state_name, table_rows

LETTERS = "ABCDEF"
"""Names of compared runs, in order; more lines than these cannot be told apart."""

MOST = len(LETTERS)
"""Runs that can be compared at once."""

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


@dataclass(frozen=True)
class ComparedRun:
    """One of the compared runs. place: 0 for A, 1 for B, ...; root: the folder of its images;
    result: None while there is none; prompts: its prompts.json, empty while there is none; clean:
    share of clean labels in [0, 1], None while no label is judged.
    """

    place: int
    info: RunInfo
    root: str = ""
    result: RunResult | None = None
    prompts: Mapping[str, Any] = field(default_factory=dict)
    curves: Curves = field(default_factory=Curves)
    clean: float | None = None

    @property
    def letter(self) -> str:
        """What it is called in figures and tables."""
        return LETTERS[self.place]


def choices(
    infos: Sequence[RunInfo], results: Mapping[str, RunResult | None], chosen: Sequence[str]
) -> str:
    """All runs as a table with a box to tick in each row, in HTML; newest first."""
    if len(infos) < 2:
        text = "Two runs are needed for a comparison: train a second one on the Train tab."
        return part("empty", text)
    return render("compare/choices.html", rows=table_rows(infos, results, chosen), most=MOST)


def warnings(runs: Sequence[ComparedRun]) -> list[str]:
    """What makes these runs hard to compare, in sentences; none when nothing does."""
    sentences = []
    if len({run.root for run in runs}) > 1:
        sentences.append(
            "These runs are over different folders: their accuracies are of other images."
        )
    elif len({frozenset(run.info.class_names) for run in runs if run.info.class_names}) > 1:
        sentences.append(
            "These runs were given different classes; labels are compared by their names."
        )
    if early := [run.letter for run in runs if run.result is None]:
        sentences.append(f"Without final results: {', '.join(early)}.")
    return sentences


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
    described = [
        {**_described(run), "prompts": prompts}
        for run, prompts in zip(runs, _prompts(runs), strict=True)
    ]
    names = list(dict.fromkeys(name for values in described for name in values))
    rows, same = [], []
    for name in names:
        values = [values.get(name, UNKNOWN) for values in described]
        if len(set(values)) > 1:
            rows.append((name, [(value, "") for value in values]))
        else:
            same.append((name, values[0]))
    return render("compare/settings.html", runs=runs, rows=rows, same=same)


def _described(run: ComparedRun) -> dict[str, str]:
    """Everything that a run was started with, by name, as text."""
    info, result = run.info, run.result or RunResult()
    given, rejected = result.given_labels or 0, result.given_rejected or 0
    inputs = {
        "folder": run.root,
        "classes": ", ".join(info.class_names) or UNKNOWN,
        "method": method_name(info.method),
        "model": info.model,
        "test_folder": info.test_folder or "none",
        "seed": str(info.seed),
        "corrections": f"{given} given, {rejected} rejected" if given or rejected else "none",
    }
    settings = {k: _text(v) for k, v in sorted(info.settings.items()) if k != "seed"}
    versions = {f"version of {name}": str(value) for name, value in sorted(info.versions.items())}
    return {**inputs, **settings, **versions}


def _prompts(runs: Sequence[ComparedRun]) -> list[str]:
    """What was read about the classes, by run. Sets of the same size with other words are numbered,
    so that they differ.
    """
    summaries = []
    for run in runs:
        try:
            prompts = PromptSet.from_dict(run.prompts).summary() if run.prompts else UNKNOWN
        except PromptError:
            prompts = UNKNOWN
        summaries.append(prompts)
    wordings: list[Mapping[str, Any]] = []
    for run in runs:
        if run.prompts not in wordings:
            wordings.append(run.prompts)
    if len(set(summaries)) == len(wordings):
        return summaries
    return [
        f"{summary}, wording {wordings.index(run.prompts) + 1}"
        for summary, run in zip(summaries, runs, strict=True)
    ]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
