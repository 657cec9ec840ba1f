"""A run that several processes share, over gloo: as one has it, paused, and one of them killed."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from studio import processes
from studio.cli import main
from studio.processes import MEETING, MISSING, launched
from studio.ranks import Ranks
from studio.runs.job import run_job
from studio.runs.request import JobRequest, create_run
from studio.runs.resume import take_up
from studio.runs.run import Run
from studio.runs.store import RunStore
from studio.settings import Settings
from tests.conftest import QUICK_SETTINGS

ROOT = Path(__file__).resolve().parents[1]

needs_accelerate = pytest.mark.skipif(
    not processes.installed("accelerate"), reason="Accelerate is not installed"
)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("warm")


@pytest.fixture
def alone(image_folder: Path, tiny_model: Path, warm: Path, tmp_path: Path) -> Callable[..., Run]:
    """The same run, by one process: this one."""

    def work(method: str, **changes: Any) -> Run:
        settings = Settings(**{**QUICK_SETTINGS, **changes})
        request = JobRequest(
            folder=image_folder, model=str(tiny_model), method=method, settings=settings
        )
        run = create_run(request, RunStore(tmp_path / "alone"))
        run_job(request, run, cache_dir=warm, stop=lambda: False)
        return run

    return work


class Shared:
    """The command line at work on a run with several processes."""

    def __init__(self, *arguments: str, number: int, forked: bool, folder: Path) -> None:
        self._runs = folder / "shared"
        how = ("-c", FORKED, str(number), "fit") if forked else ("-m", "studio", "fit")
        several = () if forked else (f"--processes={number}",)
        self.process = subprocess.Popen(
            [sys.executable, *how, *arguments, *several, "--cache", str(folder / "cache")],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    @property
    def run(self) -> Run:
        return RunStore(self._runs).find("latest")

    @property
    def helpers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in children.read_text().split()]

    def wait_for(self, done: Callable[[], bool]) -> None:
        until = time.monotonic() + 60
        while not done():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)

    def end(self) -> tuple[int, str]:
        """The exit code, and the last line on stderr."""
        self.process.wait(timeout=60)
        assert self.process.stderr is not None
        return self.process.returncode, self.process.stderr.read().strip().splitlines()[-1]


@pytest.fixture
def shared(image_folder: Path, tiny_model: Path, tmp_path: Path) -> Iterator[Callable[..., Shared]]:
    """Starts the same run with so many processes, and an empty cache, so that all is shared."""
    begun: list[Shared] = []

    def start(number: int, *more: str, forked: bool = False, **changes: Any) -> Shared:
        if "--resume" not in more:
            settings = [f"--set={k}={v}" for k, v in {**QUICK_SETTINGS, **changes}.items()]
            runs, model = str(tmp_path / "shared"), str(tiny_model)
            more = (str(image_folder), *more, *settings, "--model", model, "--runs", runs)
        begun.append(Shared(*more, number=number, forked=forked, folder=tmp_path))
        return begun[-1]

    yield start
    for own in begun:
        own.process.kill()
        own.process.communicate()


def outcome(run: Run) -> dict[str, Tensor]:
    (line,) = [event for event in run.events()[0] if event["kind"] == "finished"]
    return run.arrays(line["arrays"])


def steps(run: Run, phase: int) -> list[dict[str, Any]]:
    return [e for e in run.events()[0] if e["kind"] == "step" and e["phase"] == phase]


def _files(run: Run) -> set[str]:
    return {str(file.relative_to(run.path)) for file in run.path.rglob("*") if file.is_file()}


def gone(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{number}/stat").read_text().split(") ")[1].startswith("Z")


FORKED = """
import os, sys, tempfile
from studio.cli import main
from studio.imports import import_torch
import_torch()
import accelerate, studio.runs.helping
from studio.runs import work
number, arguments = int(sys.argv[1]), sys.argv[2:]
os.environ.update(
    STUDIO_MEETING=tempfile.mkdtemp(), WORLD_SIZE=str(number), LOCAL_WORLD_SIZE=str(number)
)
for rank in range(number - 1, -1, -1):
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
    if rank == 0 or os.fork() == 0:
        code = main(arguments)
        sys.stdout.flush()
        os._exit(code)
"""
"""As a launcher starts them, but that all together import what takes five seconds once."""


@needs_accelerate
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forks")
def test_four_processes_share_batches_and_agree_with_one_up_to_rounding(
    alone: Callable[..., Run], shared: Callable[..., Shared]
) -> None:
    """Two rounds and the contrast of CoFT+; the last batch of an epoch has fewer rows than ranks
    have parts of one row.
    """
    # AdamW's first step has one length, whatever the gradient's: rounding would show at full size.
    plus = {"rounds": 2, "contrast_weight": 0.5, "phase2_batch": 7, "phase1_batch": 5,
            "phase2_optimizer": "sgd", "phase2_lr": 0.01}  # fmt: skip
    work = shared(4, "--method", "coft+", forked=True, **plus)
    assert work.end()[0] == 0
    one = alone("coft+", **plus)
    expected, found = outcome(one), outcome(work.run)
    assert torch.equal(found["labels"], expected["labels"])
    assert torch.equal(found["clean"], expected["clean"])
    torch.testing.assert_close(
        found["top_probabilities"], expected["top_probabilities"], atol=1e-3, rtol=1e-2
    )
    for phase, model in itertools.product((1, 2), (0, 1)):
        mine, its = (
            [step for step in steps(run, phase) if step["model"] == model][-1]
            for run in (work.run, one)
        )
        assert mine["step"] == its["step"] == mine["steps"]
        assert mine["parts"] == pytest.approx(its["parts"], rel=1e-3, abs=1e-5)


@needs_accelerate
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_a_run_is_paused_and_one_of_its_processes_killed_and_goes_on_each_time(
    alone: Callable[..., Run], shared: Callable[..., Shared], tmp_path: Path
) -> None:
    many = {"phase2_epochs": 20, "phase2_batch": 6}
    work = shared(2, **many)
    work.wait_for(lambda: bool(work.helpers and RunStore(tmp_path / "shared").list()))
    run = work.run
    work.wait_for(lambda: len(steps(run, 2)) >= 1)
    helpers = work.helpers
    work.process.send_signal(signal.SIGTERM)
    assert work.end()[0] == 130
    assert run.status()["state"] == "stopped"
    assert "paused at" in str(run.status()["reason"])
    assert all(map(gone, helpers))

    done = run.path.joinpath("events.jsonl").stat().st_size
    again = shared(2, "--resume", str(run.path))
    again.wait_for(lambda: run.path.joinpath("events.jsonl").stat().st_size > done)
    (helper,) = again.helpers
    os.kill(helper, signal.SIGKILL)
    code, said = again.end()
    assert code == 2
    assert said.startswith("error: process 2 of 2 ended (killed by signal 9)")
    assert run.status()["state"] == "failed"

    request, taken = take_up(RunStore(tmp_path / "shared"), run.id)
    run_job(request, taken, cache_dir=tmp_path / "cache", stop=lambda: False, resumed=True)
    one = alone("coft", **many)
    expected = outcome(one)
    for name, found in outcome(run).items():
        assert torch.equal(found, expected[name]), name
    assert _files(run) == _files(one), "somebody else than the writer has written"


def test_without_accelerate_one_line_says_what_to_install(
    image_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "installed", lambda _: False)
    assert main(["fit", str(image_folder), "--processes", "2"]) == 2
    assert capsys.readouterr().err.endswith(f"error: {MISSING}\n")


@pytest.mark.parametrize("number", ["0", "-2", "5000"])
def test_a_number_of_processes_that_makes_no_sense_is_refused(
    image_folder: Path, capsys: pytest.CaptureFixture[str], number: str
) -> None:
    assert main(["fit", str(image_folder), f"--processes={number}"]) == 2
    assert f"--processes is {number}" in capsys.readouterr().err


def test_a_device_that_all_would_share_is_refused(
    image_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "installed", lambda _: True)
    monkeypatch.setattr("studio.clip.device.device_name", lambda: "cuda:1")
    assert main(["fit", str(image_folder), "--processes", "2"]) == 2
    assert "each process has a GPU of its own" in capsys.readouterr().err
    monkeypatch.setattr("studio.clip.device.device_name", lambda: "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert main(["fit", str(image_folder), "--processes", "2"]) == 2
    assert "2 processes need as many GPUs, and there are 1 here" in capsys.readouterr().err


def test_a_launcher_is_known_by_what_it_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", MEETING):
        monkeypatch.delenv(name, raising=False)
    assert not launched()
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert not launched(), "some clusters set these for every program"
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    assert launched()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not launched()


class Listening(Ranks):
    """One process that writes down what it would say to others."""

    number = 2

    def __init__(self) -> None:
        self.said: list[Any] = []

    def same(self, value: Any) -> Any:
        self.said.append(value)
        return value


def test_methods_that_share_encoding_alone_let_the_others_go(
    image_folder: Path, tiny_model: Path, warm: Path, tmp_path: Path
) -> None:
    request = JobRequest(
        folder=image_folder, model=str(tiny_model), method="zero-shot", settings=Settings()
    )
    ranks = Listening()
    run = create_run(request, RunStore(tmp_path))
    run_job(request, run, cache_dir=warm, stop=lambda: False, ranks=ranks)
    about, _missing, told = ranks.said
    assert (about["folder"], about["models"]) == (str(image_folder), [str(tiny_model), ""])
    assert told == {"method": None}
