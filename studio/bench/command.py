"""`python -m studio bench`: run what is missing, write tables as results come."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.bench.plan import Cell, Entrant, cells, check_models, labelled_sets, subsets
from studio.bench.results import Results
from studio.bench.subsets import Subset
from studio.bench.table import accuracies, tables
from studio.bench.work import fit
from studio.errors import RunError
from studio.room import writing


def bench(options: argparse.Namespace) -> int:
    """Fit every set with every method and seed; the table goes to stdout.

    A fit that fails is told and passed over; the exit code is then 1.
    """
    sets = labelled_sets(options.data)
    entrants = [Entrant.parse(text) for text in options.methods]
    check_models(entrants, model=options.model)
    subset = Subset(present=options.present, tail=options.tail)
    cut = subsets(sets, subset, into=options.out / "sets", seeds=options.seeds)
    planned = [cell for seed in options.seeds for cell in cells(cut[seed], entrants, [seed])]
    with _ended_with_its_child():
        results, failed = run(planned, model=options.model, out=options.out, cache=options.cache)
    if results.rows:
        print(accuracies(results.rows), end="")
    return 1 if failed else 0


def run(planned: Sequence[Cell], *, model: str, out: Path, cache: Path) -> tuple[Results, int]:
    """Fit what is not in OUT/results.jsonl yet; all results there, and how many fits failed."""
    with writing(out):
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
        print(f"{100 * before:.1f} -> {100 * after:.1f}{told(row)}", file=sys.stderr, flush=True)
    return results, failed


def told(row: Mapping[str, Any]) -> str:
    """What the run said of its own labels, beside what is true: verdict and estimates."""
    parts = [row.get("knowledge") or ""]
    for title, key in (("before", "zero_shot_accuracy"), ("after", "accuracy")):
        value, low, high = (row.get(f"estimated_{key}{end}") for end in ("", "_low", "_high"))
        if value is not None and low is not None and high is not None:
            span = f"({100 * low:.0f} to {100 * high:.0f})"
            parts.append(f"estimated {title} {100 * value:.0f} % {span}")
    said = "; ".join(part for part in parts if part)
    return f" ({said})" if said else ""


@contextmanager
def _ended_with_its_child() -> Iterator[None]:
    """SIGTERM ends the benchmark as Ctrl-C does, so that the fit in progress ends with it."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
