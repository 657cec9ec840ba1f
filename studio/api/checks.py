"""How many labels are right, told from a few checked images: `python -m studio checks`.

The images are drawn for it (`studio.ask.accuracy.checks`), and only those that were drawn first
count: images that somebody chose are easier or harder than the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from studio.api.table import Table
from studio.ask.accuracy import RightShare, right_share
from studio.ask.accuracy import checks as drawn
from studio.errors import RunError
from studio.images.image_names import ImageNames
from studio.images.names import Matcher
from studio.numbers import percent, plural
from studio.runs.outcome import Outcome
from studio.runs.table import plain_name, plain_path, read_csv

MORE = 10
"""Answers of which it is said what they would bring."""


def to_check(outcome: Outcome, number: int) -> Table:
    """The images that are to be checked first: path, pseudo-label, and an empty label."""
    first = drawn(outcome.labels, outcome.confidence)[: max(number, 0)]
    return Table({
        "path": [outcome.paths[i] for i in first],
        "pseudo-label": [outcome.name(int(outcome.labels[i])) for i in first],
        "label": [""] * len(first),
    })  # fmt: skip


def share_right(outcome: Outcome, answers: Mapping[str, str]) -> RightShare:
    """The share of right labels.

    Args:
        outcome: The labels in question.
        answers: By path, what the image shows; anything but its label makes that wrong.

    Raises:
        RunError: None of the answers is of the images that were drawn first.
    """
    told: dict[int, bool] = {}
    matcher = Matcher(outcome.class_names)
    for index in drawn(outcome.labels, outcome.confidence).tolist():
        answer = answers.get(outcome.paths[index])
        if answer is None:
            break
        told[index] = matcher.find(answer) == int(outcome.labels[index])
    if not told:
        raise RunError(
            "No image that was drawn for it has been answered: write a list with --out FILE, "
            "and say in its column `label` what each image shows."
        )
    return right_share(told, outcome.labels, outcome.confidence)


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


def sentences(share: RightShare) -> list[str]:
    """What the checks say, and whether more of them are worth it."""
    wide = share.high - share.low
    return [
        f"{percent(share.value)} of the labels are right ({100 * share.low:.0f} to "
        f"{percent(share.high)}, nine times in ten), from {plural(share.checks, 'checked image')}.",
        f"{MORE} more would narrow that from {100 * wide:.0f} to about "
        f"{100 * share.with_more(MORE):.0f} points.",
    ]
