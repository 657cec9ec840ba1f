"""Fill the tables of docs/benchmarks.md from the results beside it, docs/benchmarks.jsonl.

    python tools/benchmark_tables.py [RESULTS.jsonl ...]

RESULTS are results of `python -m studio bench` (`results.jsonl` in its --out), which are added
first; a fit that is there already (same set, entrant and seed) is replaced. A table of the document
starts under a line `<!-- table: NAME -->` and ends at the next empty line.
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

from benchmark_contents import TABLES  # noqa: E402 (needs the path above)

from studio.bench.results import Result, Results  # noqa: E402

DOCUMENT = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "docs" / "benchmarks.jsonl"

KEPT = (
    "set", "entrant", "seed", "images", "test_images", "zero_shot_accuracy", "accuracy",
    "single_accuracy", "clean_fraction", "clean_precision", "estimated_accuracy", "knowledge",
    "cpu_seconds", "peak_memory_gib", "labels",
)  # fmt: skip
"""What of a result is kept: nothing that is about the machine's folders."""


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="*", type=Path)
    rows = Results(RESULTS).rows
    for path in parser.parse_args().results:
        rows = merged(rows, Results(path).rows)
    rows.sort(key=lambda row: (row["entrant"], row["set"], row["seed"]))
    RESULTS.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8"), rows), encoding="utf-8")


def merged(rows: Sequence[Result], more: Sequence[Result]) -> list[Result]:
    """Both, without fits that were done again, with what is worth keeping."""
    both = {(row["set"], row["entrant"], row["seed"]): row for row in (*rows, *more)}
    kept = [{key: row[key] for key in KEPT if key in row} for row in both.values()]
    rounded: list[Result] = json.loads(json.dumps(kept), parse_float=lambda f: round(float(f), 6))
    return rounded


def filled(document: str, rows: Sequence[Result]) -> str:
    """The document with its tables made anew.

    Raises:
        KeyError: it asks for a table that there is not.
    """

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}\n{TABLES[found[2]](rows).rstrip()}\n"

    return re.sub(r"(<!-- table: (.+?) -->)\n(?:.+\n)*", table, document)


if __name__ == "__main__":
    main()
