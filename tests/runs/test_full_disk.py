"""The disk fills up at any moment of a run: one line, a true state, and the next run starts."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio import files
from studio.errors import RunError, StudioError, WriteError
from studio.runs import inputs, work
from studio.runs.job import run_job
from studio.runs.request import JobRequest, create_run
from studio.runs.store import Run, RunStore
from studio.runs.worker import Worker
from studio.settings import Settings
from tests.runs.conftest import create

LINE = "the disk is full: no room is left in the folder for runs"


class Disk:
    """A disk that is full from some moment on; what was written before stays."""

    def __init__(self) -> None:
        self.full: list[Path] = []

    def check(self, path: Path) -> None:
        if any(path.is_relative_to(folder) for folder in self.full):
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk()
    mkstemp, write = files.tempfile.mkstemp, files._write_whole

    def full_mkstemp(*args: Any, **options: Any) -> Any:
        made.check(Path(options["dir"]))
        return mkstemp(*args, **options)

    def full_write(file: Any, data: bytes) -> None:
        made.check(Path(file.name))
        write(file, data)

    monkeypatch.setattr(files.tempfile, "mkstemp", full_mkstemp)
    monkeypatch.setattr(files, "_write_whole", full_write)
    return made


@pytest.fixture
def request_(image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any]) -> JobRequest:
    settings = Settings(**quick_settings)
    return JobRequest(folder=image_folder, model=str(tiny_model), settings=settings)


def never() -> bool:
    return False


MOMENTS = [
    "loading the model", "reading images", "encoding images", "ZeroShot", "SeedSet", "phase 1",
    "Monitor", "Judged", "phase 2", "Checkpoint", "labelling", "Finished",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_on_a_full_disk_fails_with_one_line(
    moment: str, request_: JobRequest, store: RunStore, disk: Disk, cache: Path
):
    run = create_run(request_, store)

    def watch(status: Any) -> None:
        if str(status["stage"]).startswith(moment):
            disk.full = [store.root]

    def listen(event: Any) -> None:
        if type(event).__name__ == moment:
            disk.full = [store.root]

    with pytest.raises(StudioError, match=LINE) as caught:
        run_job(request_, run, cache_dir=cache, stop=never, watch=watch, listen=listen)
    assert disk.full, "the moment came"
    assert "\n" not in str(caught.value)
    for reader in (run, Run(run.path)):
        status = reader.status()
        assert (status["state"], status["reason"]) == ("failed", str(caught.value))
    assert [info.state for info in RunStore(store.root).list()] == ["failed"]
    assert not list(run.path.rglob("*.tmp"))

    with pytest.raises(WriteError, match=LINE):
        create_run(request_, store)
    assert [path.name for path in store.root.iterdir() if path.is_dir()] == [run.id]
    disk.full = []
    create(store).set_status(state="finished")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("full-disk-cache")


def test_the_end_is_known_even_where_nothing_can_be_written(
    store: RunStore, run: Run, disk: Disk, monkeypatch: pytest.MonkeyPatch
):
    run.set_status(state="running")
    monkeypatch.setattr(files, "_write_over", lambda *_: False)
    disk.full = [store.root]
    run.ask_to_stop()  # is not shown, and harms nothing
    run.set_status(state="failed", reason="the disk is full")
    assert Run(run.path).status()["state"] == "failed"
    assert store.active() is None
    disk.full = []
    assert store.active() is None
    assert '"failed"' in (run.path / "status.json").read_text()
    assert Run._unwritten == {}


def test_a_full_cache_costs_time_and_not_the_run(
    request_: JobRequest, store: RunStore, disk: Disk, tmp_path: Path
):
    right = run_job(request_, create_run(request_, store), cache_dir=tmp_path / "b", stop=never)
    disk.full = [tmp_path / "a"]
    result = run_job(request_, create_run(request_, store), cache_dir=tmp_path / "a", stop=never)
    assert result.accuracy == right.accuracy
    assert not list((tmp_path / "a").rglob("*.safetensors"))
    assert list((tmp_path / "b").rglob("*.safetensors"))


def test_a_cache_that_cannot_be_written_is_said_and_costs_time_only(
    request_: JobRequest, store: RunStore, tmp_path: Path
):
    (tmp_path / "file").write_text("in the way")
    run = create_run(request_, store)
    result = run_job(request_, run, cache_dir=tmp_path / "file", stop=never)
    assert result.images == 36
    warnings = [event["message"] for event in run.events()[0] if event["kind"] == "warned"]
    assert any("decoded anew whenever they are needed" in text for text in warnings)


def test_the_room_that_a_run_needs_is_asked_for_before_any_image_is_read(
    request_: JobRequest, store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("studio.room.free_bytes", lambda _: 1_000_000)
    monkeypatch.setattr(inputs, "prepare", lambda *_, **__: pytest.fail("an image was read"))
    run = create_run(request_, store)
    said = r"a run over \d+ images needs about .* MB in .*, and 1\.0 MB are free"
    with pytest.raises(RunError, match=said):
        run_job(request_, run, cache_dir=tmp_path, stop=never)
    assert run.status()["state"] == "failed"


def test_a_worker_goes_on_after_a_full_disk(
    request_: JobRequest, store: RunStore, disk: Disk, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    worker = Worker(store, cache_dir=cache)
    real = work.check

    def check(request: JobRequest) -> Any:
        disk.full = [store.root]
        return real(request)

    monkeypatch.setattr(work, "check", check)
    first = worker.start(request_)
    assert worker.wait(60)
    assert store.get(first).status()["state"] == "failed"
    monkeypatch.setattr(work, "check", real)
    worker.stop()
    disk.full = []
    second = worker.start(request_)
    assert worker.wait(300)
    assert store.get(second).status()["state"] == "finished"
