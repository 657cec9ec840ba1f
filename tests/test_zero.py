"""A Space on ZeroGPU hardware, with a stand-in for what lends the GPU."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from studio.clip.device import VARIABLE, device_name
from studio.errors import ModelError
from studio.runs import slice_job
from studio.runs.reader import RunReader
from studio.runs.request import JobRequest
from studio.runs.run import Run
from studio.runs.slices import Slice
from studio.runs.store import RunStore
from studio.runs.worker import Worker
from studio.session.limits import ON_LENT_GPU, Limits
from studio.session.options import Options
from studio.session.rooms import Rooms
from studio.settings import Settings
from studio.zero import AROUND, is_zero, slices_of_runs

STAND_INS = Path(__file__).parent / "stand_ins"
ALONE = "STUDIO_TEST_ALONE"
"""Set where this file's test has a process of its own."""


@pytest.fixture
def spaces(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The stand-in, on what looks like such a Space."""
    monkeypatch.setenv("SPACE_ID", "ann/coft")
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.syspath_prepend(str(STAND_INS))
    monkeypatch.delitem(sys.modules, "spaces", raising=False)
    yield importlib.import_module("spaces")
    sys.modules.pop("spaces", None)


def monitors(run: Path) -> int:
    """How many epochs a run has told of."""
    file = run / "events.jsonl"
    return file.read_text().count('"kind":"monitor"') if file.is_file() else 0


def labels(run: Run) -> Any:
    reader = RunReader(run)
    reader.refresh()
    outcome = reader.final()
    assert outcome is not None
    return outcome.labels.tolist(), outcome.clean_probability.tolist()


@pytest.fixture
def asked(image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any]) -> JobRequest:
    settings = {**quick_settings, "phase1_epochs": 6, "monitor_images": 8}
    return JobRequest(
        folder=image_folder, class_names=("red square", "green circle", "blue line"),
        model=str(tiny_model), settings=Settings.from_dict(settings),
    )  # fmt: skip


@pytest.mark.slow
def test_a_run_that_is_cut_off_in_a_slice_ends_as_if_nothing_had_happened() -> None:
    """Lending forks: from a process that has the threads of all other tests it may never end."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{__file__}::test_alone"],
        env={**os.environ, ALONE: "1", "PYTEST_ADDOPTS": ""}, capture_output=True, text=True,
        check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


def cut_off_in_a_slice(
    spaces: ModuleType, asked: JobRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent = slices_of_runs()
    assert lent is not None
    assert spaces.decorated == ["lent"]
    assert os.environ[VARIABLE] == "cpu"  # of this process, which has no GPU
    worker = Worker(RunStore(tmp_path / "runs"), cache_dir=tmp_path / "cache")
    worker.slices = lent
    folder = lambda: next(path for path in (tmp_path / "runs").iterdir() if path.is_dir())  # noqa: E731
    # The first slice is over after two epochs; the second is cut off in its second epoch.
    monkeypatch.setattr(slice_job, "time", SimpleNamespace(
        monotonic=lambda: 1e9 * (len(spaces.loans) == 1 and monitors(folder()) >= 2)
    ))  # fmt: skip

    def cut_off(process: Any) -> None:
        while monitors(folder()) < 4 and process.is_alive():
            time.sleep(0.01)
        process.kill()

    seen = tmp_path / "imported"

    def watched(slice: Slice, work: Any = slice_job.work_slice) -> Any:
        before = set(sys.modules)
        try:
            return work(slice)
        finally:
            with seen.open("a") as file:
                file.writelines(f"{name}\n" for name in sorted(set(sys.modules) - before))

    monkeypatch.setattr(slice_job, "work_slice", watched)
    said = []
    spaces.plan[:] = [lambda _: None, cut_off, lambda _: said.append(worker.current())]
    run_id = worker.start(asked)
    assert worker.wait(300)
    run = worker.store.get(run_id)
    assert run.status()["state"] == "finished", run.status()
    assert spaces.loans == [lent.seconds + AROUND] * 3
    assert said == [run_id]
    plain = Worker(RunStore(tmp_path / "plain"), cache_dir=tmp_path / "cache")
    whole = plain.start(asked)
    assert plain.wait(300)
    assert labels(run) == labels(plain.store.get(whole))
    # Another thread may be importing the same while the process is forked.
    assert not seen.read_text(), "the forked process had something left to import"
    assert worker.store.active() is None
    worker.start(asked)  # the folder is free again
    worker.stop()
    assert worker.wait(300)


if ALONE in os.environ:
    test_alone = cut_off_in_a_slice


def test_without_such_hardware_nothing_is_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert not is_zero()
    assert slices_of_runs() is None
    for known, zero in (
        ({"SPACE_ID": "a/b"}, False), ({"SPACES_ZERO_GPU": "1"}, False),
        ({"SPACE_ID": "a/b", "SPACES_ZERO_GPU": "false"}, False),
        ({"SPACE_ID": "a/b", "SPACES_ZERO_GPU": "1"}, True),
    ):  # fmt: skip
        assert is_zero(known) is zero, known
    monkeypatch.setenv("SPACE_ID", "ann/coft")
    monkeypatch.setenv("SPACES_ZERO_GPU", "1")
    monkeypatch.setitem(sys.modules, "spaces", None)
    assert slices_of_runs() is None  # the package is not there


def test_every_room_shares_the_lent_gpu_and_limits_say_so(
    spaces: ModuleType, tmp_path: Path
) -> None:
    lent = slices_of_runs()
    options = Options(tmp_path / "runs", tmp_path / "cache", public=True, limits=ON_LENT_GPU,
                      slices=lent)  # fmt: skip
    rooms = Rooms(options)
    assert rooms.room("ann").worker.slices is lent
    text = " ".join(ON_LENT_GPU.sentences())
    assert "An upload may have 500 images" in text
    assert "lends the GPU for about 40 seconds at a time" in text
    assert lent is not None
    assert lent.seconds == ON_LENT_GPU.slice_seconds
    assert "lends" not in " ".join(Limits().sentences())


def test_the_demo_set_is_small_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio import demo
    from studio.session.dataset import DataSet

    drawn = []
    monkeypatch.setattr(
        demo, "draw", lambda folder, *, per_class, progress: drawn.append(per_class)
    )
    data = DataSet(tmp_path, limits=ON_LENT_GPU)
    monkeypatch.setattr(data, "_scan", lambda *_, **__: None)
    monkeypatch.setattr(data, "_check", lambda *_: None)
    monkeypatch.setattr(data, "_label", lambda *_: None)
    data.use_demo()
    data.wait()
    assert drawn == [12]
    assert 12 * len(demo.DEMO_CLASSES) == 132
    assert (tmp_path / "demo-1-12").is_dir()


def test_the_environment_names_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "cpu")
    assert device_name() == "cpu"
    assert device_name("meta") == "meta"
    for wrong in ("quantum", "cuda:99"):
        monkeypatch.setenv(VARIABLE, wrong)
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        with pytest.raises(ModelError, match=wrong):
            device_name()
    monkeypatch.delenv(VARIABLE)
    assert device_name() == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert device_name() == "cuda"
