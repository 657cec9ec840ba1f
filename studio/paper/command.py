"""`python -m studio paper SET`: a row of the paper's tables, from archives to comparison."""

from __future__ import annotations

import argparse
import hashlib
import re
import shlex
import sys
from pathlib import Path

from studio.bench.command import run
from studio.bench.plan import Cell, Entrant, LabelledSet, cells, check_models
from studio.bench.work import fit_command
from studio.paper.figures import figures
from studio.paper.layout import laid_out
from studio.paper.model import PaperSet
from studio.paper.prepare import described, downloads_of, prepare
from studio.paper.report import CAUTION, announced, comparison
from studio.paper.sets import paper_set

_SPLITS = {
    "coop": "CoOp's split file",
    "derived": "divided by CoOp's rule, so not the paper's images",
    "published": "the published division",
}


def paper(options: argparse.Namespace) -> int:
    """Fetch, lay out, fit with every method and seed, and compare; the table goes to stdout.

    With --dry-run it says what it would do, and does nothing. A fit that fails is told and passed
    over; the exit code is then 1.
    """
    data = paper_set(options.set)
    entrants = [Entrant.parse(text) for text in options.methods]
    if options.dry_run:
        _tell(data, entrants, options)
        return 0
    check_models(entrants, model=options.model)
    there = prepare(data, options.data)
    planned = _planned(there.root, entrants, options.seeds)
    out = _out(data, there.split, options)
    results, failed = run(planned, model=options.model, out=out, cache=options.cache)
    for entrant in entrants:
        own = [results.row(cell) for cell in planned if cell.entrant == entrant]
        done = [row for row in own if row is not None]
        if not done:
            continue
        print(
            f"{data.title}, {entrant.label}, {_models(entrant, options)}: {_SPLITS[there.split]}\n"
        )
        print(comparison(entrant.method, done, _figures(data, entrant, options)))
    print(CAUTION, file=sys.stderr)
    return 1 if failed else 0


def _tell(data: PaperSet, entrants: list[Entrant], options: argparse.Namespace) -> None:
    there = laid_out(options.data / data.name)
    root = options.data / data.name
    print("\n".join(described(data)))
    print(f"kept in  {downloads_of(data, options.data)}, also what is brought by hand")
    print(f"layout   {root}/{{train,test}}/CLASS/..., names in {root}/classes.txt")
    if there is not None:
        print(f"         is there: {_SPLITS[there.split]}")
    split = "coop" if data.split_file else "published"
    out = _out(data, there.split if there else split, options)
    print("commands")
    for cell in _planned(root, entrants, options.seeds):
        command = fit_command(cell, model=options.model, out=out, cache=options.cache)
        print(f"         python -m studio {shlex.join(command)}")
    print("paper")
    for entrant in entrants:
        print(f"         {announced(entrant.method, _figures(data, entrant, options))}")


def _planned(root: Path, entrants: list[Entrant], seeds: list[int]) -> list[Cell]:
    return list(cells([LabelledSet(root)], entrants, seeds))


def _figures(data: PaperSet, entrant: Entrant, options: argparse.Namespace) -> dict[str, float]:
    return figures(
        data.name, model=entrant.model or options.model, phase2_model=_phase2_model(entrant)
    )


def _models(entrant: Entrant, options: argparse.Namespace) -> str:
    second = _phase2_model(entrant)
    return f"{entrant.model or options.model}{f' > {second}' if second else ''}"


def _phase2_model(entrant: Entrant) -> str:
    pairs = (pair.split("=", 1) for pair in entrant.settings)
    return next((value for name, value in pairs if name == "phase2_model"), "")


def _out(data: PaperSet, split: str, options: argparse.Namespace) -> Path:
    """Results of each model and each division are kept apart: `bench` knows neither."""
    model = re.sub(r"[^A-Za-z0-9.-]+", "_", options.model)
    if model != options.model:
        model += "-" + hashlib.sha256(options.model.encode()).hexdigest()[:8]
    divided = "-divided" if split == "derived" else ""
    return Path(options.data) / "results" / f"{data.name}-{model}{divided}"
