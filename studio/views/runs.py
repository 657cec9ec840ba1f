"""Runs in HTML: how one stands, what it was started with, and the table of all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from studio.methods import METHODS, title_of
from studio.numbers import UNKNOWN, count, duration, percent, plural
from studio.runs.result import RunResult
from studio.runs.store import ACTIVE, RunInfo
from studio.scores.table import shown
from studio.views.render import part, render
from studio.views.state import Work

if TYPE_CHECKING:
    from studio.runs.given import Counts
    from studio.runs.store import Status
    from studio.session.label_table import LabelTable

_STATES = {
    "queued": "Waiting to start",
    "running": "Running",
    "stopping": "Stopping",
    "finished": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
    "interrupted": "Interrupted",
    "damaged": "Damaged",
}
_MARKS = {"finished": "✓", "stopped": "■"}
_WARNINGS_SHOWN = 50


# Names ----------------------------------------------------------------------------------------


def method_choices() -> list[tuple[str, str]]:
    """Labels and values to choose a method from, the studio's own first."""
    ordered = sorted(METHODS.values(), key=lambda method: not method.ours)
    return [(m.title if m.ours else f"To compare: {m.title}", m.name) for m in ordered]


def state_name(state: str) -> str:
    """A state of a run in words."""
    return _STATES.get(state, state)


def run_label(info: RunInfo) -> str:
    """A run in a list to choose from."""
    return f"{info.name}, {title_of(info.method)}, {when(info.created)}"


def when(created: str) -> str:
    """Time of creation, local, to the minute."""
    try:
        return datetime.fromisoformat(created).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return UNKNOWN


# What came of a run ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """A run that has ended. run: its id; headline: what came of it, in a line; short: for the title
    of the browser's tab; message: for a notification; noisy: whether it has noisy labels; exports:
    whether there is anything to export.
    """

    run: str
    state: str
    headline: str
    short: str
    message: str
    noisy: bool
    exports: bool = True

    @property
    def state_name(self) -> str:
        """The state in words."""
        return state_name(self.state)


def ended(info: RunInfo, result: RunResult | None) -> Ended:
    """See `Ended`. result: None when the run failed, or was stopped before it learned anything."""
    text = (result.headline if result else "") or info.name
    clean = None if result is None else result.judged_clean
    mark, name = _MARKS.get(info.state, "✗"), state_name(info.state)
    short = f"{percent(clean)} clean" if clean is not None else name.lower()
    return Ended(
        run=info.id,
        state=info.state,
        headline=text,
        short=f"{mark} {short}",
        message=f"{info.name}, {name.lower()}: {text}" if result else f"{info.name}: {name}",
        noisy=clean is not None and clean < 1,
        exports=result is not None,
    )


# How a run stands -----------------------------------------------------------------------------


def work_of(info: RunInfo, status: Status) -> Work:
    """A run at work as the header shows it."""
    stopping = status["state"] == "stopping"
    return Work(
        title="Stopping" if stopping else "Training",
        step_name=status["step_name"] or "getting ready",
        step=status["step"] or 0,
        steps=status["steps"] or 0,
        share=status["fraction"],
        left=None if stopping else status["eta_seconds"],
        run=info.id,
    )


def status_card(info: RunInfo, status: Status, result: RunResult | None) -> Markup:
    """State, step, progress and time left of a run, or what came of it.

    The live region holds state and step only, so that a screen reader is not told every number.
    """
    active = status["state"] in ACTIVE
    reason = str(status["reason"] or "")
    return render(
        "train/status.html",
        info=info,
        state=status["state"],
        state_name=state_name(status["state"]),
        about=f"{title_of(info.method)}, {info.model}, {when(info.created)}",
        work=work_of(info, status) if active else None,
        ended=ended(info, result) if result is not None and not active else None,
        of_those=None if result is None else result.estimated_clean_precision,
        reason="" if active else reason[:1].upper() + reason[1:],
    )


def damaged_card(info: RunInfo) -> Markup:
    """A run whose files are not what they should be, and which."""
    return render(
        "train/status.html",
        info=info,
        state=info.state,
        state_name=state_name(info.state),
        about=info.id,
        work=None,
        ended=None,
        of_those=None,
        reason=f"The files of this run are damaged: {info.damage}.",
    )


def given(counts: Counts, all_given: int) -> str:
    """The question whether a run takes along what was said of images before any training.

    counts: what it can take; all_given: how many images something was given for.
    """
    labels, rejected = counts.accepted + counts.relabelled, counts.rejected
    parts = [plural(labels, "label")] if labels or not (rejected or counts.judged) else []
    parts += [plural(rejected, "rejection")] if rejected else []
    parts += [plural(counts.judged, "judged label")] if counts.judged else []
    rest = all_given - counts.total
    more = f"; {count(rest)} more are for classes or images that are not there" if rest else ""
    return f"Use {' and '.join(parts)} given on the Explore tab{more}"


def to_check(table: LabelTable | None) -> str:
    """The question whether a run checks the labels that came with the images; "" without any."""
    if table is None:
        return ""
    return f"Check the {plural(len(table.labels), 'label')} of {table.name}"


def no_curves(method: str, state: str) -> str:
    """What stands in the place of the curves while there are none."""
    if method in METHODS and not METHODS[method].trains:
        return "This method only labels. It does not train, so there are no curves."
    if state in ACTIVE:
        return "Curves appear with the first steps of training."
    return "This run ended before its first step."


def warnings_html(warnings: Sequence[str]) -> Markup:
    """The run's warnings, each once, in the order they came."""
    lines = list(dict.fromkeys(warnings))
    if not lines:
        return Markup("")
    return render("train/warnings.html", number=len(lines), lines=lines[:_WARNINGS_SHOWN])


def facts(info: RunInfo, result: RunResult | None, *, command: str) -> Markup:
    """What a run was started with, what came of it and the command that repeats it, folded away."""
    rows = [
        ("Folder", info.folder),
        ("Model", info.model),
        ("Method", title_of(info.method)),
        ("Seed", str(info.seed)),
        ("Classes", ", ".join(info.class_names) or UNKNOWN),
    ]
    return render(
        "train/facts.html",
        note=info.note,
        command=command,
        rows=[*rows, *(_facts(result) if result is not None else ())],
        settings=sorted(info.settings.items()),
    )


def _facts(result: RunResult) -> Iterator[tuple[str, str]]:
    """What came of a run: counts, the scores of `studio.scores.table`, estimates beside them."""
    for name, number in (
        ("Images", result.images),
        ("Refused", result.refused),
        ("Given labels", result.given_labels or None),
        ("Rejected images", result.given_rejected or None),
        ("Judged labels", result.judged_labels or None),
        ("Checked labels", result.checked.labels if result.checked else None),
    ):
        if number is not None:
            yield name, count(number)
    if result.checked is not None and result.checked.clean is not None:
        yield "Of the checked labels clean", percent(result.checked.clean)
        yield "The least clean first", "checked.csv, on the Export tab"
    source = ""
    for score in shown("facts"):
        if result.stage == "zero-shot" and score.name.startswith("clean"):
            continue  # nobody has judged a label
        value, note = getattr(result, score.name), ""
        if score.name.endswith("accuracy") and result.test_folder:
            note = f", {result.measured_by}"
        elif score.name == "accuracy" and result.given_labels:
            note = ", given labels included"
        if value is not None:
            # The one share that stands in every place is written the same in all of them.
            text = percent(value) if score.name == "clean_fraction" else score.text(value)
            yield score.title, f"{text}{note}"
        if estimate := getattr(result, f"estimated_{score.name}", None):
            yield f"{score.title}, estimated", estimate.text()
            source = estimate.source or source
    if source:
        yield "How that is estimated", source
    if result.seconds is not None:
        yield "Time", duration(result.seconds)


def runs_table(
    infos: Sequence[RunInfo], results: Mapping[str, RunResult | None], chosen: str | None
) -> Markup:
    """All runs as a table; each name is a button that picks the run.

    results: run id -> what came of it.
    """
    if not infos:
        return part("empty", "No runs yet. They are kept on disk and listed here.")
    return render("train/table.html", rows=table_rows(infos, results, [chosen]))


def table_rows(
    infos: Sequence[RunInfo],
    results: Mapping[str, RunResult | None],
    chosen: Collection[str | None],
) -> list[dict[str, Any]]:
    """What the table of train/runs.html says of each run. chosen: ids of the marked ones."""
    return [
        {
            "info": info,
            "chosen": info.id in chosen,
            "state": state_name(info.state),
            "method": title_of(info.method),
            "result": results.get(info.id) or RunResult(),
            "when": when(info.created),
        }
        for info in infos
    ]
