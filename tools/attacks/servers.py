"""A server that is told to end while it trains: how long it takes, and what is kept."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from attacks.attackers import _run, wait
from attacks.client import Page, Server, serving
from attacks.faults import _seen
from attacks.kind import Kind, Outcome

MOMENTS: list[tuple[str, str, str, str]] = [
    ("Phase I", "events.jsonl", '"phase":1', "phase1_min_steps=2000"),
    ("judging", "status.json", '"judging"', "phase1_min_steps=5"),
    ("Phase II", "events.jsonl", '"phase":2', "phase1_min_steps=5\nphase2_epochs=30"),
]
"""What is going on, by what is seen in the run's folder; with what settings it comes soon."""
MOST_S = 10.0


def ended_server(folder: Path) -> Iterator[Outcome]:
    """SIGTERM and SIGINT of a server that trains on the demo with the built-in model: it ends
    within 10 seconds, and the run is paused where it was.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        for when, file, text, settings in MOMENTS:
            shutil.rmtree(folder / "studio" / "runs", ignore_errors=True)
            with serving(folder / "studio") as server:
                yield _end(server, number, when, (file, text), settings)


def _end(
    server: Server, number: signal.Signals, when: str, seen: tuple[str, str], settings: str
) -> Outcome:
    from studio.demo import DEMO_CLASSES
    from studio.runs.resume import obstacle
    from studio.runs.store import RunStore

    case, page = f"{number.name} of a server, {when}", Page(server.port)
    page.call("use_demo")
    names = "\n".join(DEMO_CLASSES)
    if not wait(lambda: _run(page, others=settings, names=names).ok, 300):
        return Outcome(case, False, _run(page, others=settings, names=names).line)
    if not wait(_seen(server.runs, *seen), 300, every=0.005):
        return Outcome(case, False, "the moment never came")
    began, load = time.monotonic(), os.getloadavg()[0]
    os.kill(server.pid, number)
    ended = wait(lambda: _is_over(server.pid), 60, every=0.02)
    took = time.monotonic() - began
    run = RunStore(server.runs).find("latest")
    status = run.status()
    held = ended and took <= MOST_S and status["state"] == "stopped" and not obstacle(run)
    kept = len(list((run.path / "checkpoints").glob("state-*.json")))
    held = held and "Traceback" not in server.log.read_text(encoding="utf-8")
    saw = f"{took:.1f} s (load {load:.1f}), {status['reason']}, {kept} checkpoints"
    return Outcome(case, held, saw)


def _is_over(pid: int) -> bool:
    """Whether a child has ended; nobody has asked for its end yet."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


KINDS = [Kind("ended-server", "SIGTERM and SIGINT of a server that trains (Linux)", ended_server)]
