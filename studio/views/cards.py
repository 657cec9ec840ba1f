"""A run's labels in HTML: cards of its images, its classes, and all of it in a few figures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from studio.analysis.gallery import class_rows
from studio.numbers import count, percent
from studio.runs.given import Correction
from studio.runs.outcome import ANSWERED, TOGETHER, Outcome
from studio.runs.result import RunResult
from studio.scores.estimate import Estimate
from studio.views.render import render

Picture = Callable[[int], str]
"""The address of an image's thumbnail; empty when the picture is gone."""


def cards(
    outcome: Outcome,
    indices: Sequence[int],
    *,
    picture: Picture,
    corrections: Mapping[str, Correction] | None = None,
    ticked: Collection[int] = (),
    version: int = 0,
    small: bool = False,
    note: Callable[[int], str] | None = None,
    nothing: str = "No image here.",
) -> str:
    """A page of a gallery in HTML.

    Args:
        outcome: the run's labels.
        indices: of the images.
        picture: see `Picture`.
        corrections: what people said, by path.
        ticked: which images are ticked.
        version: a number that changes when the ticks are cleared.
        small: cards for a narrow gallery: label and how clean it is, and a sign where the models
            disagree. Large ones say what each model says, and the truth where it is known.
        note: what is said below a label instead of how clean it is.
        nothing: what stands there without any image.
    """
    given = corrections or {}

    def card(index: int) -> dict[str, Any]:
        correction = given.get(outcome.paths[index])
        return {
            "index": index,
            "picture": picture(index),
            "ticked": index in ticked,
            "note": worth(outcome, index) if note is None else note(index),
            "truth": "" if small else truth(outcome, index),
            "correction": correction,
            "state": words(correction),
        }

    return render(
        "explore/cards.html",
        outcome=outcome,
        cards=[card(index) for index in indices],
        small=small,
        noted=note is not None,
        version=version,
        nothing=nothing,
    )


def words(correction: Correction | None) -> str:
    """A correction in words; empty when there is none."""
    if correction is None:
        return ""
    if not correction.by_person:
        return f"judged to be {correction.label or 'none of the names that were asked about'}"
    return f"{correction.verdict} as {correction.label}" if correction.label else "rejected"


def worth(outcome: Outcome, index: int) -> str:
    """`83 % clean`; before training, when no label has been judged yet, `confidence 83 %`."""
    share = percent(float(outcome.cleanliness[index]))
    return f"{share} clean" if outcome.judged else f"confidence {share}"


def truth(outcome: Outcome, index: int) -> str:
    """`right` or `in truth cat`; empty where the truth is not known."""
    if outcome.truth is None or outcome.truth[index] < 0:
        return ""
    right = outcome.truth[index] == outcome.labels[index]
    return "right" if right else f"in truth {outcome.name(int(outcome.truth[index]))}"


def opinion(outcome: Outcome, index: int, model: int) -> str:
    """`violin, 83 % clean`: one model's label, and how clean it is to the other one."""
    label = outcome.name(int(outcome.model_labels[model, index]))
    return f"{label}, {percent(float(outcome.model_clean_probability[model, index]))} clean"


def summary(
    outcome: Outcome,
    result: RunResult | None = None,
    *,
    answered: Estimate | None = None,
    problem: str = "",
) -> str:
    """The outcome in a line and a few figures, in HTML.

    Args:
        outcome: the labels that are looked at.
        result: what came of the run; its estimates are those of its first and of its last labels.
        answered: how many of the labels that follow answers are right.
        problem: why there are no pictures.
    """
    found, final = result or RunResult(), outcome.judged and outcome.stage != "phase1"
    first = {ANSWERED: answered, TOGETHER: None}
    return render(
        "explore/summary.html",
        problem=problem,
        stage=outcome.stage,
        judged=outcome.judged,
        images=len(outcome),
        share=outcome.clean_share,
        disagree=float(outcome.disagree.mean()),
        before=first.get(outcome.stage, found.estimated_zero_shot_accuracy),
        after=found.estimated_accuracy if final else None,
        clean=found.estimated_clean_precision if final else None,
        right=outcome.right_share(),
        among=outcome.right_share(outcome.clean),
    )


def class_list(outcome: Outcome, chosen: int | None) -> str:
    """All classes as buttons that filter the galleries, least clean first, in HTML."""
    whole = ("all", "All classes", len(outcome), outcome.clean_share, chosen is None)
    rows: list[tuple[Any, ...]] = [whole]
    rows += [(r.index, r.name, r.images, r.clean, r.index == chosen) for r in class_rows(outcome)]
    return render("explore/classes.html", rows=rows, judged=outcome.judged)


def class_table(outcome: Outcome) -> str:
    """The same with all figures, as a table to unfold."""
    judged, known = outcome.judged, outcome.truth is not None
    head = ["class", "images"]
    head += ["clean", "mean clean probability", "models disagree"] if judged else [
        "confident", "mean confidence"]  # fmt: skip
    rows = []
    for row in class_rows(outcome):
        shares = [row.clean, row.clean_probability, *([row.disagree] if judged else ())]
        cells = [percent(share if row.images else None) for share in shares]
        cells += [percent(row.accuracy)] if known else []
        rows.append([row.name, count(row.images), *cells])
    return render(
        "explore/class_table.html", head=[*head, *(["right"] if known else [])], rows=rows
    )
