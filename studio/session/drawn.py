"""Images that are drawn to check labels: which come next, and what the answers to them say."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from studio.ask.accuracy import FEWEST_TO_DECIDE, first_drawn
from studio.ask.choose import SHORTLIST
from studio.runs.given import UNKNOWN, Given
from studio.runs.question import Followed, Question
from studio.session.weighing import Subject

Order: TypeAlias = "Sequence[int] | NDArray[np.int64]"
WHY = "was drawn by chance, to tell how many labels are right"
FOLDS = 5
"""Parts of the answers about drawn images: the labels of each part follow all but its own."""


def drawn_questions(
    subject: Subject, order: Order, followed: Followed, said: Given, *,
    without: Collection[int], most: int,
) -> list[Question]:  # fmt: skip
    """Questions about the first drawn images that no person has answered, in their order.

    order: see `studio.ask.accuracy.checks`; of all N images; said: of those of the subject; most:
    how many questions.
    """
    found: list[Question] = []
    for i in map(int, order):
        if len(found) >= most:
            break
        place = subject.place(i)
        if place is None or i in without or said.vector[place] != UNKNOWN:
            continue
        likely = np.argsort(-followed.probabilities[place], kind="stable")[:SHORTLIST]
        found.append(Question(i, tuple(likely.tolist()), WHY))
    return found


def held_out(subject: Subject, order: Order, said: Given) -> dict[int, int]:
    """Of drawn images that were answered, the labels that follow the answers about all others;
    nothing of few of them. They tell how good labels are that follow answers.
    """
    answered = {int(subject.rows[i]) for i in np.flatnonzero(said.vector != UNKNOWN)}
    place = {i: at for i in answered if (at := subject.place(i)) is not None}
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
