"""Several runs side by side: which can be compared, what hinders it, the settings that differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.errors import PromptError, RunError
from studio.methods import title_of
from studio.numbers import UNKNOWN
from studio.prompts.prompt_set import PromptSet
from studio.runs.curves import Curves
from studio.runs.result import RunResult
from studio.runs.store import ACTIVE, RunInfo

LETTERS = "ABCDEF"
"""Names of compared runs, in order; more lines than these cannot be told apart."""

MOST = len(LETTERS)
"""Runs that can be compared at once."""


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


def newest_pair(infos: Sequence[RunInfo]) -> list[str]:
    """Ids of the two newest runs that ended over the same images; none where there are no two."""
    ended = [info for info in infos if info.state in ("finished", "stopped")]
    same = [info.id for info in ended if info.folder == ended[0].folder]
    return same[:2] if len(same) > 1 else []


def warnings(runs: Sequence[ComparedRun]) -> list[str]:
    """What makes these runs hard to compare, in sentences; none when nothing does."""
    sentences = []
    apart = len({run.root for run in runs}) > 1
    if apart:
        sentences.append(
            "These runs are over different folders: their accuracies are of other images."
        )
    elif len({frozenset(run.info.class_names) for run in runs if run.info.class_names}) > 1:
        sentences.append(
            "These runs were given different classes; labels are compared by their names."
        )
    if not apart and len({run.result.test_folder for run in runs if run.result}) > 1:
        sentences.append(
            "These runs had different test folders, or one had none: their accuracies are of other "
            "images."
        )
    if early := [run.letter for run in runs if run.result is None]:
        sentences.append(f"Without final results: {', '.join(early)}.")
    return sentences


def same_folder(
    runs: Sequence[ComparedRun], labelled: Collection[int]
) -> tuple[list[ComparedRun], list[str]]:
    """The runs whose labels can be compared image by image, and what to know of the others.

    Those over the folder that most of them are over are taken; of two such folders, the first
    run's. labelled: places of the runs that have labels.

    Raises:
        RunError: there are no two runs with labels over the same folder.
    """
    ready = [run for run in runs if run.place in labelled]
    roots = [run.root for run in ready]
    most = max(roots, key=roots.count, default="")
    same = [run for run in ready if run.root == most]
    if len(same) < 2:
        reason = (
            "no two of these runs have labels yet"
            if len(ready) < 2
            else "these runs are over different folders"
        )
        raise RunError(f"There are no labels to compare image by image: {reason}.")
    notes = []
    for note, letters in (
        ("Without labels so far", [run.letter for run in runs if run.place not in labelled]),
        (
            "Over another folder, and so left out here",
            [run.letter for run in ready if run.root != most],
        ),
        (
            "Still at work, with the labels they have now",
            [run.letter for run in same if run.info.state in ACTIVE],
        ),
    ):
        if letters:
            notes.append(f"{note}: {', '.join(letters)}.")
    return same, notes


Settings = tuple[list[tuple[str, list[str]]], list[tuple[str, str]]]


def settings(runs: Sequence[ComparedRun]) -> Settings:
    """The settings and inputs that differ, with the text of each run, and those that are the same
    in all, with their text.
    """
    described = [
        {**_described(run), "prompts": prompts}
        for run, prompts in zip(runs, _prompts(runs), strict=True)
    ]
    names = list(dict.fromkeys(name for values in described for name in values))
    differ, same = [], []
    for name in names:
        values = [values.get(name, UNKNOWN) for values in described]
        if len(set(values)) > 1:
            differ.append((name, values))
        else:
            same.append((name, values[0]))
    return differ, same


def _described(run: ComparedRun) -> dict[str, str]:
    """Everything that a run was started with, by name, as text."""
    info, result = run.info, run.result or RunResult()
    given, rejected = result.given_labels or 0, result.given_rejected or 0
    inputs = {
        "folder": run.root,
        "classes": ", ".join(info.class_names) or UNKNOWN,
        "method": title_of(info.method),
        "model": info.model,
        "test_folder": info.test_folder or "none",
        "seed": str(info.seed),
        "corrections": f"{given} given, {rejected} rejected" if given or rejected else "none",
    }
    if result.judged_labels:
        inputs["judged labels"] = str(result.judged_labels)
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
