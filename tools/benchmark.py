"""Measure CoFT on labelled sets with the studio's own command line, and make the tables.

    python tools/benchmark.py --data ../shared/data --out build/benchmark

Each set is a folder with train/, test/ and classes.txt. Every run is one `python -m studio fit` in
a process of its own, fitted on train without its labels and measured on test; its JSON line is kept
in OUT/results.jsonl, and runs that are in there already are not repeated. OUT/table.md is written
after each run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

SETS = (
    "oxford_pets",
    "caltech101",
    "cifar10",
    "clothing10",
    "pacs_art_painting",
    "eurosat",
)
MEAN_OVER = SETS[:5]


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--out", type=Path, required=True, help="results and tables")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], help="settings, as key=value")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    results = options.out / "results.jsonl"
    done = read(results)
    # Seeds outside, sets inside: an interrupted benchmark has every set at least once.
    for seed in options.seeds:
        for name in options.sets:
            if any(r["set"] == name and r["seed"] == seed for r in done):
                continue
            result = run(options.data / name, seed=seed, out=options.out, settings=options.set)
            result["set"] = name
            done.append(result)
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
            (options.out / "table.md").write_text(table(done), encoding="utf-8")
            before, after = result["zero_shot_accuracy"], result["accuracy"]
            print(f"{name} seed {seed}: {before:.4f} -> {after:.4f}")
    print(table(done))


def run(data: Path, *, seed: int, out: Path, settings: list[str]) -> dict[str, Any]:
    """One fit; its JSON object."""
    command = [sys.executable, "-m", "studio", "fit", str(data / "train")]
    command += ["--names", str(data / "classes.txt"), "--test", str(data / "test")]
    command += ["--seed", str(seed), "--runs", str(out / "runs"), "--json"]
    for setting in settings:
        command += ["--set", setting]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    # wait4 tells what this one process took, where other work on the machine changes the clock.
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: exit status {os.waitstatus_to_exitcode(status)}")
    result: dict[str, Any] = json.loads(said.splitlines()[-1])
    result["cpu_seconds"] = round(usage.ru_utime + usage.ru_stime, 1)
    result["peak_memory_gib"] = round(usage.ru_maxrss / 2**20, 2)  # Linux counts in KiB
    return result


def read(file: Path) -> list[dict[str, Any]]:
    """Results so far."""
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def table(results: list[dict[str, Any]]) -> str:
    """A Markdown table: one row per set, means and spreads over seeds."""
    rows = [
        "| set | images | zero-shot | CoFT | one model | gain | clean fraction | clean precision "
        "| before training | CPU minutes | peak memory | seeds |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    means: list[tuple[float, float, float]] = []
    for name in SETS:
        own = [r for r in results if r["set"] == name]
        if not own:
            continue
        zero, final, single = (
            [r[key] for r in own] for key in ("zero_shot_accuracy", "accuracy", "single_accuracy")
        )
        gain = statistics.mean(final) - statistics.mean(zero)
        if name in MEAN_OVER:
            means.append(tuple(map(statistics.mean, (zero, final, single))))  # type: ignore[arg-type]
        rows.append(
            f"| {name} | {own[0]['images']} / {own[0]['test_images']} | {percent(zero)} "
            f"| {percent(final)} | {percent(single)} | {100 * gain:+.1f} "
            f"| {percent([r['clean_fraction'] for r in own])} "
            f"| {percent([r['clean_precision'] for r in own])} "
            f"| {own[0]['knowledge']} "
            f"| {statistics.mean(r['cpu_seconds'] for r in own) / 60:.1f} "
            f"| {max(r['peak_memory_gib'] for r in own):.1f} GiB | {len(own)} |"
        )
    if means:
        zero_mean, final_mean, single_mean = (
            statistics.mean(column) for column in zip(*means, strict=True)
        )
        rows.append(
            f"| **mean of {len(means)}** | | {100 * zero_mean:.1f} | {100 * final_mean:.1f} "
            f"| {100 * single_mean:.1f} | **{100 * (final_mean - zero_mean):+.1f}** | | | | | | |"
        )
    return "\n".join(rows) + "\n"


def percent(values: list[float]) -> str:
    """Mean in percent, with the standard deviation where there are several values."""
    text = f"{100 * statistics.mean(values):.1f}"
    spread = 100 * statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{text} ± {spread:.1f}" if spread > 0 else text


if __name__ == "__main__":
    main()
