"""What several processes on one run are worth: the same run by one and by more of them, in turn.

    OMP_NUM_THREADS=1 python tools/measure_processes.py FOLDER OUT [--processes 1 2] [--rounds 3]
        [--encoding] [--together]

Images are decoded beforehand; features are not kept. Told of every run: how many images a second it
encodes, how many images a second Phase II learns (its steps alone, and all of it from the judged
labels to the last step, heads included), and what each costs in processor time of all processes,
which other programs on the machine disturb less. --encoding: that alone, in runs without training.
--together: the runs of a round at the same time, so that all meet the same machine: on a busy one
each process has about the same share of it, whichever run it belongs to. Linux.
"""

from __future__ import annotations

import argparse
import bisect
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from studio.clip.backbone import load_backbone
from studio.collective import AT_ONCE
from studio.files import read_json_lines
from studio.runs.inputs import images_for

QUICK = (
    "train_near_chance=true", "phase1_epochs=1", "phase1_min_steps=2", "phase2_epochs=1",
    "monitor_images=1",
)  # fmt: skip
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Run:
    """One run, watched. cpu: (time, processor seconds of all its processes so far)."""

    processes: int
    events: list[dict[str, Any]]
    cpu: list[tuple[float, float]]

    def stage(self, name: str, first: int) -> tuple[int, float, float]:
        """Images, seconds and processor seconds of a stage, behind its first images."""
        found = [e for e in self.events if e["kind"] == "progress" and e["stage"] == name]
        return self._between(found[0]["time"], found[-1]["time"], found[-1]["done"] - first)

    def steps(self, batch: int) -> tuple[int, float, float]:
        """The same of the steps of Phase II, behind the first one of every model that trains."""
        found = [e for e in self.events if e["kind"] == "step" and e["phase"] == 2]
        done = sum(max(e["step"] for e in found if e["model"] == model) for model in (0, 1))
        images = batch * (done - min(2, self.processes))
        return self._between(found[0]["time"], found[-1]["time"], images)

    def phase_two(self, batch: int) -> tuple[int, float, float]:
        """The same from the judged labels to the last step."""
        judged = next(e for e in self.events if e["kind"] == "judged")
        found = [e for e in self.events if e["kind"] == "step" and e["phase"] == 2]
        done = sum(max(e["step"] for e in found if e["model"] == model) for model in (0, 1))
        return self._between(judged["time"], found[-1]["time"], batch * done)

    def _between(self, begin: float, end: float, images: int) -> tuple[int, float, float]:
        return images, end - begin, self._spent(end) - self._spent(begin)

    def _spent(self, at: float) -> float:
        return self.cpu[min(bisect.bisect(self.cpu, (at, 0.0)), len(self.cpu) - 1)][1]


def spent(pid: int) -> float:
    """Processor seconds of a process and its children so far."""
    total = 0.0
    with contextlib.suppress(OSError, IndexError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for number in (str(pid), *children):
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def watched(folder: Path, out: Path, processes: int, *, more: list[str]) -> Run:
    """Run the command line, and look at it thirty times a second."""
    runs = out / f"runs-{processes}"
    shutil.rmtree(runs, ignore_errors=True)
    shutil.rmtree(out / f"cache-{processes}" / "features", ignore_errors=True)
    command = [sys.executable, "-m", "studio", "fit", str(folder), f"--processes={processes}",
               "--cache", str(out / f"cache-{processes}"), "--runs", str(runs), *more]  # fmt: skip
    cpu: list[tuple[float, float]] = []
    with (out / f"said-{processes}.txt").open("wb") as said:
        process = subprocess.Popen(
            command, cwd=Path(__file__).resolve().parents[1], stdout=said, stderr=said
        )
        while process.poll() is None:
            cpu.append((time.time(), spent(process.pid)))
            time.sleep(0.03)
    if process.returncode:
        raise RuntimeError((out / f"said-{processes}.txt").read_text())
    (run,) = runs.glob("2*")
    return Run(processes, read_json_lines(run / "events.jsonl")[0], cpu)


def main() -> None:
    """Print a line for each run, and what the others gain over the first number of processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("folder", type=Path)
    add("out", type=Path)
    add("--processes", type=int, nargs="+", default=[1, 2])
    add("--rounds", type=int, default=3)
    add("--batch", type=int, default=64, help="of Phase II; the last one of an epoch is smaller")
    add("--encoding", action="store_true")
    add("--together", action="store_true")
    add("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    backbone = load_backbone("embedded")
    for number in options.processes:
        images_for(backbone, options.folder, cache_dir=options.out / f"cache-{number}")
    stages = ("encoding", "Phase II, steps", "Phase II")[: 1 if options.encoding else 3]
    rates: dict[tuple[str, int], list[tuple[float, float]]] = {}
    more = ["--method", "zero-shot"] if options.encoding else []
    more += [f"--set={one}" for one in (*QUICK, *options.set)]
    watch = partial(watched, options.folder, options.out, more=more)
    for _ in range(options.rounds):
        with ThreadPoolExecutor(len(options.processes) if options.together else 1) as threads:
            found = list(threads.map(watch, options.processes))
        for number, run in zip(options.processes, found, strict=True):
            first = backbone.forward_batch * (number * AT_ONCE if number > 1 else 1)
            figures = [run.stage("encoding images", first)]
            if not options.encoding:
                figures += [run.steps(options.batch), run.phase_two(options.batch)]
            for stage, (images, seconds, busy) in zip(stages, figures, strict=True):
                rates.setdefault((stage, number), []).append((images / seconds, busy / images))
                print(
                    f"{number} processes, {stage}: {images} images in {seconds:.1f} s, "
                    f"{images / seconds:.1f} a second; processor {1e3 * busy / images:.1f} ms an "
                    f"image, {busy / seconds / number:.2f} of a core each", flush=True,
                )  # fmt: skip
    base, *others = options.processes
    for stage in stages:
        for number in others:
            pairs = list(zip(rates[stage, base], rates[stage, number], strict=True))
            wall = [more / one for (one, _), (more, _) in pairs]
            free = [number / base * one / more for (_, one), (_, more) in pairs]
            print(
                f"{stage}: {number} processes against {base}: {statistics.median(wall):.2f} times "
                f"as fast ({min(wall):.2f} to {max(wall):.2f}); by processor time alone "
                f"{statistics.median(free):.2f} ({min(free):.2f} to {max(free):.2f})"
            )


if __name__ == "__main__":
    main()
