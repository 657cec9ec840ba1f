"""Runs that are killed at random moments and taken up again: they end with the same bytes."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attacks.faults import QUICK, pictures
from attacks.kind import Kind, Outcome
from studio.methods import method_of

KILLS, SEED = 50, 0
MOST_OF_ONE_RUN = 8
METHODS: dict[str, dict[str, str]] = {
    "coft": {"phase1_min_steps": "20", "phase2_epochs": "3", "n_visual_tokens": "4"},
    "coft+": {
        "phase1_min_steps": "20", "phase2_epochs": "3", "rounds": "2", "contrast_weight": "0.1",
        "n_visual_tokens": "4",
    },
}  # fmt: skip
"""The methods and the settings in which they differ from QUICK."""


def killed(folder: Path, *, kills: int = KILLS, model: str = "") -> Iterator[Outcome]:
    """A run with one thread and a checkpoint ten times a second is killed, and goes on, and is
    killed again, until it ends. Linux: each attempt is a fork of this process.

    model: "": a transformer of random weights, with which a run takes a few seconds.
    """
    import torch

    from studio.runs import checkpoints, records

    torch.set_num_threads(1)
    _import_all()
    checkpoints.EVERY_S = checkpoints.BETWEEN_S = 0.1
    checkpoints.SHARE = 1e9
    records.STEP_INTERVAL_S = 0.0  # else the clock says which steps are written
    chance = random.Random(SEED)
    images, cache = pictures(folder / "images"), folder / "cache"
    model = model or _small_model(folder / "model")
    whole: dict[str, tuple[dict[str, Any], float]] = {}
    done = number = 0
    while done < kills:
        method = list(METHODS)[number % len(METHODS)]
        if method not in whole:
            for warm in (True, False):  # the first time fills the cache
                runs = folder / f"whole-{method}-{warm}"
                shutil.rmtree(runs, ignore_errors=True)
                began = time.monotonic()
                assert _attempt(runs, images, cache, (method, model), None) == 0
                whole[method] = _content(_run(runs)), time.monotonic() - began
        alone, seconds = whole[method]
        runs = folder / f"killed-{number}"
        shutil.rmtree(runs, ignore_errors=True)
        stages: list[str] = []
        for attempt in range(min(MOST_OF_ONE_RUN, kills - done)):
            # The further it is, the less is left of it to be killed in.
            moment = chance.uniform(0, seconds * max(0.5, 0.85**attempt))
            if _attempt(runs, images, cache, (method, model), moment) == 0:
                break
            if not runs.is_dir() or not list(runs.glob("2*")):
                stages.append("before there was a run")
                continue
            stages.append(_stage(_run(runs)))
        if _run_state(runs) != "finished":
            _attempt(runs, images, cache, (method, model), None)
        done += len(stages)
        number += 1
        different = _different(_content(_run(runs)), alone)
        held = _run_state(runs) == "finished" and not different
        saw = f"killed {len(stages)} times: {'; '.join(stages)}"
        yield Outcome(
            f"{method}, run {number}", held, saw + (f" differs: {different}" * bool(different))
        )


def _import_all() -> None:
    """Once, so that no attempt has to: they would be killed while they import, mostly."""
    import open_clip

    from studio.runs import work

    assert work  # it brings all that a job needs
    for method in METHODS:
        method_of(method).load()
    open_clip.SimpleTokenizer = functools.cache(open_clip.SimpleTokenizer)
    open_clip.SimpleTokenizer(context_length=40)


def _small_model(folder: Path) -> str:
    from tests.conftest import save_tiny_model

    return str(folder if folder.is_dir() else save_tiny_model(folder, width=64))


def _attempt(
    runs: Path, images: Path, cache: Path, which: tuple[str, str], seconds: float | None
) -> int:
    """Begin a run or go on with it in a process of its own, killed after so many seconds; its exit
    code, -9 where it was killed.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _work(runs, images, cache, *which)
            code = 0
        finally:
            os._exit(code)
    ends = None if seconds is None else time.monotonic() + seconds
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if ends is not None and time.monotonic() > ends:
            os.kill(child, signal.SIGKILL)
            ends = None
        time.sleep(0.002)


def _work(runs: Path, images: Path, cache: Path, method: str, model: str) -> None:
    from studio.runs.job import run_job
    from studio.runs.request import JobRequest, create_run
    from studio.runs.resume import take_up
    from studio.runs.store import RunStore
    from studio.settings import Settings

    store = RunStore(runs)
    store.tidy()
    there = store.list()
    if there:
        request, run = take_up(store, there[0].id)
    else:
        settings = dict(setting.split("=") for setting in QUICK) | METHODS[method]
        request = JobRequest(
            images, method=method, model=model, settings=Settings.from_overrides(settings)
        )
        run = create_run(request, store)
    run_job(request, run, cache_dir=cache, stop=lambda: False, resumed=bool(there))


def _run(runs: Path) -> Any:
    from studio.runs.store import RunStore

    return RunStore(runs).find("latest")


def _run_state(runs: Path) -> str:
    return str(_run(runs).status()["state"]) if list(runs.glob("2*")) else ""


def _stage(run: Any) -> str:
    status = run.status()
    stage = str(status["reason"] or status["state"]).rpartition(": ")[2]
    kept = list((run.path / "checkpoints").glob("state-*.json"))
    return f"{stage} ({'with a checkpoint' if kept else 'without'})"


def _content(run: Any) -> dict[str, Any]:
    """Everything that a run says, but for when it was said, and what the cache made unnecessary."""
    found: dict[str, Any] = {
        str(path.relative_to(run.path)): path.read_bytes()
        for folder in ("arrays", "model", "checkpoints")
        for path in (run.path / folder).rglob("*")
        if path.is_file()
    }
    found["events"] = [
        {name: value for name, value in line.items() if name != "time"}
        for line in run.events()[0]
        if line.get("stage") not in ("reading images", "encoding images")
    ]
    result = json.loads((run.path / "result.json").read_text())
    found["result"] = {k: v for k, v in result.items() if k not in ("run", "seconds")}
    return found


def _different(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


KINDS = [Kind("killed", "a run killed 50 times at random moments, and taken up again", killed)]
