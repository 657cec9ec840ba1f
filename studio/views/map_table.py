"""The map as a table: for keyboards and screen readers, and for whoever wants figures.

A row per class with its images, the doubtful ones among them and the part of the map where most of
them lie; each number is a button that selects its images, as a lasso would.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.errors import RunError
from studio.runs.outcome import Outcome
from studio.views.markup import esc
from studio.views.numbers import count, plural
from studio.views.points import Indices, Plane

ROWS = 300
"""Classes in the table at most, the largest ones."""

_PARTS = {"all": "images", "noisy": "not believed", "disagree": "models disagree"}
_DOWN, _ACROSS = ("bottom", "middle", "top"), ("left", "middle", "right")


def _part(outcome: Outcome, part: str) -> NDArray[np.bool_]:
    """(N,) which images a column counts."""
    if part == "noisy":
        return np.asarray(~outcome.clean)
    return outcome.disagree if part == "disagree" else np.ones(len(outcome), bool)


def html(outcome: Outcome, plane: Plane) -> str:
    """The table. plane: (N, 2) places in [-1, 1], NaN for images that have none."""
    classes = len(outcome.class_names)
    counts = {
        part: np.bincount(outcome.labels[_part(outcome, part)], minlength=classes)
        for part in _PARTS
    }
    order = np.argsort(-counts["all"], kind="stable")[:ROWS]
    where = _regions(outcome.labels, plane, classes)
    head = "".join(f'<th scope="col" class="num">{name}</th>' for name in _PARTS.values())
    rows = [_row("All classes", "all", {p: int(n.sum()) for p, n in counts.items()}, "")]
    for label in order.tolist():
        each = {part: int(numbers[label]) for part, numbers in counts.items()}
        if each["all"]:
            rows.append(_row(outcome.name(label), str(label), each, where[label]))
    more = f"<p class='quiet'>The {ROWS} largest classes.</p>" if classes > ROWS else ""
    return (
        '<div class="table-wrap"><table class="plain"><caption>A number selects its images.'
        f'</caption><thead><tr><th scope="col">class</th>{head}<th scope="col">mostly at</th></tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>{more}"
    )


def _row(name: str, label: str, counts: dict[str, int], where: str) -> str:
    cells = "".join(
        f'<td class="num"><button type="button" class="link" data-pick="{label}:{part}" '
        f'aria-label="Select {plural(number, "image")}: {esc(name)}'
        f'{"" if part == "all" else ", " + _PARTS[part]}">{count(number)}</button></td>'
        if number
        else '<td class="num">0</td>'
        for part, number in counts.items()
    )
    return f'<tr><th scope="row">{esc(name)}</th>{cells}<td>{where}</td></tr>'


def _regions(labels: NDArray[np.int64], plane: Plane, classes: int) -> list[str]:
    """`top left, 60 %`: the ninth of the map that holds most of a class, by class."""
    known = np.isfinite(plane).all(1) & (labels >= 0)
    ninths = np.clip(((plane[known] + 1) * 1.5).astype(np.int64), 0, 2)
    cells = labels[known] * 9 + ninths[:, 1] * 3 + ninths[:, 0]
    table = np.bincount(cells, minlength=9 * classes).reshape(classes, 9)
    best, totals = table.argmax(1), table.sum(1)
    told = []
    for label in range(classes):
        if not totals[label]:
            told.append("")
            continue
        down, across = _DOWN[best[label] // 3], _ACROSS[best[label] % 3]
        name = "middle" if down == across == "middle" else f"{down} {across}"
        told.append(f"{name}, {round(100 * table[label, best[label]] / totals[label])} %")
    return told


def picked(outcome: Outcome, pick: object) -> tuple[Indices, str]:
    """The images of a cell and what they are, from what a page sent.

    Raises:
        RunError: there is no such cell.
    """
    label, _, part = pick.partition(":") if isinstance(pick, str) else ("", "", "")
    chosen = _part(outcome, part)
    text = "images"
    if part not in _PARTS:
        raise RunError("There is no such row in the table.")
    if label != "all":
        if not (label.isascii() and label.isdigit() and len(label) < 9):
            raise RunError("There is no such row in the table.")
        if int(label) >= len(outcome.class_names):
            raise RunError("There is no such class.")
        chosen = chosen & (outcome.labels == int(label))
        text = f"labelled {outcome.name(int(label))}"
    found = np.flatnonzero(chosen)
    told = f"{count(len(found))} {text}" + ("" if part == "all" else f", {_PARTS[part]}")
    return found, told
