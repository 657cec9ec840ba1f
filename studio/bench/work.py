"""One fit of a benchmark: `python -m studio fit` in a process of its own, as a user would run it.

A process of its own gives back all its memory, and the system tells what it took of the processor
and of memory, which other work on the machine does not change.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from studio.bench.judging import judged_labels
from studio.bench.plan import Cell
from studio.bench.stages import stages
from studio.errors import RunError
from studio.images.folder import read_aliases, read_class_names, scan, truth
from studio.methods import METHODS
from studio.runs.given import Correction
from studio.runs.given_table import write_corrections
from studio.runs.run import Run

PATIENCE = 10.0
"""Seconds that a fit gets to end."""


def fit(cell: Cell, *, model: str, out: Path, cache: Path) -> dict[str, Any]:
    """Run it; the JSON object of `fit`, and what it cost, and how right its labels were on the way.

    That is cpu_seconds and peak_memory_gib (None on Windows), and labels, see `bench.stages`.

    Raises:
        RunError: the fit failed; names the cell and its last words.
    """
    command = [sys.executable, "-m", "studio"]
    command += fit_command(cell, model=model, out=out, cache=cache)
    shots = cell.entrant.shots or None
    # The upper bound learns from given labels alone: here it gets the true ones, all or its shots.
    if not cell.entrant.judge and (shots or METHODS[cell.entrant.method].needs_given):
        command += ["--corrections", str(_true_labels(cell, out, shots=shots))]
    if cell.entrant.judge:
        answers = judged_labels(
            cell.entrant, cell.data, seed=cell.seed, model=cell.entrant.model or model, cache=cache,
        )  # fmt: skip
        path = out / f"{cell.data.name}-judged-{_name_of(cell)}.csv"
        command += ["--corrections", str(write_corrections(path, answers))]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout is not None
    assert process.stderr is not None
    messages: list[str] = []

    def listen(lines: Iterable[str]) -> None:
        for line in lines:
            messages.append(line)
            print(f"  {line.rstrip()}", file=sys.stderr, flush=True)

    listener = threading.Thread(target=listen, args=(process.stderr,), daemon=True)
    listener.start()
    try:
        output = process.stdout.read()
        code, usage = _wait(process)
    except BaseException:
        end(process)
        raise
    listener.join(5)
    if code:
        last = messages[-1].strip() if messages else f"exit status {code}"
        raise RunError(f"{' '.join(map(str, cell.key))}: {last}")
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return {**result, **usage, "labels": stages(Run(out / "runs" / result["run"]))}


def _name_of(cell: Cell) -> str:
    """Of a file of its own for each entrant and seed."""
    return hashlib.sha256(repr(cell.key).encode()).hexdigest()[:12]


def end(process: subprocess.Popen[str]) -> None:
    """End a fit: the first signal asks it to stop and keep its work, the second just ends it.

    One that does not listen for `PATIENCE` seconds is killed.
    """
    for _ in range(2):
        process.terminate()
        try:
            process.wait(PATIENCE)
            return
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()


def fit_command(cell: Cell, *, model: str, out: Path, cache: Path) -> list[str]:
    """What stands after `python -m studio`; the true labels of an entrant that has some are not in
    it.
    """
    command = ["fit", str(cell.data.train), "--json"]
    command += ["--names", str(cell.data.names), "--test", str(cell.data.test)]
    command += ["--method", cell.entrant.method, "--model", cell.entrant.model or model]
    command += ["--seed", str(cell.seed), "--name", cell.data.name]
    command += ["--runs", str(out / "runs"), "--cache", str(cache)]
    for pair in cell.entrant.settings:
        command += ["--set", pair]
    if cell.entrant.prompts is not None:
        command += ["--prompts", str(cell.entrant.prompts / f"{cell.data.name}.json")]
    return command


def _wait(process: subprocess.Popen[str]) -> tuple[int, dict[str, float | None]]:
    if sys.platform == "win32":
        return process.wait(), {"cpu_seconds": None, "peak_memory_gib": None}
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    kib = used.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return process.returncode, {
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_memory_gib": round(kib / 2**20, 2),
    }


def _true_labels(cell: Cell, out: Path, *, shots: int | None) -> Path:
    """The sub-folders' classes as a table of corrections.

    shots: so many images of each class, drawn with the cell's seed; None: all.
    """
    names = read_class_names(cell.data.names)
    folder = scan(cell.data.train)
    true_labels = truth(folder, names, aliases=read_aliases(cell.data.names))
    labels = [] if true_labels is None else true_labels.tolist()
    which = "all" if shots is None else f"{shots}-shots-{cell.seed}"
    path = out / f"{cell.data.name}-{which}.csv"
    given = {
        folder.images[index].path: Correction("relabelled", names[labels[index]])
        for index in draw_shots(labels, shots, seed=cell.seed)
    }
    return write_corrections(path, given)


def draw_shots(labels: Sequence[int], shots: int | None, *, seed: int) -> list[int]:
    """Indices of so many random images of each class, or of all where there are fewer.

    labels: (N,) of the images, negative where not known; shots: None: all that are known.
    """
    by_class: dict[int, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        if label >= 0:
            by_class[label].append(index)
    draw = random.Random(seed)
    return [
        index
        for _, images in sorted(by_class.items())
        for index in (images if shots is None else draw.sample(images, min(shots, len(images))))
    ]
