from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.coft.events import Finished, Progress
from studio.coft.task import Task
from studio.errors import FolderError, RunError
from studio.runs import worker as module
from studio.runs.request import JobRequest
from studio.runs.store import RunStore
from studio.runs.worker import Worker, get_worker

WAIT_S = 120


class Gate:
    """A method that works until it is let go or told to stop; a stubborn one is not told."""

    stubborn = False

    def __init__(self) -> None:
        self.inside, self.go_on = threading.Event(), threading.Event()

    def __call__(self, task: Task) -> Iterator[Any]:
        self.inside.set()
        done = 0
        while not self.go_on.is_set() and (self.stubborn or not task.stop()):
            done += 1
            yield Progress("phase 1", min(done, 99), 100)
            time.sleep(0.01)
        zeros, ones = torch.zeros(len(task.images), dtype=torch.int64), torch.ones(len(task.images))
        yield Finished(
            labels=zeros, confidence=ones, clean_probability=ones,
            model_labels=zeros.expand(2, -1), model_clean_probability=ones.expand(2, -1),
            clean=ones > 0, top_labels=zeros[:, None], top_probabilities=ones[:, None],
            stage="phase1", stopped=task.stop(),
        )  # fmt: skip


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def worker(store: RunStore, tmp_path: Path, gate: Gate) -> Iterator[Worker]:
    worker = Worker(store, cache_dir=tmp_path / "cache")
    yield worker
    gate.go_on.set()
    worker.stop()
    assert worker.wait(WAIT_S)


@pytest.fixture
def request_(image_folder: Path, tiny_model: Path, gate: Gate, as_method) -> JobRequest:
    return JobRequest(folder=image_folder, model=str(tiny_model), method=as_method(gate))


def test_a_run_goes_on_in_the_background_to_its_end(
    worker: Worker, store: RunStore, request_: JobRequest, gate: Gate
):
    assert worker.current() is None
    id = worker.start(request_)
    assert gate.inside.wait(WAIT_S)
    assert worker.current() == id
    assert store.get(id).status()["state"] == "running"
    gate.go_on.set()
    assert worker.wait(WAIT_S)
    assert worker.current() is None
    assert store.get(id).status()["state"] == "finished"
    result = store.get(id).result()
    assert result is not None
    assert result.run == id


def test_a_second_start_is_refused_by_name_and_starts_nothing(
    worker: Worker, store: RunStore, request_: JobRequest
):
    id = worker.start(request_)
    with pytest.raises(RunError, match=id):
        worker.start(request_)
    assert [info.id for info in store.list()] == [id]


def test_of_many_clicks_at_once_one_starts(worker: Worker, store: RunStore, request_: JobRequest):
    outcomes: list[str] = []

    def click() -> None:
        try:
            outcomes.append(worker.start(request_))
        except RunError:
            outcomes.append("refused")

    threads = [threading.Thread(target=click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("refused") == 7
    assert len(store.list()) == 1


def test_stop_ends_early_and_keeps_what_was_learned(
    worker: Worker, store: RunStore, request_: JobRequest, gate: Gate
):
    worker.stop()  # nothing at work: nothing happens
    id = worker.start(request_)
    assert gate.inside.wait(WAIT_S)
    worker.stop()
    assert store.get(id).status()["state"] in ("stopping", "stopped")
    assert worker.wait(WAIT_S)
    assert store.get(id).status()["state"] == "stopped"
    result = store.get(id).result()
    assert result is not None
    assert result.stopped is True


def test_a_failed_run_makes_way_for_the_next(
    worker: Worker, store: RunStore, request_: JobRequest, as_method, gate: Gate
):
    def broken(_: Task) -> Iterator[Any]:
        yield Progress("phase 1", 1, 2)
        raise ZeroDivisionError("oh")

    as_method(broken)
    id = worker.start(request_)
    assert worker.wait(WAIT_S)
    assert store.get(id).status()["state"] == "failed"
    as_method(gate)
    assert worker.start(request_) != id


def test_a_request_that_cannot_work_is_refused_at_once(
    worker: Worker, store: RunStore, tmp_path: Path
):
    with pytest.raises(FolderError):
        worker.start(JobRequest(folder=tmp_path / "missing"))
    assert store.list() == []


def test_one_worker_for_a_folder_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_workers", {})
    monkeypatch.setattr(module, "stop_on_sigterm", lambda: None)
    monkeypatch.chdir(tmp_path)
    first = get_worker(runs_dir="runs", cache_dir=tmp_path)
    assert get_worker(runs_dir=tmp_path / "runs", cache_dir=str(tmp_path)) is first
    assert get_worker(runs_dir=tmp_path / "others", cache_dir=tmp_path) is not first


SERVES = """
import sys, time
from pathlib import Path
from studio import methods
from studio.runs import worker
from studio.runs.request import JobRequest
from tests.runs.test_worker import Gate
worker.STOP_S = float(sys.argv.pop())
gate = Gate()
gate.stubborn = bool(int(sys.argv.pop()))
methods.METHODS["scripted"] = methods.Method("scripted", "Scripted", "__main__", "gate")
folder, model, runs, cache = map(Path, sys.argv[1:])
works = worker.get_worker(runs_dir=runs, cache_dir=cache)
print(works.start(JobRequest(folder=folder, model=str(model), method="scripted")), flush=True)
gate.inside.wait(200)
print("inside", flush=True)
time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "stubborn", "stop_s", "state"),
    [
        # What a run does to end takes seconds of a processor, on a busy machine any time: it has
        # all that the test has. That it has only so much is tried with one that never ends.
        pytest.param(signal.SIGTERM, False, WAIT_S, "stopped", id="15-stopped"),
        pytest.param(signal.SIGTERM, True, 0.3, "interrupted", id="15-too-long"),
        pytest.param(signal.SIGKILL, False, WAIT_S, "interrupted", id="9-interrupted"),
    ],
)
def test_the_end_of_the_process_is_the_end_of_the_run(
    number: int, stubborn: bool, stop_s: float, state: str, store: RunStore, image_folder: Path,
    tiny_model: Path, tmp_path: Path,
):  # fmt: skip
    """SIGTERM keeps what was learned if there is time; whatever comes, nothing claims to be running
    or finished afterwards.
    """
    command = [
        sys.executable, "-c", SERVES, image_folder, tiny_model, store.root, tmp_path / "c",
        int(stubborn), stop_s,
    ]  # fmt: skip
    child = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    id = child.stdout.readline().strip()
    assert child.stdout.readline().strip() == "inside"
    assert store.get(id).status()["state"] == "running"
    os.kill(child.pid, number)
    child.wait(2 * WAIT_S)
    child.stdout.close()
    assert Worker(store, cache_dir=tmp_path).current() is None
    run = store.get(id)
    assert run.status()["state"] == state, run.status()
    assert (run.result() is not None) == (state == "stopped")


PRESSED = """
import os, signal, sys, time
from pathlib import Path
from studio.runs import worker
class Works:
    def pause(self):
        print("asked to pause", flush=True)
    def wait(self, seconds):
        assert 0 < seconds <= worker.STOP_S or again
        if again:
            os.kill(os.getpid(), signal.SIGINT)
again = len(sys.argv) > 1
signal.signal(signal.SIGINT, signal.default_int_handler)
worker._workers[Path("a"), Path("b")] = Works()
worker.stop_on_sigterm(ctrl_c=True)
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
finally:
    print("in order", flush=True)
"""


@pytest.mark.parametrize("again", [False, True])
def test_ctrl_c_of_a_server_pauses_its_run_and_pressed_again_ends_it_at_once(again: bool):
    done = subprocess.run(
        [sys.executable, "-c", PRESSED, *["again"] * again], capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    said = "asked to pause\n" + "in order\n" * (not again)
    assert (done.returncode, done.stdout) == (130, said), done.stderr
    assert "Ctrl-C again ends it at once" in done.stderr
