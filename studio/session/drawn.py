"""Images that are drawn to check labels: which come next, and what the answers to them say."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from studio.ask.accuracy import FEWEST_TO_DECIDE, first_drawn
from studio.ask.choose import SHORTLIST
from studio.runs.given import UNKNOWN, Given
from studio.runs.question import Followed, Question
from studio.session.weighing import Subject

WHY = "was drawn by chance, to tell how many labels are right"
FOLDS = 5
"""Parts of the answers about drawn images: the labels of each part follow all but its own."""


def drawn_questions(
    subject: Subject, order: Sequence[int], followed: Followed, said: Given, *,
    without: Collection[int],
) -> list[Question]:  # fmt: skip
    """Questions about all drawn images that no person has answered, in their order.

    order: see `studio.ask.accuracy.checks`; of all N images; said: of those of the subject.
    """
    place = {int(row): number for number, row in enumerate(subject.rows)}
    likely = np.argsort(-followed.probabilities, axis=1, kind="stable")[:, :SHORTLIST]
    return [
        Question(i, tuple(likely[place[i]].tolist()), WHY)
        for i in map(int, order)
        if i in place and i not in without and said.vector[place[i]] == UNKNOWN
    ]


def held_out(subject: Subject, order: Sequence[int], said: Given) -> dict[int, int]:
    """Of drawn images that were answered, the labels that follow the answers about all others;
    nothing of few of them. They tell how good labels are that follow answers.
    """
    place = {int(row): number for number, row in enumerate(subject.rows)}
    answered = {int(subject.rows[i]) for i in np.flatnonzero(said.vector != UNKNOWN)}
    drawn = [i for i in first_drawn(order, answered) if i in place]
    if len(drawn) < FEWEST_TO_DECIDE:
        return {}
    found: dict[int, int] = {}
    for fold in range(FOLDS):
        vector = said.vector.copy()
        vector[[place[i] for i in drawn[fold::FOLDS]]] = UNKNOWN
        labels = subject.weighs.follow(replace(said, vector=vector)).probabilities
        found |= {i: int(labels[place[i]].argmax()) for i in drawn[fold::FOLDS]}
    return found
