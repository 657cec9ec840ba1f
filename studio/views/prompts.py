"""Prompts in HTML: what an edit does to the labels, what leaves the machine, how a call stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from studio.prompts.prompt_set import MAX_LENGTH, PromptSet
from studio.scores.per_class import MEAN_ERROR, per_class
from studio.views.numbers import count, percent, plural
from studio.views.render import render

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
            "How many are right is estimated without any label. For a single class the estimate is "
            f"off by about {round(100 * MEAN_ERROR)} points on average."
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
    doubt: str,
    picture: Callable[[int], str],
    path: Callable[[int], str],
    cut_short: int,
    strangers: Sequence[str],
) -> Markup:
    """The effect of the prompts on all images, and of the last step.

    own: whether there is more than the model's own template; summary: what the prompts are;
    doubt: why training may not help; picture(i), path(i): of image i; cut_short: sentences longer
    than the model reads; strangers: classes with sentences that are not among the names.
    """
    compared = plain if own else None
    moved: list[dict[str, str]] = []
    changed = None
    if before is not None:
        indices = np.flatnonzero(now.labels != before.labels)
        changed = len(indices)
        by_confidence = indices[np.argsort(-now.confidence[indices], kind="stable")]
        moved = [
            {
                "path": path(i),
                "url": picture(i),
                "was": class_names[before.labels[i]],
                "now": class_names[now.labels[i]],
            }
            for i in map(int, by_confidence[:CHANGED_SHOWN])
        ]
    return render(
        "prompts/effect.html",
        summary=summary,
        images=len(now.labels),
        changed=changed,
        other=None if compared is None else int((now.labels != compared.labels).sum()),
        estimate=now.estimate,
        accuracy=now.accuracy,
        plain_accuracy=None if compared is None else compared.accuracy,
        doubt=doubt,
        cut_short=cut_short,
        strangers=", ".join(strangers[:5]) + (" …" if len(strangers) > 5 else ""),
        moved=moved,
    )


def leaves(
    *, host: str, classes: int, described: bool, budget: Budget | None, fault: str
) -> Markup:
    """What leaves the machine, to whom, and what it may cost.

    host: whom it goes to; classes: how many names; described: whether there is a description;
    budget: None while there is nothing to ask, and `fault` says why.
    """
    return render(
        "prompts/leaves.html",
        host=host,
        classes=classes,
        described=described,
        budget=budget,
        fault=fault,
        tokens_in=0 if budget is None else round(budget.tokens_in, -2) or 100,
        tokens_out=0 if budget is None else round(budget.tokens_out, -2) or 100,
    )


def writing(
    *, busy: bool, stopping: bool, host: str, written: Written | None, error: str
) -> Markup:
    """How a call stands, or how the last one ended, in a live region."""
    return render(
        "prompts/writing.html",
        busy=busy,
        stopping=stopping,
        host=host,
        done=0 if written is None else written.done,
        total=0 if written is None else written.total,
        error=error,
        ended=None if written is None or busy else _ended(written),
    )


def _ended(written: Written) -> dict[str, Any]:
    """How a call ended: a notice, what went wrong, and classes that got nothing."""
    made, got = written.prompts, []
    texts = sum(map(len, made.sentences.values()))
    if made.templates:
        got.append(plural(len(made.templates), "template"))
    if texts:
        classes = plural(len(made.sentences), "class", "classes")
        got.append(f"{plural(texts, 'sentence')} for {classes}")
    text = f"{' and '.join(got)} written." if got else "Nothing came."
    if written.requests:
        text += f" {plural(written.requests, 'request')}"
        spent = written.tokens_in + written.tokens_out
        text += f", {plural(spent, 'token')} by the server's count." if spent else "."
    else:
        text += " All answers were here from before; nothing was sent."
    short = bool(written.problems or written.missing)
    return {
        "text": text,
        "kind": "warn" if short or written.stopped else "good",
        "title": "Stopped." if written.stopped else "Not all of it." if short else "Done.",
        "problems": " ".join(written.problems),
        "missing": () if written.stopped else written.missing,
    }


def _counts(labels: Labels, size: int) -> NDArray[np.int64]:
    return np.bincount(labels.labels, minlength=size)
