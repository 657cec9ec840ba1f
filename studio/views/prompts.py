"""Prompts in HTML: what an edit does to the labels, what leaves the machine, how a call stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.prompts.prompt_set import MAX_LENGTH, PromptSet
from studio.scores.per_class import MEAN_ERROR, per_class
from studio.views.estimates import estimate_stat
from studio.views.markup import details, esc, notice, progress, stat, stats
from studio.views.numbers import count, percent, plural

if TYPE_CHECKING:
    from studio.prompts.ask import Budget
    from studio.prompts.llm import Written
    from studio.scores.estimate import Estimate

CHANGED_SHOWN = 12


@dataclass(frozen=True)
class Labels:
    """Labels of N images under some prompts: (N,) classes and (N,) confidence in [0, 1];
    accuracy in [0, 1] by sub-folder names, None when they do not tell; estimate: of it, without.
    """

    labels: NDArray[np.int64]
    confidence: NDArray[np.float32]
    accuracy: float | None = None
    estimate: Estimate | None = None


def board(
    *,
    class_names: Sequence[str],
    prompts: PromptSet,
    now: Labels | None,
    before: Labels | None,
    plain: Labels | None,
) -> dict[str, Any]:
    """What assets/prompts.js draws: a row for each class with its sentences and their effect.

    now: None while there are no labels; before: before the last step; plain: with the model's own
    template only.
    """
    rows: list[dict[str, Any]] = []
    size = len(class_names)
    counts = np.zeros(size, np.int64) if now is None else _counts(now, size)
    was = None if now is None or plain is None else _counts(plain, size)
    gained = lost = np.zeros(size, np.int64)
    if now is not None and before is not None:
        moved = now.labels != before.labels
        gained = np.bincount(now.labels[moved], minlength=size)
        lost = np.bincount(before.labels[moved], minlength=size)
    right, note = np.full(size, np.nan), ""
    if now is not None and now.estimate is not None:
        right = per_class(
            now.estimate.accuracy, labels=now.labels, confidence=now.confidence, classes=size
        )
        note = (
            "What is right is estimated without labels, for a class within about "
            f"{round(100 * MEAN_ERROR)} points on average."
        )
    top = max(1, int(counts.max(initial=0)))
    for c, name in enumerate(class_names):
        row: dict[str, Any] = {"name": name, "text": "\n".join(prompts.of(name))}
        if now is not None:
            row["count"] = plural(int(counts[c]), "image")
            row["share"] = round(float(counts[c]) / top, 3)
            changes = []
            if gained[c] or lost[c]:
                changes.append(f"+{count(int(gained[c]))} −{count(int(lost[c]))} by this edit")
            if was is not None and not prompts.is_default:
                changes.append(f"{count(int(was[c]))} with the model's own template")
            row["change"] = " · ".join(changes)
            if np.isfinite(right[c]):
                row["count"] += f", about {percent(float(right[c]))} right"
        rows.append(row)
    return {"rows": rows, "longest": MAX_LENGTH, "note": note}


def effect(
    *,
    class_names: Sequence[str],
    now: Labels,
    before: Labels | None,
    plain: Labels | None,
    own: bool,
    summary: str,
    verdict: str,
    picture: Callable[[int], str],
    path: Callable[[int], str],
    cut_short: int,
    strangers: Sequence[str],
) -> str:
    """The effect of the prompts on all images, and of the last step.

    own: whether there is more than the model's own template; summary: what the prompts are;
    picture(i), path(i): of image i; cut_short: sentences longer than the model reads; strangers:
    classes with sentences that are not among the names.
    """
    figures = [stat(count(len(now.labels)), "images labelled")]
    changed = np.zeros(0, np.int64)
    if before is not None:
        changed = np.flatnonzero(now.labels != before.labels)
        figures.append(stat(count(len(changed)), "changed by this edit"))
    if own and plain is not None:
        other = int((now.labels != plain.labels).sum())
        figures.append(stat(count(other), "changed in all", hint="against the model's own"))
    figures.append(estimate_stat(now.estimate))
    if now.accuracy is not None:
        hint = "by sub-folder names"
        if own and plain is not None and plain.accuracy is not None:
            hint = f"{percent(plain.accuracy, digits=1)} with the model's own"
        figures.append(stat(percent(now.accuracy, digits=1), "right", hint=hint))
    parts = [f'<p class="quiet">In use: {esc(summary)}.</p>', stats(figures)]
    if verdict:
        parts.append(notice(verdict, kind="warn"))
    if cut_short:
        told = "is longer than this model reads: its end is" if cut_short == 1 else (
            "are longer than this model reads: their ends are"
        )  # fmt: skip
        parts.append(notice(f"{plural(cut_short, 'sentence')} {told} ignored.", kind="warn"))
    if strangers:
        names = ", ".join(strangers[:5]) + (" …" if len(strangers) > 5 else "")
        parts.append(
            notice(f"Sentences for {names} are kept, but no class is called so.", kind="warn")
        )
    if len(changed):
        parts.append(_changed(changed, class_names, now, before, picture, path))
    return f'<section class="panel"><h3>What the prompts do</h3>{"".join(parts)}</section>'


def _changed(
    changed: NDArray[np.int64],
    class_names: Sequence[str],
    now: Labels,
    before: Labels | None,
    picture: Callable[[int], str],
    path: Callable[[int], str],
) -> str:
    """A few images that changed label, the surest first."""
    assert before is not None
    order = np.argsort(-now.confidence[changed], kind="stable")
    cards = []
    for i in map(int, changed[order][:CHANGED_SHOWN]):
        old, new = class_names[before.labels[i]], class_names[now.labels[i]]
        image = f'<img src="{esc(url)}" alt="" loading="lazy">' if (url := picture(i)) else ""
        cards.append(
            f'<li class="moved" title="{esc(path(i))}">{image}<span class="moved-from">'
            f'<span class="hidden-text">was </span>{esc(old)}</span>'
            f'<span class="moved-to"><span aria-hidden="true">→ </span>'
            f'<span class="hidden-text">is now </span>{esc(new)}</span></li>'
        )
    more = len(changed) - len(cards)
    rest = f'<p class="quiet">and {count(more)} more</p>' if more > 0 else ""
    return (
        '<h4 class="detail-head">Images that changed label by this edit</h4>'
        f'<ul class="moved-list">{"".join(cards)}</ul>{rest}'
    )


def leaves(*, host: str, classes: int, described: bool, budget: Budget | None, fault: str) -> str:
    """What leaves the machine, to whom, and what it may cost.

    host: whom it goes to; classes: how many names; described: whether there is a description;
    budget: None while there is nothing to ask, and `fault` says why.
    """
    what = f"the {plural(classes, 'class name')}" if classes else "the class names"
    also = " and the description" if described else ", and a description if you give one"
    text = (
        f"<p>Pressing the button sends {what}{also} to <strong>{esc(host)}</strong>. Nothing else "
        "leaves this machine: no image, no file name, no result.</p>"
    )
    if budget is None:
        return f'<div class="leaves">{text}<p class="quiet">{esc(fault)}</p></div>'
    if not budget.requests:
        cost = "All answers are known from before: nothing is sent and nothing is spent."
    else:
        cost = (
            f"{plural(budget.requests, 'request')} (never more than {count(budget.at_most)}, "
            f"repeats included): about {count(round(budget.tokens_in, -2) or 100)} tokens sent, "
            f"{count(round(budget.tokens_out, -2) or 100)} written."
        )
        if budget.cached:
            cost += f" {plural(budget.cached, 'answer is', 'answers are')} known from before."
    return f'<div class="leaves">{text}<p class="budget">{esc(cost)}</p></div>'


def writing(*, busy: bool, stopping: bool, host: str, written: Written | None, error: str) -> str:
    """How a call stands, or how the last one ended, in a live region."""
    inside = ""
    if busy:
        done, total = (written.done, written.total) if written is not None else (0, 0)
        label = "Hanging up" if stopping else f"Asking {host}"
        detail = f"{done} of {plural(total, 'answer')}" if total else ""
        inside = progress(done, total, label=label, detail=detail)
    elif error:
        inside = notice(error, kind="bad", title="Nothing was written.")
    elif written is not None:
        inside = _ended(written)
    return f'<div role="status" aria-live="polite">{inside}</div>'


def _ended(written: Written) -> str:
    made = written.prompts
    texts = sum(map(len, made.sentences.values()))
    got = []
    if made.templates:
        got.append(plural(len(made.templates), "template"))
    if texts:
        classes = plural(len(made.sentences), "class", "classes")
        got.append(f"{plural(texts, 'sentence')} for {classes}")
    told = f"{' and '.join(got)} written." if got else "Nothing came."
    if written.requests:
        told += f" {plural(written.requests, 'request')}"
        spent = written.tokens_in + written.tokens_out
        told += f", {plural(spent, 'token')} by the server's count." if spent else "."
    else:
        told += " Answers known from before; nothing was sent."
    short = bool(written.problems or written.missing)
    title = "Stopped." if written.stopped else "Not all of it." if short else "Done."
    parts = [notice(told, kind="warn" if short or written.stopped else "good", title=title)]
    if written.problems:
        parts.append(notice(" ".join(written.problems), kind="bad"))
    if written.missing and not written.stopped:
        names = "".join(f"<li>{esc(name)}</li>" for name in written.missing)
        head = f"{plural(len(written.missing), 'class', 'classes')} without sentences"
        parts.append(details(head, f'<ul class="settings-list">{names}</ul>', key="missing"))
    return "".join(parts)


def _counts(labels: Labels, size: int) -> NDArray[np.int64]:
    return np.bincount(labels.labels, minlength=size)
