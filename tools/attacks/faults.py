"""Full disks, damaged runs, killed and stopped processes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attacks.kind import Kind, Outcome
from attacks.mutations import spoilings

PROJECT = Path(__file__).resolve().parents[2]
# The pictures are of nothing that a model knows: without the last setting no run would train.
QUICK = [
    "phase1_min_steps=5", "phase1_epochs=2", "phase2_epochs=1", "k=4", "train_near_chance=true",
]  # fmt: skip
SMALL_MB, LIMIT_S, TRIES = 120, 300, 5
GOOD, BAD = "20260101-000000-good-coft", "20260102-000000-bad-coft"

# When the disk of which folder fills up, by what is seen in the run's folder.
MOMENTS: list[tuple[str, str, str, str]] = [
    ("from the start", "runs", "", ""),
    ("from the start", "cache", "", ""),
    ("reading images", "runs", "status.json", "reading images"),
    ("reading images", "cache", "status.json", "reading images"),
    ("encoding images", "runs", "status.json", "encoding images"),
    ("encoding images", "cache", "status.json", "encoding images"),
    ("first labels", "runs", "events.jsonl", '"kind":"zero_shot"'),
    ("Phase I", "runs", "events.jsonl", '"phase":1'),
    ("Phase I", "cache", "events.jsonl", '"phase":1'),
    ("judging", "runs", "events.jsonl", '"kind":"judged"'),
    ("Phase II", "runs", "events.jsonl", '"phase":2'),
    ("the model", "runs", ".model.*", ""),
]


# When a run is told to end, by what is seen in its folder; with what setting the stage is long.
STAGES: list[tuple[str, str, str, str]] = [
    ("reading images", "status.json", "reading images", ""),
    ("encoding images", "status.json", "encoding images", ""),
    ("first labels", "events.jsonl", '"kind":"zero_shot"', ""),
    ("Phase I", "events.jsonl", '"phase":1', "phase1_min_steps=2000"),
    ("judging", "events.jsonl", '"kind":"judged"', ""),
    ("Phase II", "events.jsonl", '"phase":2', "phase2_epochs=30"),
    ("the model", ".model.*", "", ""),
]


def pictures(folder: Path) -> Path:
    """24 small pictures of three colours, in a folder each."""
    import random

    from PIL import Image

    noise = random.Random(0)
    for name, colour in (("red", (200, 40, 40)), ("green", (40, 200, 40)), ("blue", (40, 40, 200))):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(8):
            shade = tuple(c + noise.randint(-30, 30) for c in colour)
            picture = Image.new("RGB", (96, 80), shade)
            picture.paste(shade[::-1], (number, number, number + 20, number + 12))
            picture.save(folder / name / f"{number}.png")
    return folder


def command(images: Path | str, runs: Path, cache: Path) -> list[str]:
    settings = [part for setting in QUICK for part in ("--set", setting)]
    return [
        sys.executable, "-m", "studio", "fit", str(images), "--runs", str(runs),
        "--cache", str(cache), "--json", *settings,
    ]  # fmt: skip


def listed(runs: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "studio", "runs", "--json", "--runs", str(runs)],
        cwd=PROJECT, capture_output=True, text=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def full_disk(folder: Path) -> Iterator[Outcome]:
    """Runs over small disks that fill up; needs root and Linux for tmpfs."""
    images = pictures(folder / "images")
    for number, (when, which, file, text) in enumerate(MOMENTS):
        with _small_disk(folder / str(number) / which) as full:
            place = folder / str(number)
            runs, cache = place / "runs", place / "cache"
            seen = _seen(runs, file, text)
            if not file:
                _fill(full)
            process = _start(command(images, runs, cache), place)
            came = _wait(seen, process)
            if file:
                _fill(full)
            _, said = process.communicate(timeout=LIMIT_S)
            states = [run["state"] for run in listed(runs)]
            (full / ".filler").unlink()
            again = [run["state"] for run in listed(runs)]
            lines = said.strip().splitlines()
            last = lines[-1] if lines else ""
            if which == "cache":
                held = process.returncode == 0 and states == ["finished"]
            else:
                right = states in ([], ["failed"]) and again == states
                full_said = "the disk is full" in last or "the disk is too full" in last
                held = process.returncode == 2 and full_said and right
            held = held and came and "Traceback" not in said
            saw = f"{states} {last[:150]}" if came else "the moment never came"
            yield Outcome(f"{which} full, {when}", held, saw)


def damaged_run(folder: Path) -> Iterator[Outcome]:
    """A run damaged in 680 ways, beside a good one."""
    from studio.errors import StudioError
    from studio.export.labels import labels_csv
    from studio.runs.reader import RunReader
    from studio.runs.store import RunStore

    runs = folder / "runs"
    if not (runs / GOOD).is_dir():
        images = pictures(folder / "images")
        subprocess.run(command(images, folder / "made", folder / "cache"), cwd=PROJECT, check=True)
        (made,) = (folder / "made").glob("2*")
        shutil.copytree(made, runs / GOOD)
    for name, spoil in spoilings():
        shutil.rmtree(runs / BAD, ignore_errors=True)
        shutil.copytree(runs / GOOD, runs / BAD)
        spoil(runs / BAD)
        said = []
        try:
            store = RunStore(runs)
            states = {info.id: info for info in store.list()}
            for work in (
                lambda store=store: RunReader(store.get(BAD)).refresh(),
                lambda store=store: labels_csv(store.get(BAD), folder / "labels.csv"),
            ):
                try:
                    work()
                except StudioError as error:
                    said.append(str(error))
            held = states[GOOD].state == "finished" and states[GOOD].damage == ""
            bad = states.get(BAD)
            reason = bad.damage if bad and bad.damage else (said or ["as before"])[0]
            yield Outcome(name, held, reason[:150])
        except Exception as error:  # what this looks for
            yield Outcome(name, False, f"{type(error).__name__}: {error}"[:150])


def leftovers(folder: Path) -> Iterator[Outcome]:
    """Processes that are killed while they write; the next start removes what is left."""
    from studio.cache_folder import tidy
    from studio.runs.store import RunStore

    images, runs, cache = pictures(folder / "images"), folder / "runs", folder / "cache"
    for file, text in (("status.json", "reading"), ("status.json", "encoding"), (".model.*", "")):
        process = _start(command(images, runs, cache), folder)
        seen = _seen(runs, file, text)
        came = _wait(seen, process)
        process.kill()
        process.communicate()
        time.sleep(1.5)
        RunStore(runs).tidy()
        tidy(cache)
        left = [str(p) for top in (runs, cache) for p in top.rglob("*") if ".tmp" in p.name]
        states = [run["state"] for run in listed(runs)]
        held = came and not left and states[0] == "interrupted"
        saw = f"{states} {left[:3]}" if came else "the moment never came"
        yield Outcome(f"killed: {text or 'writing the model'}", held, saw)
        shutil.rmtree(runs)


def stopped_lock(folder: Path) -> Iterator[Outcome]:
    """A process that holds the lock of the folder for runs and was stopped (Linux)."""
    code = (
        "import sys, time; from pathlib import Path; from studio.locks import FileLock; "
        "FileLock(Path(sys.argv[1])).acquire() and print('held', flush=True); time.sleep(600)"
    )
    lock = folder / "runs" / ".start.lock"
    lock.parent.mkdir(exist_ok=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        os.kill(holder.pid, signal.SIGSTOP)
        images = pictures(folder / "images")
        process = _start(command(images, lock.parent, folder / "cache"), folder)
        _, said = process.communicate(timeout=LIMIT_S)
        held = process.returncode == 2 and f"process {holder.pid}, which is stopped" in said
        yield Outcome("the lock of the folder for runs", held, said.strip()[-200:])
    finally:
        holder.kill()
        holder.communicate()


def ended(folder: Path) -> Iterator[Outcome]:
    """SIGTERM and SIGINT in each stage of a run over the demo: it ends within 10 seconds, keeps the
    labels that it has, and can go on.
    """
    from studio.runs.reader import RunReader
    from studio.runs.resume import obstacle
    from studio.runs.store import RunStore

    for number in (signal.SIGTERM, signal.SIGINT):
        for when, file, text, setting in STAGES:
            runs = folder / f"runs-{number.name}"
            shutil.rmtree(runs, ignore_errors=True)
            early = file == "status.json"  # these stages have nothing to do once the cache is full
            if early:
                shutil.rmtree(folder / "cache", ignore_errors=True)
            more = ["--set", setting] if setting else []
            line = [*command("demo", runs, folder / "cache"), *more]
            for _ in range(TRIES):  # the model is written within a blink
                process = _start(line, folder)
                came = _wait(_seen(runs, file, text), process)
                if came:
                    break
                process.communicate(timeout=LIMIT_S)
                shutil.rmtree(runs)
            if not came:
                yield Outcome(f"{number.name}, {when}", False, "the moment never came")
                continue
            began = time.monotonic()
            process.send_signal(number)
            _, said = process.communicate(timeout=LIMIT_S)
            took = time.monotonic() - began
            run = RunStore(runs).find("latest")
            state, reader = run.status()["state"], RunReader(run)
            reader.refresh()
            labels = list(reader.outcomes())
            # Once the model is written there is nothing left to end; while it is loaded, there
            # is nothing yet, and on a busy machine that is cut off after 8 seconds.
            right = state == "stopped" or (state == "finished" and file.startswith(".model"))
            right = right or (state == "interrupted" and early)
            goes_on = state == "finished" or not obstacle(run)
            held = took <= 10 and "Traceback" not in said and right and goes_on
            held = held and (early or bool(labels))
            kept = f"labels: {', '.join(labels) or 'none'}"
            saw = f"{took:.1f} s, exit code {process.returncode}, {state}, {kept}"
            yield Outcome(f"{number.name}, {when}", held, saw)


def _start(line: list[str], place: Path) -> subprocess.Popen[str]:
    place.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        line, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _seen(runs: Path, file: str, text: str) -> Callable[[], bool]:
    """Whether the run at work has come so far: the text stands in the file, or a file is there."""

    def seen() -> bool:
        for run in runs.glob("2*"):
            for path in run.glob(file):
                with contextlib.suppress(OSError):
                    if not text or text in path.read_text(errors="replace"):
                        return True
        return False

    return seen if file else lambda: True


def _wait(seen: Callable[[], bool], process: subprocess.Popen[str]) -> bool:
    """Whether it was seen while the process was at work."""
    ends = time.monotonic() + LIMIT_S
    while process.poll() is None and time.monotonic() < ends:
        if seen():
            return True
        time.sleep(0.005)
    return False


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    line = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_MB}m", "tmpfs", str(folder)]
    subprocess.run(line, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(folder: Path) -> None:
    with open(folder / ".filler", "wb", buffering=0) as file:
        for piece in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(piece))


KINDS = [
    Kind("full-disk", "the disk of the runs or of the cache fills up at twelve moments", full_disk),
    Kind("damaged-run", "a run damaged in 680 ways, beside a good one", damaged_run),
    Kind("leftovers", "processes killed while they write, and what is left of it", leftovers),
    Kind("stopped-lock", "a lock that a stopped process holds", stopped_lock),
    Kind("ended", "SIGTERM and SIGINT in the middle of a run", ended),
]
