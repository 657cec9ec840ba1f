"""One thing that was said about images: a press of a button, or a table; a line or more on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.numbers import plural
from studio.runs.given import VERDICTS

WITHDRAWN = "withdrawn"  # an image is as if nothing had been said about it
NOTES = 20
"""About a table, that are kept."""


@dataclass(frozen=True)
class Action:
    """One press of a button, or one whole asking of a judge.

    verdict: one of VERDICTS or WITHDRAWN; images: path -> class name, or "" where it needs none.
    Of a table, an action for each verdict, with one id: its name, its rows, and what was said of
    them.
    """

    id: str
    verdict: str
    images: Mapping[str, str]
    table: str = ""
    rows: int = 0
    notes: tuple[str, ...] = ()

    @property
    def by_judge(self) -> bool:
        """Whether a judge said it, and no person nor a table of a person's."""
        return self.verdict == "judged" and not self.table

    @property
    def text(self) -> str:
        """What was done, for people: `3 images relabelled as cat`."""
        if self.table:
            return f"{plural(self.rows, 'image')} from {self.table}"
        count = len(self.images)
        what = "1 image" if count == 1 else f"{count} images"
        if self.verdict == WITHDRAWN:
            return f"correction of {what} taken back"
        names = sorted(set(self.images.values()))
        as_class = f" as {names[0]}" if self.verdict == "relabelled" and len(names) == 1 else ""
        return f"{what} {self.verdict}{as_class}"


def action_of(record: Mapping[str, Any]) -> Action | None:
    """A line of the file; None when it is not one that this version wrote."""
    id, verdict, images = record.get("id"), record.get("verdict"), record.get("images")
    if not isinstance(id, str) or verdict not in (*VERDICTS, WITHDRAWN):
        return None
    if not isinstance(images, dict) or not all(isinstance(v, str) for v in images.values()):
        return None
    table, rows, notes = record.get("table"), record.get("rows"), record.get("notes")
    if not isinstance(table, str) or not isinstance(rows, int) or not isinstance(notes, list):
        return Action(id, str(verdict), images)
    return Action(id, str(verdict), images, table, rows, tuple(map(str, notes[:NOTES])))
