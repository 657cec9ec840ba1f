"""Results of a benchmark: one JSON line per fit, appended; what is there is not run again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio.bench.plan import Cell

Result = dict[str, Any]


class Results:
    """The lines of OUT/results.jsonl."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Result] = []
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    self.rows.append(_renamed(json.loads(line)))
                except ValueError:  # the last line of a benchmark that was killed
                    continue

    def has(self, cell: Cell) -> bool:
        """Whether this fit was done."""
        return self.row(cell) is not None

    def row(self, cell: Cell) -> Result | None:
        """What this fit gave; None where it was not done."""
        own = (r for r in self.rows if (r["set"], r["entrant"], r["seed"]) == cell.key)
        return next(own, None)

    def add(self, cell: Cell, measured: Mapping[str, Any]) -> Result:
        """Write one more line; the row."""
        row = {"set": cell.data.name, "entrant": cell.entrant.label, **measured}
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as file:
            if file.tell() and not _ends_with_newline(self.path):
                file.write("\n")
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return row


def _renamed(row: Result) -> Result:
    """A row of a version that called the clean labels of a round "believed"."""
    for found in (row.get("labels") or {}).get("rounds", ()):
        if "believed" in found:
            found["clean"] = found.pop("believed")
    return row


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
