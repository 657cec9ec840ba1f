"""Several runs side by side in HTML: which to choose, their results, the settings that differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.errors import PromptError
from studio.prompts.prompt_set import PromptSet
from studio.runs.result import RunResult
from studio.runs.store import RunInfo
from studio.views.compare_figures import LETTERS
from studio.views.differences import mark
from studio.views.markup import details, empty, esc, notice
from studio.views.numbers import UNKNOWN, count, duration, percent
from studio.views.runs import method_name, state_name, when

MOST = len(LETTERS)
"""Runs that can be compared at once."""

_SHARES = {
    "zero_shot_accuracy": "Accuracy before training",
    "accuracy": "Accuracy",
    "single_accuracy": "Accuracy of one model alone",
    "clean_fraction": "Labels clean",
    "clean_precision": "Right among clean",
    "agreement": "The two models agree",
}
_STAGES = {
    "zero-shot": "labels only", "phase1": "Phase I", "phase2": "Phase II", "trained": "trained",
}  # fmt: skip


@dataclass(frozen=True)
class Side:
    """One of the compared runs. place: 0 for A, ...; root: the folder of its images; result: None
    while there is none; prompts: its prompts.json, empty while there is none.
    """

    place: int
    info: RunInfo
    root: str
    result: RunResult | None
    prompts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def letter(self) -> str:
        """What it is called here."""
        return LETTERS[self.place]


def choices(
    infos: Sequence[RunInfo], results: Mapping[str, RunResult | None], chosen: Sequence[str]
) -> str:
    """All runs as a table with a box to tick in each row, in HTML; newest first."""
    if len(infos) < 2:
        return empty("Two runs are needed for a comparison: train a second one on the Train tab.")
    rows = []
    for info in infos:
        result = results.get(info.id) or RunResult()
        box, ticked = f"compare-{info.id}", " checked" if info.id in chosen else ""
        rows.append(
            f'<tr><td><span class="run-tick"><input type="checkbox" id="{esc(box)}" '
            f'data-check="{esc(info.id)}"{ticked}> <b class="run-mark"></b>'
            f'<label for="{esc(box)}">{esc(info.name)}</label></span></td>'
            f'<td><span class="chip chip-{esc(info.state)}">{esc(state_name(info.state))}</span>'
            f"</td><td>{esc(method_name(info.method))}</td><td>{esc(info.model)}</td>"
            f'<td class="num">{count(result.images)}</td>'
            f'<td class="num">{percent(result.accuracy, digits=1)}</td>'
            f'<td class="num">{esc(when(info.created))}</td></tr>'
        )
    names = ("Run", "State", "Method", "Model", "Images", "Accuracy", "Started")
    head = "".join(f'<th scope="col"{" class=num" if n > 3 else ""}>{h}</th>'
                   for n, h in enumerate(names))  # fmt: skip
    return (
        f'<div class="table-wrap" tabindex="0" role="region" aria-label="Runs to compare">'
        f'<table class="plain runs compare-runs" data-most="{MOST}"><caption '
        f'class="hidden-caption">Runs to compare, newest first</caption><thead><tr>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def warnings(sides: Sequence[Side]) -> str:
    """What makes these runs hard to compare, in HTML; empty when nothing does."""
    told = []
    if len({side.root for side in sides}) > 1:
        told.append("These runs are over different folders: their accuracies are of other images.")
    elif len({frozenset(side.info.class_names) for side in sides if side.info.class_names}) > 1:
        told.append("These runs were given different classes; labels are compared by name.")
    at_work = [side.letter for side in sides if not side.result]
    if at_work:
        told.append(f"Without final results: {', '.join(at_work)}.")
    return "".join(notice(text, kind="warn") for text in told)


def results_table(sides: Sequence[Side]) -> str:
    """What came of each run, one column a run; shares also as the distance to run A."""
    results = [side.result or RunResult() for side in sides]
    rows: list[tuple[str, list[str]]] = [
        ("State", [esc(state_name(side.info.state)) for side in sides]),
        ("Came as far as", [esc(_STAGES.get(result.stage or "", UNKNOWN)) for result in results]),
        ("Images", [count(result.images) for result in results]),
    ]
    for key, name in _SHARES.items():
        values = [getattr(result, key) for result in results]
        if any(value is not None for value in values):
            rows.append((name, [_with_distance(value, values[0], n > 0)
                                for n, value in enumerate(values)]))  # fmt: skip
    guesses = [result.estimated_accuracy for result in results]
    if any(guesses):
        shown = [esc(guess.text()) if guess else UNKNOWN for guess in guesses]
        rows.append(("Accuracy, estimated without labels", shown))
    if any(result.test_images for result in results):
        rows.append(("Test images", [count(result.test_images) for result in results]))
    rows.append(("Time taken", [duration(result.seconds) for result in results]))
    return _columns(sides, rows, "Results side by side; small: percentage points more than A")


def settings_table(sides: Sequence[Side]) -> str:
    """The settings and inputs that differ, one column a run; how many are the same is said."""
    described = [
        {**_described(side), "prompts": prompts}
        for side, prompts in zip(sides, _prompts(sides), strict=True)
    ]
    names = list(dict.fromkeys(name for values in described for name in values))
    rows, same = [], []
    for name in names:
        values = [values.get(name, UNKNOWN) for values in described]
        if len(set(values)) > 1:
            rows.append((name, [esc(value) for value in values]))
        else:
            same.append((name, values[0]))
    if rows:
        body = _columns(sides, rows, "Settings that differ")
    else:
        body = empty("All settings are the same.")
    listed = "".join(f"<li><code>{esc(name)}={esc(value)}</code></li>" for name, value in same)
    return body + details(
        f"{len(same)} settings that are the same",
        f'<ul class="settings-list">{listed}</ul>',
        key="compare-same",
    )


def _described(side: Side) -> dict[str, str]:
    """Everything that a run was started with, by name, as text."""
    info = side.info
    known = {
        "folder": side.root,
        "classes": ", ".join(info.class_names) or UNKNOWN,
        "method": method_name(info.method),
        "model": info.model,
        "test_folder": info.test_folder or "none",
        "seed": str(info.seed),
    }
    result = side.result or RunResult()
    given, rejected = result.given_labels or 0, result.given_rejected or 0
    known["corrections"] = f"{given} given, {rejected} rejected" if given or rejected else "none"
    values = {k: _text(v) for k, v in sorted(info.settings.items()) if k != "seed"}
    versions = {f"version of {name}": str(value) for name, value in sorted(info.versions.items())}
    return {**known, **values, **versions}


def _prompts(sides: Sequence[Side]) -> list[str]:
    """What was read about the classes, by run; sets of the same size with other words are told."""
    told = []
    for side in sides:
        try:
            told.append(PromptSet.from_dict(side.prompts).summary() if side.prompts else UNKNOWN)
        except PromptError:
            told.append(UNKNOWN)
    wordings: list[Mapping[str, Any]] = []
    for side in sides:
        if side.prompts not in wordings:
            wordings.append(side.prompts)
    if len(set(told)) < len(wordings):
        told = [f"{text}, wording {wordings.index(side.prompts) + 1}"
                for text, side in zip(told, sides, strict=True)]  # fmt: skip
    return told


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _with_distance(value: float | None, first: float | None, later: bool) -> str:
    text = percent(value, digits=1)
    if not later or value is None or first is None:
        return text
    return f'{text} <small class="quiet">{100 * (value - first):+.1f}</small>'


def _columns(sides: Sequence[Side], rows: Sequence[tuple[str, Sequence[str]]], caption: str) -> str:
    """A table with a column for each run. Cells are HTML already, names of rows are text."""
    head = "".join(
        f'<th scope="col">{mark(side.place)} <span>{esc(side.info.name)}</span></th>'
        for side in sides
    )
    body = "".join(
        f'<tr><th scope="row">{esc(name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, cells in rows
    )
    return (
        f'<div class="table-wrap" tabindex="0" role="region" aria-label="{esc(caption)}"><table '
        f'class="plain compare-table"><caption>{esc(caption)}</caption><thead><tr>'
        f"<td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
