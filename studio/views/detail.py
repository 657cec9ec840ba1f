"""One image with everything that is known about it, and what can be said about it, in HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from studio.ask.judge_question import NONE_WORDS
from studio.runs.actions import Action
from studio.runs.given import Correction, count
from studio.runs.history import HistoryStep
from studio.runs.judged import JudgedImage
from studio.runs.outcome import Outcome, likely
from studio.runs.question import Question
from studio.views.cards import truth, words, worth
from studio.views.render import render

CLASSES = 5


def detail(
    outcome: Outcome,
    index: int,
    picture: str,
    *,
    correction: Correction | None = None,
    stages: Sequence[Outcome] = (),
    history: Sequence[HistoryStep] = (),
    watched: int = 0,
    asked: JudgedImage | None = None,
    attributes: Mapping[str, str] | None = None,
    question: Question | None = None,
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
        asked: what a judge was asked of it and said.
        attributes: data-... that the page's script reads.
        question: what is asked about the image; None: it is shown, and may be corrected.
    """
    best = zip(outcome.top_labels[index], outcome.top_probabilities[index], strict=True)
    label = outcome.name(int(outcome.labels[index]))
    return render(
        "explore/detail.html",
        outcome=outcome,
        index=index,
        judged=outcome.judged,
        picture=picture,
        path=outcome.paths[index],
        alt=f"{outcome.paths[index]}, labelled {label}, {worth(outcome, index)}",
        attributes=attributes or {},
        truth=truth(outcome, index),
        judgements=[
            (
                f"Model {1 + model} says {outcome.name(int(outcome.model_labels[model, index]))}",
                float(outcome.model_clean_probability[model, index]),
            )
            for model in (0, 1)
        ],
        best=[(outcome.name(int(c)), float(p)) for c, p in best][:CLASSES],
        history=history,
        unwatched=watched if watched and not any(step.epochs for step in history) else 0,
        label=label,
        likely=[(c, outcome.name(c)) for c in likely(outcome, index, stages)],
        classes=sorted(enumerate(outcome.class_names), key=lambda item: item[1].lower()),
        number=int(outcome.labels[index]),
        # Who checks an image beside a judge has to see it with eyes of their own.
        unanswered=question is not None and (correction is None or correction.verdict == "judged"),
        verdict="" if correction is None else correction.verdict,
        given="" if correction is None else correction.label,
        state=words(correction),
        asked=asked,
        answers=() if asked is None else [answer(said) for said in asked.judgement.said],
        question=question,
        shortlist=[(c, outcome.name(c)) for c in question.shortlist] if question else [],
    )


def answer(said: str | None) -> str:
    """A judge's answer in words."""
    return "no usable answer" if said is None else said or NONE_WORDS


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
    others = sum(int(outcome.labels[index]) != label for index in indices)
    images = [(i, cosine, picture(i)) for i, cosine in zip(indices, cosines, strict=True)]
    return render(
        "explore/nearest.html", images=images, outcome=outcome, label=label, others=others
    )


def corrections_summary(
    corrections: Mapping[str, Correction], last: Action | None, *, trained: bool, chosen: str
) -> str:
    """How many images are corrected, what undo would undo, and what a press would correct.

    trained: whether the labels are a run's; else those of the images at hand, before any. chosen:
    the images that are ticked or selected, in words; empty when there are none.
    """
    return render(
        "explore/corrections.html",
        counts=count(corrections),
        last="" if last is None else last.text,
        notes=() if last is None else last.notes,
        trained=trained,
        chosen=chosen,
    )
