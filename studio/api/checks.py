"""How many labels are right, told from a few checked images: `python -m studio checks`.

The images are drawn for it (`studio.ask.accuracy.checks`), and only those that were drawn first
count: images that somebody chose are easier or harder than the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.api.table import Table
from studio.ask.accuracy import RightShare, first_drawn, right_share
from studio.ask.accuracy import checks as drawn
from studio.errors import RunError
from studio.images.image_names import ImageNames
from studio.images.names import Matcher
from studio.runs.deciding import UNMEASURED
from studio.runs.given import NONE
from studio.runs.outcome import Outcome
from studio.runs.standing import OwnLabels
from studio.runs.table import plain_name, plain_path, read_csv

CHECK_COLUMNS = ("path", "pseudo-label", "label")


def to_check(
    outcome: Outcome, number: int, *, drawn_by: Outcome | None = None, before: Collection[str] = ()
) -> Table:
    """The images that are to be checked first: path, pseudo-label, and an empty label.

    outcome: The labels in question; drawn_by: as of `share_right`; before: as of `told`.

    Raises:
        RunError: All images were answered before.
    """
    order = _order(drawn_by or outcome, before)
    if before and not len(order):
        raise RunError("All images were answered before these labels were made: none can tell how "
                       "many of them are right.")  # fmt: skip
    first = order[: max(number, 0)]
    cells = (
        [outcome.paths[i] for i in first],
        [outcome.name(int(outcome.labels[i])) for i in first],
        [""] * len(first),
    )
    return Table(dict(zip(CHECK_COLUMNS, cells, strict=True)))


def told(
    outcome: Outcome, answers: Mapping[str, str], *, before: Collection[str] = ()
) -> dict[int, int]:
    """What was said of the images that were drawn first: image -> class, or below 0: none of them.

    Args:
        outcome: The labels that the images were drawn by.
        answers: By path, what the image shows.
        before: Images that were answered before these labels were made, which followed that; they
            are none of those that are drawn.

    Raises:
        RunError: None of the answers is of an image that was drawn.
    """
    found = drawn_answers(outcome, answers, before=before)
    if not found:
        raise RunError(
            "No image that was drawn for it has been answered: write a list with --out FILE "
            "(`run.checks()` in Python), and say in its column `label` what each image shows."
        )
    return found


def drawn_answers(
    outcome: Outcome, answers: Mapping[str, str], *, before: Collection[str] = ()
) -> dict[int, int]:
    """As `told`, and nothing where none of the answers is of an image that was drawn."""
    order = _order(outcome, before).tolist()
    answered = {i for i in order if outcome.paths[i] in answers}
    matcher = Matcher(outcome.class_names)
    return {
        i: NONE if (label := matcher.find(answers[outcome.paths[i]])) is None else label
        for i in first_drawn(order, answered)
    }


def _order(outcome: Outcome, before: Collection[str]) -> NDArray[np.int64]:
    """(n,) images in the order in which they are checked, without those answered before."""
    order = drawn(outcome.labels, outcome.confidence)
    return order[[outcome.paths[i] not in before for i in order]] if before else order


def share_right(
    outcome: Outcome,
    answers: Mapping[str, str],
    *,
    drawn_by: Outcome | None = None,
    before: Collection[str] = (),
    own: OwnLabels | None = None,
) -> RightShare:
    """The share of right labels.

    Args:
        outcome: The labels in question.
        answers: By path, what the image shows; anything but its label makes that wrong.
        drawn_by: The labels that the images were drawn by; None: those in question.
        before: As of `told`.
        own: The labels in question, where answers may have gone into them; None: none did.

    Raises:
        RunError: None of the answers is of the images that were drawn first, or the labels may have
            been told just these answers.
    """
    found = told(drawn_by or outcome, answers, before=before)
    labels = outcome.labels if own is None else own.without_own_answers()
    if own is not None and not (found := own.fair(found)):
        raise RunError(UNMEASURED)
    right = {i: label == int(labels[i]) for i, label in found.items()}
    among = _order(drawn_by or outcome, before)
    return right_share(right, labels, outcome.confidence, among=among)


def read(path: Path, outcome: Outcome) -> dict[str, str]:
    """The answers of a table with the columns path and label; rows without a label say nothing.

    Raises:
        RunError: It cannot be read or lacks a column.
    """
    head, rows = read_csv(path)
    if not {"path", "label"} <= set(head):
        raise RunError(f"{path} needs the columns path and label.")
    names = ImageNames(outcome.paths)
    return {
        names.key(plain_path(row["path"].strip())): answer
        for _, row in rows
        if (answer := plain_name(row["label"].strip()))
    }
