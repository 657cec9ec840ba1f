"""Prompts in HTML: the table in which they are edited, and what an edit does to the labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from studio.analysis.prompt_effect import ClassEffect, class_effects, moved
from studio.numbers import count, percent, plural
from studio.prompts.prompt_set import MAX_LENGTH, PromptSet
from studio.scores.per_class import MEAN_ERROR
from studio.views.render import render

if TYPE_CHECKING:
    from studio.runs.first_labels import Preview

CHANGED_SHOWN = 12
_NOTE = (
    "How many are right is estimated without any label. For a single class the estimate is off by "
    f"about {round(100 * MEAN_ERROR)} points on average."
)


def board(
    *,
    class_names: Sequence[str],
    prompts: PromptSet,
    now: Preview | None,
    before: Preview | None,
    plain: Preview | None,
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
        effects = class_effects(now, before=before, plain=plain)
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


def proposal(
    would: Preview,
    *,
    now: Preview,
    sentences: Mapping[str, Sequence[str]],
    picture: Callable[[int], str],
    path: Callable[[int], str],
) -> Markup:
    """Sentences that are not taken yet, and what they would do to the labels.

    would: the labels with them; now: without; sentences: by class; picture(i), path(i): of image i.
    """
    changed = moved(would, now)
    shown = [
        {
            "path": path(i),
            "url": picture(i),
            "was": now.class_names[now.labels[i]],
            "now": would.class_names[would.labels[i]],
        }
        for i in changed[:CHANGED_SHOWN].tolist()
    ]
    return render(
        "prompts/proposal.html", now=now, would=would, sentences=sentences, moved=shown,
        changed=len(changed),
    )  # fmt: skip


def effect(
    now: Preview,
    *,
    before: Preview | None,
    plain: Preview | None,
    doubt: str,
    picture: Callable[[int], str],
    path: Callable[[int], str],
    strangers: Sequence[str],
) -> Markup:
    """The effect of the prompts on all images, and of the last step.

    before, plain: as for `board`; doubt: why training may not help; picture(i), path(i): of image
    i; strangers: classes with sentences that are not among the names.
    """
    indices = None if before is None else moved(now, before)
    shown = []
    if before is not None and indices is not None:
        shown = [
            {
                "path": path(i),
                "url": picture(i),
                "was": now.class_names[before.labels[i]],
                "now": now.class_names[now.labels[i]],
            }
            for i in indices[:CHANGED_SHOWN].tolist()
        ]
    compared = None if now.prompts.is_default else plain
    return render(
        "prompts/effect.html",
        now=now,
        changed=None if indices is None else len(indices),
        compared=compared,
        other=None if compared is None else len(moved(now, compared)),
        doubt=doubt,
        strangers=", ".join(strangers[:5]) + (" …" if len(strangers) > 5 else ""),
        moved=shown,
    )
