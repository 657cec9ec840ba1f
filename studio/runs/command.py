"""Runs on the command line: what came of one, and the list of all."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from studio.files import finite
from studio.numbers import plural
from studio.runs.again import command_of
from studio.runs.checking import CHECKED_FILE
from studio.runs.result import RunResult
from studio.runs.run import Run
from studio.runs.store import RunStore
from studio.runs.table import REFUSED_FILE

if TYPE_CHECKING:
    import argparse

_SHOWN = 10
_INDENT = " " * 24
_HEAD = ("run", "name", "state", "model", "images", "zero-shot %", "accuracy %", "clean %")


def summary(result: RunResult, run: Run) -> str:
    """The result for people: a few lines."""

    def share(value: float | None) -> str:
        return "not known" if value is None else f"{100 * value:.1f} %"

    where = "the test folder" if result.test_folder else "this folder"
    given, rejected, checked = result.given_labels, result.given_rejected, result.checked
    lines = [
        f"{plural(result.images or 0, 'image')} ({result.refused} refused), "
        f"{plural(result.classes or 0, 'class', 'classes')}, "
        f"{result.seconds:.0f} s" + (", stopped early" if result.stopped else ""),
        f"labels clean            {share(result.clean_fraction)} of all",
    ]
    if given or rejected:
        lines.append(
            f"corrections             {plural(given or 0, 'label')} given, "
            f"{plural(rejected or 0, 'image')} left out"
        )
        if given and not result.test_folder:
            where += ", given labels included"
    if result.judged_labels:
        lines.append(f"judged labels           {result.judged_labels}, of a vision-language model")
    for estimate, of in (
        (result.estimated_accuracy, "estimated accuracy      "),
        (result.estimated_clean_precision, "estimated of the clean  "),
    ):
        if estimate is not None:
            lines.append(f"{of}{estimate.text()}, without true labels")
    if result.estimated_accuracy is not None and result.estimated_accuracy.source:
        source = textwrap.wrap(result.estimated_accuracy.source, 96 - len(_INDENT))
        lines += [_INDENT + part for part in source]
    if result.accuracy is not None:
        lines += [
            f"zero-shot accuracy      {share(result.zero_shot_accuracy)} on {where}",
            f"accuracy                {share(result.accuracy)} on {where}",
        ]
    if checked is not None:
        lines += [
            f"labels checked          {checked.labels}, {share(checked.clean)} clean",
            f"least clean first       {run.path / CHECKED_FILE}",
        ]
        if checked.accuracy is not None:
            lines.append(
                f"checked labels right    {share(checked.accuracy)}, of the clean ones "
                f"{share(checked.precision)}"
            )
    if result.clean_precision is not None:
        lines.append(f"clean labels right      {share(result.clean_precision)}")
    lines.append(f"run                     {run.path}")
    return "\n".join(lines)


def refusals(run: Run) -> list[str]:
    """What to tell of the files that a run does not use; [] when there are none."""
    refused = run.images()["refused"]
    if not refused:
        return []
    lines = [f"refused {item['path']}: {item['reason']} ({item['detail']})" for item in refused]
    more = [f"... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return [*lines[:_SHOWN], *more, f"{len(lines)} refused in all: {run.path / REFUSED_FILE}"]


def runs(options: argparse.Namespace) -> int:
    """List past runs, or rename one, or keep a note with it, or print what repeats it."""
    store = RunStore(options.runs)
    store.check_readable()
    if options.rename:
        store.find(options.rename[0]).rename(options.rename[1])
    if options.note:
        store.find(options.note[0]).set_note(options.note[1])
    if options.rename or options.note:
        return 0
    if options.repeat:
        print(command_of(store.find(options.repeat)))
        return 0
    rows = []
    infos = store.list()
    for info in infos:
        result = None if info.damage else Run(store.root / info.id).result()
        if options.json:
            values = {} if result is None else result.to_dict()
            values |= {"run": info.id, "state": info.state, "name": info.name, "note": info.note}
            print(json.dumps(finite(values | ({"reason": info.damage} if info.damage else {}))))
            continue
        result = result or RunResult()
        shares = (result.zero_shot_accuracy, result.accuracy, result.clean_fraction)
        rows.append(
            (
                info.id,
                info.name,
                info.state,
                info.model,
                "" if result.images is None else str(result.images),
                *("" if share is None else f"{100 * share:.1f}" for share in shares),
            )
        )
    if rows:
        print(text_table(_HEAD, rows))
        for info in infos:
            if info.damage:
                print(f"{info.id} is damaged: {info.damage}")
    elif not options.json:
        print(f"no runs in {store.root}")
    return 0


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need, two spaces apart."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    )
    return "\n".join(lines)
