"""Several runs side by side in HTML: which to choose, their results, the settings that differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.errors import PromptError
from studio.prompts.prompt_set import PromptSet
from studio.runs.curves import Curves
from studio.runs.store import RunInfo
from studio.views.estimates import estimate_of
from studio.views.numbers import UNKNOWN, count, duration, percent
from studio.views.render import render
from studio.views.runs import method_name, state_name, when

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

Cell = tuple[str, str]
"""What a cell of a table says, and what it says in small print."""


@dataclass(frozen=True)
class ComparedRun:
    """One of the compared runs. place: 0 for A, 1 for B, ...; root: the folder of its images;
    result: its result.json, prompts: its prompts.json, both empty while there is none; clean: share
    of clean labels in [0, 1], None while no label is judged.
    """

    place: int
    info: RunInfo
    root: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    prompts: Mapping[str, Any] = field(default_factory=dict)
    curves: Curves = field(default_factory=Curves)
    clean: float | None = None

    @property
    def letter(self) -> str:
        """What it is called in figures and tables."""
        return LETTERS[self.place]


def choices(
    infos: Sequence[RunInfo], results: Mapping[str, Mapping[str, Any]], chosen: Sequence[str]
) -> str:
    """All runs as a table with a box to tick in each row, in HTML; newest first."""
    rows = []
    for info in infos:
        result = results.get(info.id, {})
        estimate = estimate_of(result)
        rows.append(
            {
                "id": info.id,
                "name": info.name,
                "ticked": info.id in chosen,
                "state": info.state,
                "state_name": state_name(info.state),
                "texts": (method_name(info.method), info.model),
                "numbers": (
                    count(result.get("images")),
                    estimate.text() if estimate else UNKNOWN,
                    percent(result.get("accuracy"), digits=1),
                    when(info.created),
                ),
            }
        )
    return render("compare/choices.html", rows=rows, most=MOST)


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
    if early := [run.letter for run in runs if not run.result]:
        sentences.append(f"Without final results: {', '.join(early)}.")
    return sentences


def results_table(runs: Sequence[ComparedRun]) -> str:
    """What came of each run, one column a run; shares also as the distance to run A, in HTML."""
    rows = [
        _row("State", runs, lambda run: state_name(run.info.state)),
        _row("Came as far as", runs, lambda run: _STAGES.get(str(run.result.get("stage")))),
        _row("Images", runs, lambda run: count(run.result.get("images"))),
        _shares("Share of clean labels", runs, lambda run: run.clean),
        _row("Right, estimated without labels", runs, _estimate),
        _shares("Accuracy before training", runs, _result("zero_shot_accuracy")),
        _shares("Accuracy", runs, _result("accuracy")),
        _shares("Accuracy of one model alone", runs, _result("single_accuracy")),
        _shares("Right among clean", runs, _result("clean_precision")),
        _shares("Agreement of the two models", runs, _result("agreement")),
        _row("Test images", runs, _test_images),
        _row("Time taken", runs, lambda run: duration(_number(run.result.get("seconds")))),
    ]
    return render(
        "compare/columns.html",
        runs=runs,
        rows=[row for row in rows if row[0] in _ALWAYS or any(t != UNKNOWN for t, _ in row[1])],
        caption="Results side by side; small: percentage points more or less than A",
    )


_ALWAYS = ("State", "Came as far as", "Images", "Share of clean labels", "Time taken")


def _row(
    name: str, runs: Sequence[ComparedRun], text: Callable[[ComparedRun], str | None]
) -> tuple[str, list[Cell]]:
    return name, [(text(run) or UNKNOWN, "") for run in runs]


def _shares(
    name: str, runs: Sequence[ComparedRun], value: Callable[[ComparedRun], float | None]
) -> tuple[str, list[Cell]]:
    first, *later = [value(run) for run in runs]
    cells = [(percent(first, digits=1), "")]
    for share in later:
        known = first is not None and share is not None
        distance = f"{100 * (share - first):+.1f}" if known else ""  # type: ignore[operator]
        cells.append((percent(share, digits=1), distance))
    return name, cells


def _result(key: str) -> Callable[[ComparedRun], float | None]:
    return lambda run: _number(run.result.get(key))


def _number(value: Any) -> float | None:
    """A number as result.json may hold it."""
    return float(value) if isinstance(value, (int, float)) else None


def _estimate(run: ComparedRun) -> str | None:
    estimate = estimate_of(run.result)
    return estimate.text() if estimate else None


def _test_images(run: ComparedRun) -> str | None:
    images = run.result.get("test_images")
    return count(images) if images else None


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
    info = run.info
    given, rejected = (run.result.get(f"given_{kind}") or 0 for kind in ("labels", "rejected"))
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
