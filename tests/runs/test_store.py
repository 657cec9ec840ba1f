from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from studio.errors import RunError, StudioError
from studio.runs import run as run_module
from studio.runs.store import Run, RunStore
from tests.runs.conftest import create

AT = datetime(2026, 11, 21, 20, 53, 12, tzinfo=timezone.utc)


def test_a_run_is_called_by_time_name_and_method(store: RunStore):
    run = create(store, name="Meine Fotos / Größe", class_names=["a", "b"], seed=3, now=lambda: AT)
    run.set_status(state="finished")
    assert run.id == "20261121-205312-meine-fotos-gr-e-coft"
    info = store.get(run.id).info
    assert (info.name, info.seed, info.class_names) == ("Meine Fotos / Größe", 3, ("a", "b"))
    assert (info.state, info.truth_known) == ("finished", None)


def test_runs_of_the_same_second_differ_and_are_listed_newest_first(store: RunStore):
    ids = []
    for second in (1, 1, 2):
        run = create(store, now=lambda second=second: AT.replace(second=second))
        run.set_status(state="finished")
        ids.append(run.id)
    assert len(set(ids)) == 3
    assert [info.id for info in store.list()] == ids[::-1]


def test_of_a_run_that_has_ended_only_what_changed_is_read_again(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
):
    run = create(store, name="one")
    run.set_status(state="running")
    read: list[str] = []
    real = run_module.load_object
    monkeypatch.setattr(
        run_module, "load_object", lambda path: read.append(path.name) or real(path)
    )

    def listed() -> tuple[str, str, bool]:
        read.clear()
        (info,) = store.list()
        return info.name, info.state, bool(read)

    assert listed() == ("one", "running", True)
    assert listed() == ("one", "running", True), "while it is at work its state may change"
    run.set_status(state="finished")
    assert listed() == ("one", "finished", True)
    assert listed() == ("one", "finished", False)
    run.rename("two")
    assert listed() == ("two", "finished", True)
    assert listed() == ("two", "finished", False)
    store.delete(run.id)
    assert store.list() == []


def test_a_folder_without_runs_lists_none(tmp_path: Path):
    assert RunStore(tmp_path / "nowhere").list() == []
    assert not (tmp_path / "nowhere").exists()


def test_what_is_no_run_is_passed_over(store: RunStore, run: Run):
    (store.root / "notes").mkdir()
    (store.root / "20261121-205312-empty-coft").mkdir()
    (store.root / "20261121-205313-file-coft").write_text("no folder")
    assert [info.id for info in store.list()] == [run.id]


def test_a_torn_run_is_listed_as_damaged_and_can_be_deleted(store: RunStore, run: Run):
    torn = store.root / "20261121-205313-torn-coft"
    torn.mkdir()
    (torn / "run.json").write_text('{"id": "2026')
    assert [(info.id, info.state, info.damage) for info in store.list()] == [
        (run.id, "queued", ""),
        (torn.name, "damaged", "run.json is no JSON"),
    ]
    with pytest.raises(RunError, match=r"torn-coft is damaged: run\.json is no JSON"):
        _ = store.get(torn.name).info
    store.delete(torn.name)
    assert not torn.exists()


@pytest.mark.parametrize("id", ["", "..", "../x", "20261121-205312-a/../b", "20261121-205312-zz-x"])
def test_an_unknown_id_is_refused(store: RunStore, run: Run, id: str):
    with pytest.raises(RunError, match="no run"):
        store.get(id)


def test_what_is_no_run_is_called_what_it_is(store: RunStore, run: Run, tmp_path: Path):
    assert store.find(str(run.path)).id == run.id
    (tmp_path / "photos").mkdir()
    (tmp_path / "labels.csv").write_text("path,label\n")
    for text, told in (
        ("photos", "is a folder, but no run's"), ("labels.csv", "is a file, and no run"),
        ("gone.csv", "no run .*, and no such file"),
    ):  # fmt: skip
        with pytest.raises(RunError, match=told):
            store.find(str(tmp_path / text), others="and no such file")


def test_a_second_run_is_refused_by_the_name_of_the_first(store: RunStore, run: Run):
    with pytest.raises(RunError, match=run.id):
        create(store)
    run.set_status(state="failed")
    again = create(store)
    again.set_status(state="finished")


def test_a_run_at_work_is_not_deleted_and_a_finished_one_is_gone(store: RunStore, run: Run):
    with pytest.raises(RunError, match="still at work"):
        store.delete(run.id)
    run.set_status(state="finished")
    store.delete(run.id)
    assert store.list() == []
    assert not list(store.root.glob(f"*{run.id}*"))  # no part of it, under no other name
    with pytest.raises(RunError, match="no run"):
        store.get(run.id)


def test_a_folder_that_cannot_be_written_is_an_error_of_the_user(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="cannot write to the folder for runs"):
        create(RunStore(tmp_path / "file" / "runs"))


WORKS = """
import sys, time
from studio.runs.store import RunStore
run = RunStore(sys.argv[1]).create(name="child", method="coft", model="m", folder="/f")
run.set_status(state="running", stage="phase 1", eta_seconds=60.0)
run.append({"kind": "warned", "message": "hello"})
print(run.id, flush=True)
time.sleep(60)
"""


@pytest.fixture
def other_process(store: RunStore):
    """Another process that works on a run of the store, and the run's id."""
    child = subprocess.Popen(
        [sys.executable, "-c", WORKS, str(store.root)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    yield child, child.stdout.readline().strip()
    child.kill()
    child.wait()
    child.stdout.close()


def test_another_processes_run_is_seen_at_work_and_holds_the_place(store: RunStore, other_process):
    _, id = other_process
    assert store.get(id).status()["state"] == "running"
    assert store.active() == id
    with pytest.raises(RunError, match=id):
        create(store)


def test_a_run_whose_process_was_killed_is_interrupted(store: RunStore, other_process):
    child, id = other_process
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    (info,) = store.list()
    assert (info.id, info.state) == (id, "interrupted")
    status = store.get(id).status()
    assert "phase 1" in (status["reason"] or "")
    assert status["eta_seconds"] is None
    assert store.get(id).events()[0][0]["message"] == "hello"
    assert store.get(id).result() is None
    create(store).set_status(state="finished")  # and the place is free


def test_a_process_killed_while_creating_a_run_leaves_nothing_in_the_way(store: RunStore):
    hidden = store.root / f".new-{AT:%Y%m%d-%H%M%S}-my-photos-coft"
    hidden.mkdir(parents=True)
    (hidden / "run.json").write_text("{")
    run = create(store, now=lambda: AT)
    run.set_status(state="finished")
    assert [info.id for info in store.list()] == [run.id]
