"""`python -m studio bench`: run what is missing, write tables as results come."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from studio.bench.plan import Cell, Entrant, cells, labelled_sets
from studio.bench.results import Results
from studio.bench.table import accuracies, tables
from studio.bench.work import fit
from studio.errors import RunError


def bench(options: argparse.Namespace) -> int:
    """Fit every set with every method and seed; the table goes to stdout.

    A fit that fails is told and passed over; the exit code is then 1.
    """
    sets = labelled_sets(options.data)
    entrants = [Entrant.parse(text) for text in options.methods]
    planned = list(cells(sets, entrants, options.seeds))
    results, failed = run(planned, model=options.model, out=options.out, cache=options.cache)
    if results.rows:
        print(accuracies(results.rows), end="")
    return 1 if failed else 0


def run(planned: Sequence[Cell], *, model: str, out: Path, cache: Path) -> tuple[Results, int]:
    """Fit what is not in OUT/results.jsonl yet; all results there, and how many fits failed."""
    out.mkdir(parents=True, exist_ok=True)
    results = Results(out / "results.jsonl")
    failed = 0
    for number, cell in enumerate(planned, start=1):
        label = f"[{number}/{len(planned)}] {' '.join(map(str, cell.key))}"
        if results.has(cell):
            continue
        print(label, file=sys.stderr, flush=True)
        try:
            row = results.add(cell, fit(cell, model=model, out=out, cache=cache))
        except RunError as error:
            failed += 1
            print(f"failed: {error}", file=sys.stderr, flush=True)
            continue
        (out / "tables.md").write_text(tables(results.rows), encoding="utf-8")
        before, after = row["zero_shot_accuracy"], row["accuracy"]
        print(f"{100 * before:.1f} -> {100 * after:.1f}", file=sys.stderr, flush=True)
    return results, failed
