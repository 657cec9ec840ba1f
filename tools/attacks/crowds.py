"""Many at once: floods of events, twenty visitors beside a training, memory after many pages."""

from __future__ import annotations

import secrets
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from attacks.attackers import _given, _run, pictures, wait
from attacks.client import Page, Server, serving
from attacks.kind import Kind, Outcome

VISITORS, PAGES, FLOOD = 20, 500, 400
WORK_S = 60.0
"""Seconds that twenty visitors use the page beside a training."""


HOURS = 3
MOST_MIB = 3000
"""What a studio with twenty visitors and a training may take, all in all: how far the training has
come when the visitors begin depends on the machine.
"""


def flood(folder: Path) -> Iterator[Outcome]:
    """One page sends hundreds of events at once; what another page waits."""
    with serving(folder / "studio") as server:
        calm, wild = Page(server.port), Page(server.port)
        before = _press(calm)
        for name, marks, most in (("one page", 1, 10), ("fifty pages", 50, 60)):
            codes: Counter[int] = Counter()
            threads = [
                threading.Thread(target=_storm, args=(wild, codes, i % marks, name))
                for i in range(FLOOD)
            ]
            for thread in threads:
                thread.start()
            time.sleep(1)
            waits = [_press(calm) for _ in range(5)]
            for thread in threads:
                thread.join()
            saw = f"another waits {max(waits):.2f} s at most, {before:.2f} s before; {dict(codes)}"
            yield Outcome(f"{FLOOD} events of {name}", min(waits) > 0 and max(waits) < most, saw)
        yield Outcome("and afterwards", 0 < _press(calm) < 3)


def _storm(page: Page, codes: Counter[int], mark: int, name: str) -> None:
    event = page.named("use_path")[0]
    body = {"data": ["/nope"], "fn_index": event["id"], "session_hash": f"{name[:3]}{mark}"}
    codes[page.post("/gradio_api/queue/join", body, timeout=120).status] += 1


def _press(page: Page) -> float:
    """Seconds until a press of a button is answered; -1 when it is not."""
    answer = page.call("keep_it", timeout=60)
    return answer.seconds if answer.ok else -1.0


def crowd(folder: Path) -> Iterator[Outcome]:
    """Twenty visitors use the page while one of them trains."""
    with serving(folder / "studio", "--public") as server:
        pages = [Page(server.port) for _ in range(VISITORS)]
        content = pictures(60)
        took = [page.call("use_upload", [_given(page.upload({"set.zip": content}).out)])
                for page in pages]  # fmt: skip
        faults = [answer.line for answer in took if not answer.ok]
        yield Outcome(
            f"{VISITORS} visitors upload the same zip", not faults, str(faults or "taken")
        )
        first = _run(pages[0], others="phase1_min_steps=1000\nphase1_epochs=30")
        yield Outcome("one trains", first.ok, first.line)
        second = _run(pages[1])
        yield Outcome("another one's training waits for its turn", second.ok, second.line)
        before = server.memory_mb()
        times: dict[str, list[float]] = {"poll": [], "ask": []}
        wrong: Counter[str] = Counter()
        threads = [
            threading.Thread(target=_visit, args=(page, times, wrong, time.monotonic() + WORK_S))
            for page in pages
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name, taken in times.items():
            taken.sort()
            saw = (
                f"{len(taken)} calls, median {statistics.median(taken):.2f} s, "
                f"95 % {taken[int(0.95 * len(taken))]:.2f} s, worst {taken[-1]:.2f} s"
            )
            yield Outcome(f"{VISITORS} pages ask ({name})", taken[int(0.95 * len(taken))] < 10, saw)
        yield Outcome("no answer failed", not wrong, str(dict(wrong)))
        states = _states(server)
        yield Outcome("one run at work at a time", states.count("running") <= 1, str(states))
        after = server.memory_mb()
        saw = f"{before} MiB when the training began, {after} MiB after"
        yield Outcome("memory", after < MOST_MIB, saw)


def _visit(page: Page, times: dict[str, list[float]], wrong: Counter[str], ends: float) -> None:
    """Ask as a page does, every 1.5 s, and label once."""
    page.call("label_now", ["cat\ndog", "embedded"])
    polls = page.named("poll")
    while time.monotonic() < ends:
        for name, event in (("ask", page.named("ask")[-1]), *(("poll", e) for e in polls)):
            answer = page.call(event, [None] * len(event["inputs"]))
            times[name].append(answer.seconds)
            if not answer.ok:
                wrong[f"{name} {answer.status} {answer.line[:60]}"] += 1
        time.sleep(1.5)


def _states(server: Server) -> list[str]:
    import json

    files = server.runs.glob("**/2*/status.json")
    return sorted(str(json.loads(file.read_text(encoding="utf-8"))["state"]) for file in files)


def memory(folder: Path) -> Iterator[Outcome]:
    """Resident memory while 500 pages are opened, and with a training beside more of them."""
    with serving(folder / "studio") as server:
        first = Page(server.port)
        for _ in range(20):  # what is made once is made
            _open(server.port)
        marks = [server.memory_mb()]
        for _ in range(5):
            for _ in range(PAGES // 5):
                _open(server.port)
            marks.append(server.memory_mb())
        grown = marks[-1] - marks[1]
        saw = f"MiB after 20, then each {PAGES // 5}: {marks}"
        yield Outcome(f"{PAGES} page loads", grown < 60, saw)
        first.call("use_upload", [_given(first.upload({"set.zip": pictures(60)}).out)])
        wait(lambda: first.call("label_now", ["cat\ndog", "embedded"]).ok, 60)
        # On a busy machine the labels take longer than any pause that one would make here.
        started = wait(lambda: _train(first), 300, every=3)
        yield Outcome("a training begins", started)
        time.sleep(30)
        marks, ends = [server.memory_mb()], time.monotonic() + 180
        while time.monotonic() < ends:
            for _ in range(10):
                _open(server.port)
            marks.append(server.memory_mb())
            time.sleep(5)
        yield _flat("3 minutes with a training and more pages", marks)


def memory_hours(folder: Path) -> Iterator[Outcome]:
    """Resident memory over three hours: one training after the other, a page every 20 seconds."""
    with serving(folder / "studio") as server:
        first = Page(server.port)
        first.call("use_upload", [_given(first.upload({"set.zip": pictures(60)}).out)])
        wait(lambda: first.call("label_now", ["cat\ndog", "embedded"]).ok, 60)
        yield Outcome("a training begins", wait(lambda: _train(first), 300, every=3))
        time.sleep(60)
        marks: list[int] = []
        trainings, began = 1, time.monotonic()
        while time.monotonic() < began + HOURS * 3600:
            _open(server.port)
            if not any(state in ("queued", "running") for state in _states(server)):
                trainings += _train(first)
            marks.append(server.memory_mb())
            if len(marks) % 45 == 0:
                minutes = (time.monotonic() - began) / 60
                print(f"{minutes:.0f} min, {trainings} trainings: {marks[-1]} MiB", flush=True)
            time.sleep(20)
        done = f"{HOURS} hours, {len(marks)} page loads and {trainings} trainings"
        yield _flat(done, marks)


def _train(page: Page) -> bool:
    """Whether a training of some minutes could be begun."""
    return _run(page, others="phase1_min_steps=2000").ok


def _flat(case: str, marks: list[int]) -> Outcome:
    """The first third of the measurements beside the last."""
    middle = statistics.median(marks[: len(marks) // 3])
    late = statistics.median(marks[-len(marks) // 3 :])
    saw = f"median MiB of the first third {middle:.0f}, of the last {late:.0f}, most {max(marks)}"
    return Outcome(case, late < middle + 100, saw)


def _open(port: int) -> None:
    """What a browser asks for when it opens the page, and its first question."""
    page = Page(port)
    page.session = secrets.token_hex(6)
    for event in page.named("poll"):
        page.call(event, [None] * len(event["inputs"]))


KINDS = [
    Kind("flood", "one page's flood of events beside another page", flood),
    Kind("crowd", "twenty visitors at once while one trains", crowd),
    Kind("memory", "500 page loads, and a training", memory),
    Kind("memory-hours", "three hours of trainings and page loads", memory_hours),
]
