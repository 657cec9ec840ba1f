"""Runs in HTML: how one stands, what it was started with, and the table of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from studio.methods import METHODS
from studio.runs.result import RunResult
from studio.runs.store import ACTIVE, Run, RunInfo
from studio.views.markup import details, empty, esc, notice, progress, table
from studio.views.numbers import UNKNOWN, count, duration, percent, plural

if TYPE_CHECKING:
    from studio.runs.given import Counts
    from studio.runs.store import Status

_STATES = {
    "queued": "Waiting to start",
    "running": "Running",
    "stopping": "Stopping",
    "finished": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
    "interrupted": "Interrupted",
}


def method_name(method: str) -> str:
    """A method as people call it."""
    return METHODS[method].title if method in METHODS else method


def method_choices(methods: Iterable[str]) -> list[tuple[str, str]]:
    """Labels and values to choose a method from, the studio's own first."""
    chosen = sorted((METHODS[name] for name in methods), key=lambda method: not method.ours)
    return [(m.title if m.ours else f"To compare: {m.title}", m.name) for m in chosen]


def state_name(state: str) -> str:
    """A state of a run in words."""
    return _STATES.get(state, state)


def stage_name(stage: str | None) -> str:
    """A stage in words: what the run is busy with."""
    words = {"phase 1": "Phase I, learning prompts", "phase 2": "Phase II, training the classifier"}
    text = words.get(stage or "", stage or "")
    return text[:1].upper() + text[1:]


def run_label(info: RunInfo) -> str:
    """A run in a list to choose from."""
    return f"{info.name}, {method_name(info.method)}, {when(info.created)}"


def when(created: str) -> str:
    """Time of creation, local, to the minute."""
    try:
        return datetime.fromisoformat(created).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return UNKNOWN


def status_card(info: RunInfo, status: Status) -> str:
    """State, stage, progress and time left of a run, in HTML.

    The live region holds state and stage only, so that a screen reader is not told every number.
    """
    state = status["state"]
    head = (
        '<div class="run-head" role="status" aria-live="polite"><span class="chip '
        f'chip-{esc(state)}">'
        f"{esc(state_name(state))}</span> <strong>{esc(info.name)}</strong> "
        f'<span class="quiet">{esc(method_name(info.method))}, {esc(info.model)}, '
        f"{esc(when(info.created))}</span></div>"
    )
    body = ""
    if state in ACTIVE:
        work = status["progress"] or {"done": 0, "total": 0, "label": ""}
        left = status["eta_seconds"]
        stage_left = status["stage_eta_seconds"]
        told = []
        if work["total"]:
            told.append(f"{count(work['done'])} of {count(work['total'])} {work['label']}")
        if left is not None:
            told.append(f"about {duration(left)} left")
        elif stage_left is not None:
            told.append(f"about {duration(stage_left)} left in this stage")
        label = stage_name(status["stage"]) or "Getting ready"
        body = progress(work["done"], work["total"], label=label, detail=", ".join(told))
    elif status["reason"]:
        reason = str(status["reason"])
        kind = "bad" if state == "failed" else "warn"
        body = notice(reason[:1].upper() + reason[1:], kind=kind)
    return f'<div class="run-card">{head}{body}</div>'


def idle_card(*, ready: bool = False) -> str:
    """What stands in the place of a run's status when there is none."""
    text = (
        "No run yet. Press Start to train on the images of the Data tab."
        if ready
        else "No run yet. Choose images on the Data tab first."
    )
    return (
        '<div class="run-card"><div class="run-head" role="status" aria-live="polite">'
        f'<span class="chip">Idle</span> <span class="quiet">{text}</span></div></div>'
    )


def header_chip(status: Status | None) -> str:
    """The state of the run at work in a few words; None: nothing is at work."""
    if status is None:
        return '<span class="chip">Idle</span>'
    work = status["progress"]
    done = f", {100 * work['done'] // work['total']} %" if work and work["total"] else ""
    return (
        f'<span class="chip chip-running">Training</span> <span class="quiet">'
        f"{esc(stage_name(status['stage']))}{done}</span>"
    )


def ready(
    *, images: bool, classes: int, where: str, model: str, prompts: str, doubt: str = ""
) -> str:
    """What a press on Start would train on.

    prompts: what the first labels are made with; doubt: why it may not be worth it, when the model
    was seen to know nothing about the images.
    """
    if not images:
        text = "No images yet: choose them on the <strong>Data</strong> tab."
    elif classes < 2:
        text = "Name at least two classes on the <strong>Data</strong> tab."
    else:
        text = (
            f"{classes} classes, model <code>{esc(model)}</code>, {esc(prompts)}, "
            f"images: <code>{esc(where)}</code>"
        )
    warning = notice(doubt, kind="bad") if images and doubt else ""
    return f'<p class="ready">{text}</p>{warning}'


def given(counts: Counts, said: int) -> str:
    """The question whether a run takes along what was said of its images before any training.

    counts: what it can take; said: how many images something was said of.
    """
    labels, rejected = counts.accepted + counts.relabelled, counts.rejected
    parts = [plural(labels, "label")] if labels or not rejected else []
    parts += [plural(rejected, "rejection")] if rejected else []
    rest = said - counts.total
    more = f"; {count(rest)} more name classes or images that are not there" if rest else ""
    return f"Take along {' and '.join(parts)} given on the Explore tab{more}"


def no_curves(method: str, state: str) -> str:
    """What stands in the place of the curves while there are none."""
    if method in METHODS and not METHODS[method].trains:
        return "This method only labels, it does not train: there are no curves."
    if state in ACTIVE:
        return "Curves appear with the first steps of training."
    return "This run ended before its first step."


def warnings_html(warnings: Sequence[str]) -> str:
    """The run's warnings, each once, in the order they came."""
    lines = list(dict.fromkeys(warnings))
    if not lines:
        return ""
    items = "".join(f"<li>{esc(line)}</li>" for line in lines[:50])
    word = "1 warning" if len(lines) == 1 else f"{len(lines)} warnings"
    return f'<div class="notice notice-warn"><p><strong>{word}</strong></p><ul>{items}</ul></div>'


def facts(run: Run, info: RunInfo) -> str:
    """What a run was started with and what came of it, folded away."""
    result = run.result() or RunResult()
    rows: list[tuple[str, str]] = [
        ("Folder", info.folder),
        ("Model", info.model),
        ("Method", method_name(info.method)),
        ("Seed", str(info.seed)),
        ("Classes", ", ".join(info.class_names) or UNKNOWN),
    ]
    shares = ("zero_shot_accuracy", "accuracy", "clean_fraction", "clean_precision")
    told = [key for key in ("given_labels", "given_rejected") if getattr(result, key)]
    for key in ("images", "refused", *told, *shares, "seconds"):
        value = getattr(result, key)
        if result.images is not None:
            shown = (
                percent(value, digits=1)
                if key in shares
                else (duration(value) if key == "seconds" else count(value))
            )
            if key == "accuracy" and result.given_labels and not result.test_folder:
                shown += ", given labels included"
            rows.append((key.replace("_", " ").capitalize(), shown))
    for key in ("zero_shot_accuracy", "accuracy"):
        if guess := getattr(result, f"estimated_{key}"):
            name = f"{key.replace('_', ' ').capitalize()}, estimated without labels"
            rows.append((name, guess.text()))
    settings = "".join(
        f"<li><code>{esc(k)}={esc(v)}</code></li>" for k, v in sorted(info.settings.items())
    )
    listed = details(
        "All settings", f'<ul class="settings-list">{settings}</ul>', key="run-settings"
    )
    return details(
        "This run's settings and results",
        table(("", ""), rows) + (listed if settings else ""),
        key="run-facts",
    )


def runs_table(
    infos: Sequence[RunInfo], results: Mapping[str, RunResult | None], chosen: str | None
) -> str:
    """All runs as a table; each name is a button that picks the run.

    results: by the run's id, where there is one.
    """
    if not infos:
        return empty("No runs yet. They are kept on disk and listed here.")
    rows = []
    for info in infos:
        result = results.get(info.id) or RunResult()
        mark = ' aria-current="true"' if info.id == chosen else ""
        rows.append(
            f'<tr{" class=chosen" if info.id == chosen else ""}><td><button type="button" '
            'class="link" '
            f'data-pick="{esc(info.id)}"{mark}>{esc(info.name)}</button></td>'
            f'<td><span class="chip chip-{esc(info.state)}">{esc(state_name(info.state))}</span>'
            "</td>"
            f"<td>{esc(method_name(info.method))}</td><td>{esc(info.model)}</td>"
            f'<td class="num">{count(result.images)}</td>'
            f'<td class="num">{percent(result.accuracy, digits=1)}</td>'
            f'<td class="num">{percent(result.clean_fraction)}</td>'
            f'<td class="num">{esc(when(info.created))}</td></tr>'
        )
    head = "".join(
        f'<th scope="col"{" class=num" if n > 3 else ""}>{h}</th>'
        for n, h in enumerate(
            ("Run", "State", "Method", "Model", "Images", "Accuracy", "Clean", "Started")
        )
    )
    return (
        '<div class="table-wrap"><table class="plain runs"><caption class="hidden-caption">Past '
        "runs, newest first"
        f"</caption><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
