"""Fill the tables of docs/benchmarks.md and docs/lab-notes.md from the results beside them.

    python tools/benchmark_tables.py {benchmarks,lab-notes} [RESULTS.jsonl ...]

The results of NAME.md are in NAME.jsonl. RESULTS are files that `python -m studio bench` wrote
(`results.jsonl` in its --out). They are added first; a run that is there already (same data set,
entrant and seed) is replaced. A table of the document starts below a line `<!-- table: NAME -->`
and ends at the next empty line.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import benchmark_contents  # noqa: E402 (needs the path above)
import benchmark_eight  # noqa: E402

from studio.bench.results import Result, Results  # noqa: E402

TABLES = benchmark_contents.TABLES | benchmark_eight.TABLES
DOCUMENTS = ("benchmarks", "lab-notes")

COLUMNS = (
    "set", "entrant", "seed", "images", "test_images", "classes", "zero_shot_accuracy", "accuracy",
    "single_accuracy", "clean_fraction", "clean_precision", "estimated_zero_shot_accuracy",
    "estimated_accuracy", "knowledge", "cpu_seconds", "peak_memory_gib", "labels",
)  # fmt: skip
"""What is stored of a result: nothing about the folders of the machine."""


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("document", choices=DOCUMENTS)
    parser.add_argument("results", nargs="*", type=Path)
    options = parser.parse_args()
    document, kept = beside(options.document)
    rows = Results(kept).rows
    for path in options.results:
        rows = merged(rows, Results(path).rows)
    rows.sort(key=lambda row: (row["entrant"], row["set"], row["seed"]))
    kept.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    document.write_text(filled(document.read_text(encoding="utf-8"), rows), encoding="utf-8")


def beside(name: str) -> tuple[Path, Path]:
    """A document, and the results that its tables are made from."""
    return ROOT / "docs" / f"{name}.md", ROOT / "docs" / f"{name}.jsonl"


def merged(rows: Sequence[Result], more: Sequence[Result]) -> list[Result]:
    """Both, each run once (the later one), with `COLUMNS` only."""
    both = {(row["set"], row["entrant"], row["seed"]): row for row in (*rows, *more)}
    stored = [{key: row[key] for key in COLUMNS if key in row} for row in both.values()]
    rounded: list[Result] = json.loads(json.dumps(stored), parse_float=lambda f: round(float(f), 6))
    return rounded


def filled(document: str, rows: Sequence[Result]) -> str:
    """The document with its tables made again.

    Raises:
        KeyError: The document asks for a table that does not exist.
    """

    def table(place: re.Match[str]) -> str:
        return f"{place[1]}\n{TABLES[place[2]](rows).rstrip()}\n"

    return re.sub(r"(<!-- table: (.+?) -->)\n(?:.+\n)*", table, document)


if __name__ == "__main__":
    main()
