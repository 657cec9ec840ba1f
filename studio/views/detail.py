"""One image with everything that is known about it, and what can be said about it, in HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from studio.runs.corrections import Action
from studio.runs.given import Correction, Counts, count
from studio.runs.history import HistoryStep
from studio.runs.outcome import Outcome
from studio.views.cards import truth, words, worth
from studio.views.numbers import percent, plural
from studio.views.render import render

CLASSES = 5
KEYS = 9
"""Names that a digit picks."""


def detail(
    outcome: Outcome,
    index: int,
    picture: str,
    *,
    correction: Correction | None = None,
    stages: Sequence[Outcome] = (),
    history: Sequence[HistoryStep] = (),
    watched: int = 0,
    attributes: Mapping[str, str] | None = None,
) -> str:
    """The image large, its labels and what can be said about them, the history of its label.

    Args:
        outcome: the run's labels at the stage that is looked at.
        index: the image.
        picture: address of the large picture; empty when it is gone.
        correction: what a person said of it.
        stages: outcomes of all stages, for likely names.
        history: of its label, see `LabelHistory.of`.
        watched: how many images the run looked at after each epoch.
        attributes: data-... that the page's script reads.
    """
    judged = outcome.stage != "zero-shot"
    best = zip(
        outcome.top_labels[index].tolist(), outcome.top_probabilities[index].tolist(), strict=True
    )
    label = int(outcome.labels[index])
    return render(
        "explore/detail.html",
        picture=picture,
        path=outcome.paths[index],
        alt=f"{outcome.paths[index]}, labelled {outcome.name(label)}, {worth(outcome, index)}",
        attributes=attributes or {},
        facts=_facts(outcome, index),
        judgements=[
            (
                f"Model {1 + model} says {outcome.name(int(outcome.model_labels[model, index]))}",
                float(outcome.model_clean_probability[model, index]),
            )
            for model in ((0, 1) if judged else ())
        ],
        best_title=f"The {'classifier' if judged else 'model'}'s best classes",
        best=[(outcome.name(c), float(p)) for c, p in list(best)[:CLASSES]],
        history=[_step(outcome, step) for step in history],
        unwatched=watched if watched and not any(step.epochs for step in history) else 0,
        index=index,
        label=outcome.name(label),
        likely=[(c, outcome.name(c)) for c in likely(outcome, index, stages)],
        classes=sorted(enumerate(outcome.class_names), key=lambda item: item[1].lower()),
        verdict="" if correction is None else correction.verdict,
        given="" if correction is None else correction.label,
        state=words(correction),
    )


def likely(outcome: Outcome, index: int, stages: Sequence[Outcome] = ()) -> list[int]:
    """At most KEYS other classes that the image may show, the likeliest first: the models' own
    labels, the best classes, those of other stages, and of few classes the rest.
    """
    label, names = int(outcome.labels[index]), outcome.class_names
    found = [*outcome.model_labels[:, index].tolist()]
    for stage in (outcome, *stages):
        found += [*stage.top_labels[index].tolist(), int(stage.labels[index])]
    if len(names) <= 2 * KEYS:
        found += range(len(names))
    return [c for c in dict.fromkeys(found) if 0 <= c < len(names) and c != label][:KEYS]


def _facts(outcome: Outcome, index: int) -> list[tuple[str, str]]:
    label = outcome.name(int(outcome.labels[index]))
    confidence = percent(float(outcome.confidence[index]), digits=1)
    rows = [("Label", label), ("Confidence", confidence)]
    if outcome.stage != "zero-shot":
        clean = percent(float(outcome.clean_probability[index]), digits=1)
        rows.append(("Judged", f"{'clean' if outcome.clean[index] else 'noisy'}, {clean} clean"))
    if outcome.combined is not None:
        rows.append(("Combined score", percent(float(outcome.combined[index]), digits=1)))
    if outcome.truth is not None and truth(outcome, index):
        rows.append(("Sub-folder says", outcome.name(int(outcome.truth[index]))))
    return rows


def _step(outcome: Outcome, step: HistoryStep) -> dict[str, Any]:
    """One row of the history: when, and for each model its label and what is known about it."""
    when = step.stage
    if step.epochs is not None:
        first, last = step.epochs
        when += f", epoch {first}" if first == last else f", epochs {first}–{last}"
    models = []
    for model, label in enumerate(step.labels):
        facts = []
        if step.confidence:
            facts.append(f"confidence {percent(step.confidence[model])}")
        if step.clean_probability:
            facts.append(f"{percent(step.clean_probability[model])} clean to model {2 - model}")
        if step.own_clean_probability:
            facts.append(f"{percent(step.own_clean_probability[model])} to itself")
        models.append({"label": outcome.name(label), "facts": ", ".join(facts)})
    return {"when": when, "models": models}


def nearest(
    outcome: Outcome,
    indices: Sequence[int],
    cosines: Sequence[float],
    picture: Callable[[int], str],
    *,
    label: int,
) -> str:
    """The nearest images as buttons with their labels, in HTML.

    Args:
        outcome: the run's labels.
        indices: of the images, nearest first.
        cosines: in [-1, 1], 1 = the same.
        picture: address of the thumbnail of image i; empty when it is gone.
        label: of the image they are near to; what has another label is marked.
    """
    images = [
        {
            "index": index,
            "path": outcome.paths[index],
            "label": outcome.name(int(outcome.labels[index])),
            "other": int(outcome.labels[index]) != label,
            "similar": max(0.0, cosine),
            "picture": picture(index),
        }
        for index, cosine in zip(indices, cosines, strict=True)
    ]
    others = sum(bool(image["other"]) for image in images)
    return render("explore/nearest.html", images=images, others=others)


def corrections_summary(
    corrections: Mapping[str, Correction], last: Action | None, *, trained: bool, chosen: str
) -> str:
    """How many images are corrected, what undo would undo, and what a press would correct.

    trained: whether the labels are a run's; else those of the images at hand, before any. chosen:
    the images that are ticked or selected, in words; empty when there are none.
    """
    counts: Counts = count(corrections)
    return render(
        "explore/corrections.html",
        counts=counts,
        each=", ".join(
            f"{number} {verdict}"
            for verdict in ("accepted", "relabelled", "rejected")
            if (number := getattr(counts, verdict))
        ),
        images=plural(counts.total, "image"),
        last="" if last is None else last.text,
        trained=trained,
        chosen=chosen,
    )
