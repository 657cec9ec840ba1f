"""Prompts in HTML: what an edit does to the labels, what leaves the machine, how a call stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from studio.prompts.llm import Written
from studio.prompts.prompt_set import MAX_LENGTH, PromptSet
from studio.runs.prompt_effect import ClassEffect, Labels, class_effects
from studio.scores.per_class import MEAN_ERROR
from studio.views.numbers import count, percent, plural
from studio.views.render import render

if TYPE_CHECKING:
    from studio.prompts.leaving import Leaving

CHANGED_SHOWN = 12
_NOTE = (
    "How many are right is estimated without any label. For a single class the estimate is off by "
    f"about {round(100 * MEAN_ERROR)} points on average."
)


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
    rows: list[dict[str, Any]] = [
        {"name": name, "text": "\n".join(prompts.of(name))} for name in class_names
    ]
    if now is not None:
        plain = None if prompts.is_default else plain
        effects = class_effects(now, before=before, plain=plain, classes=len(rows))
        most = max((of_class.images for of_class in effects), default=0) or 1
        for row, of_class in zip(rows, effects, strict=True):
            row |= _effect_on(of_class)
            row["share"] = round(of_class.images / most, 3)
    note = _NOTE if now is not None and now.estimate is not None else ""
    return {"rows": rows, "longest": MAX_LENGTH, "note": note}


def _effect_on(of_class: ClassEffect) -> dict[str, str]:
    changes = []
    if of_class.gained or of_class.lost:
        changes.append(f"+{count(of_class.gained)} −{count(of_class.lost)} by this edit")
    if of_class.plain is not None:
        changes.append(f"{count(of_class.plain)} with the model's own template")
    right = "" if of_class.right is None else f", about {percent(of_class.right)} right"
    return {"count": plural(of_class.images, "image") + right, "change": " · ".join(changes)}


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
        indices = now.differ(before)
        changed = len(indices)
        moved = [
            {
                "path": path(i),
                "url": picture(i),
                "was": class_names[before.labels[i]],
                "now": class_names[now.labels[i]],
            }
            for i in indices[:CHANGED_SHOWN].tolist()
        ]
    return render(
        "prompts/effect.html",
        summary=summary,
        images=len(now.labels),
        changed=changed,
        other=None if compared is None else len(now.differ(compared)),
        estimate=now.estimate,
        accuracy=now.accuracy,
        plain_accuracy=None if compared is None else compared.accuracy,
        doubt=doubt,
        cut_short=cut_short,
        strangers=", ".join(strangers[:5]) + (" …" if len(strangers) > 5 else ""),
        moved=moved,
    )


def leaves(leaving: Leaving) -> Markup:
    """What leaves the machine, to whom, and what it may cost."""
    return render("prompts/leaves.html", **vars(leaving))


def writing(
    *, busy: bool, stopping: bool, host: str, written: Written | None, error: str
) -> Markup:
    """How a call stands, or how the last one ended, in a live region."""
    return render(
        "prompts/writing.html",
        busy=busy,
        stopping=stopping,
        host=host,
        written=written or Written(),
        error=error,
        ended=written is not None,
    )
