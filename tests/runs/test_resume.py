"""Runs that were cut off, stopped or paused, and go on: to the same bytes as without a break."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from studio.coft.events import Event, Judged, Step
from studio.errors import FolderError, ModelError, RunError, WriteError
from studio.prompts.prompt_set import PromptSet
from studio.runs import checkpoints, records
from studio.runs.given import Correction
from studio.runs.job import JobPaused, run_job
from studio.runs.reader import RunReader
from studio.runs.request import JobRequest, create_run
from studio.runs.resume import obstacle, take_up, what_to_do
from studio.runs.store import REQUEST_FILE, Run, RunStore
from studio.settings import Settings


@pytest.fixture(scope="module")
def request_(image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any]) -> JobRequest:
    return JobRequest(
        folder=image_folder, model=str(tiny_model),
        settings=Settings(**{**quick_settings, "phase2_epochs": 2}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resume-cache")


@pytest.fixture(autouse=True, scope="module")
def _always() -> Iterator[None]:
    """A checkpoint at every step, and every step in events.jsonl, whatever time it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "EVERY_S", 0.0)
        patch.setattr(checkpoints, "BETWEEN_S", 0.0)
        patch.setattr(checkpoints, "SHARE", 1e9)
        patch.setattr(records, "STEP_INTERVAL_S", 0.0)
        yield


@pytest.fixture(scope="module")
def alone(
    request_: JobRequest, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory, _always: None
) -> dict[str, Any]:
    """What a run comes to without a break."""
    run = create_run(request_, RunStore(tmp_path_factory.mktemp("alone")))
    run_job(request_, run, cache_dir=cache_dir, stop=never)
    return content(run)


def never() -> bool:
    return False


class Cut(BaseException):
    """Stands for a kill: nothing of the job's own comes after it."""


def cut_at(which: Callable[[Event], bool]) -> Callable[[Event], None]:
    def listen(event: Event) -> None:
        if which(event):
            raise Cut

    return listen


def step_of(phase: int, step: int, model: int = 1) -> Callable[[Event], bool]:
    return lambda event: (
        isinstance(event, Step) and (event.phase, event.step, event.model) == (phase, step, model)
    )


def cut(
    request: JobRequest, store: RunStore, cache_dir: Path, which: Callable[[Event], bool]
) -> Run:
    run = create_run(request, store)
    with pytest.raises(Cut):
        run_job(request, run, cache_dir=cache_dir, stop=never, listen=cut_at(which))
    assert run.status()["state"] == "interrupted"
    return run


def resumed(run: Run, cache_dir: Path, **more: Any) -> None:
    request, run = take_up(RunStore(run.path.parent), run.id)
    run_job(request, run, cache_dir=cache_dir, resumed=True, **{"stop": never, **more})


def content(run: Run) -> dict[str, Any]:
    """Everything that a run says, but for when it was said, and what the cache made unnecessary."""
    files = {
        str(path.relative_to(run.path)): path.read_bytes()
        for folder in ("arrays", "model", "checkpoints/phase1")
        for path in sorted((run.path / folder).rglob("*"))
        if path.is_file()
    }
    events = [
        {k: v for k, v in line.items() if k != "time"}
        for line in run.events()[0]
        if line.get("stage") not in ("reading images", "encoding images")
    ]
    result = json.loads((run.path / "result.json").read_text())
    for name in ("run", "seconds"):
        result.pop(name)
    return {"files": files, "events": events, "result": result}


@pytest.mark.slow
def test_a_run_that_was_cut_off_ends_with_the_same_bytes(
    request_: JobRequest, store: RunStore, cache_dir: Path, alone: dict[str, Any]
) -> None:
    for which in (
        lambda event: type(event).__name__ == "ZeroShot",  # no checkpoint yet
        step_of(1, 3),
        lambda event: isinstance(event, Judged),
        step_of(2, 2),
        lambda event: type(event).__name__ == "Finished",
    ):
        run = cut(request_, store, cache_dir, which)
        reader = RunReader(run)  # follows it from before it goes on
        reader.refresh()
        resumed(run, cache_dir)
        assert content(run) == alone
        assert run.status()["state"] == "finished"
        assert not list((run.path / "checkpoints").glob("state-*")), "a run that is over needs none"
        reader.refresh()
        fresh = RunReader(run)
        fresh.refresh()
        assert reader.curves.loss == fresh.curves.loss
        assert len(reader.warnings) == len(fresh.warnings)


@pytest.mark.slow
def test_a_stopped_run_has_labels_and_goes_on_all_the_same(
    request_: JobRequest, store: RunStore, cache_dir: Path, alone: dict[str, Any]
) -> None:
    run = create_run(request_, store)
    seen: list[Event] = []
    result = run_job(
        request_, run, cache_dir=cache_dir, listen=seen.append,
        stop=lambda: any(map(step_of(1, 3), seen)),
    )  # fmt: skip
    assert (result.stopped, result.stage) == (True, "phase1")
    assert run.status()["state"] == "stopped"
    resumed(run, cache_dir)
    assert content(run) == alone


@pytest.mark.slow
def test_a_paused_run_ends_at_once_and_goes_on(
    request_: JobRequest, store: RunStore, cache_dir: Path, alone: dict[str, Any]
) -> None:
    run = create_run(request_, store)

    def pause_at(which: Callable[[Event], bool]) -> dict[str, Any]:
        return {
            "listen": lambda event: seen.extend([event] if which(event) else []),
            "pause": lambda: bool(seen),
        }

    for place in ((1, 2, 1), (2, 1, 1)):
        seen: list[Event] = []
        more = pause_at(step_of(*place))
        if place[0] == 2:
            work = partial(resumed, run, cache_dir, **more)
        else:
            work = partial(run_job, request_, run, cache_dir=cache_dir, stop=never, **more)
        with pytest.raises(JobPaused, match=f"--resume {run.id} goes on"):
            work()
        last = [e for e in run.events()[0] if e["kind"] == "step"][-1]
        assert (last["phase"], last["step"], last["model"]) == place, "it trained on"
        status = run.status()
        assert status["state"] == "stopped"
        assert str(status["reason"]).startswith("paused at step")
        assert run.result() is None
        assert f"--resume {run.id} goes on" in what_to_do(run)
    resumed(run, cache_dir)
    assert content(run) == alone


@pytest.mark.parametrize("method", ["together", "transclip"])
def test_a_pause_never_ends_what_keeps_no_states_early(
    request_: JobRequest, store: RunStore, cache_dir: Path, method: str
) -> None:
    """Also where it is asked for while an event is being reported, and then heard as a stop."""
    request, seen = dataclasses.replace(request_, method=method), list[Event]()
    run = create_run(request, store)

    def listen(event: Event) -> None:
        seen.extend([event] if getattr(event, "stage", "") == "labelling together" else [])

    with pytest.raises(JobPaused, match=f"--resume {run.id} goes on"):
        run_job(
            request, run, cache_dir=cache_dir, stop=never, listen=listen,
            pause=lambda: len(seen) >= 3,
        )  # fmt: skip
    assert run.result() is None
    resumed(run, cache_dir)
    result = run.result()
    assert result is not None
    assert not result.stopped


def test_a_request_comes_back_whole(image_folder: Path, tiny_model: Path, store: RunStore) -> None:
    paths = sorted(str(p.relative_to(image_folder)) for p in image_folder.rglob("*.png"))
    request = JobRequest(
        folder=image_folder, class_names=("red square", "other"), aliases={"red_square": "other"},
        method="coft+", model=str(tiny_model), settings=Settings(k=3, seed=4),
        prompts=PromptSet(("a {}",), {"other": ("x",)}), test_folder=image_folder, name="n",
        corrections={paths[0]: Correction("rejected"), paths[1]: Correction("accepted", "other")},
        labels={paths[2]: "other"}, follow_links=True,
    )  # fmt: skip
    run = create_run(request, store)
    run.set_status(state="interrupted")
    found, again = take_up(store, run.id)
    assert found == request
    assert again.status()["state"] == "queued"
    run.set_status(state="interrupted")


def test_runs_that_cannot_go_on_say_why(
    request_: JobRequest, store: RunStore, tmp_path: Path
) -> None:
    run = create_run(request_, store)
    assert "still at work" in obstacle(run)
    assert what_to_do(run) == "wait for its end"
    run.set_status(state="finished")
    assert "nothing left to do" in obstacle(run)
    run.set_status(state="failed", reason="the disk is full")
    assert obstacle(run) == ""
    (run.path / REQUEST_FILE).rename(tmp_path / REQUEST_FILE)
    assert "the version that made it kept no checkpoints" in obstacle(run)
    assert f"runs --command {run.id}" in what_to_do(run)
    with pytest.raises(RunError, match="kept no checkpoints"):
        take_up(store, run.id)
    (run.path / REQUEST_FILE).write_text('{"corrections": {"a": {"no": 1}}, "labels": {}}')
    with pytest.raises(RunError, match=r"damaged: request\.json"):
        take_up(store, run.id)
    assert run.status()["state"] == "failed"
    other = create_run(dataclasses.replace(request_, method="upl"), store)
    other.set_status(state="interrupted")
    assert "the method upl keeps no checkpoints" in obstacle(other)


@pytest.mark.slow
def test_images_or_a_model_that_changed_meanwhile_end_it_and_nothing_is_lost(
    request_: JobRequest, store: RunStore, cache_dir: Path, tmp_path: Path, image_folder: Path,
    other_tiny_model: Path,
) -> None:  # fmt: skip
    import shutil

    own = tmp_path / "images"
    shutil.copytree(image_folder, own)
    request = dataclasses.replace(request_, folder=own)
    run = cut(request, store, cache_dir, step_of(2, 2))
    before = (run.path / "events.jsonl").read_bytes()
    one = next(own.rglob("*.png"))
    kept = one.read_bytes()
    one.unlink()
    with pytest.raises(FolderError, match=r"have changed .*1 image gone.*runs --command"):
        take_up(store, run.id)
    one.write_bytes(kept)
    with pytest.raises(FolderError, match="some were written to"):
        take_up(store, run.id)
    assert run.status()["state"] == "interrupted"
    assert (run.path / "events.jsonl").read_bytes() == before

    run = cut(request, store, cache_dir, step_of(2, 2))
    before = (run.path / "events.jsonl").read_bytes()
    run.update_info(model=str(other_tiny_model))
    with pytest.raises(ModelError, match="not the one that it began with"):
        resumed(run, cache_dir)
    assert (run.path / "events.jsonl").read_bytes() == before
    assert run.status()["state"] == "failed"


@pytest.mark.slow
def test_a_damaged_checkpoint_makes_way_for_the_one_before(
    request_: JobRequest, store: RunStore, cache_dir: Path, alone: dict[str, Any]
) -> None:
    run = cut(request_, store, cache_dir, step_of(2, 3))
    states = sorted((run.path / "checkpoints").glob("state-*.json"))
    assert len(states) == checkpoints.KEPT
    number = states[-1].stem
    (tensors,) = (run.path / "checkpoints").glob(f"{number}-phase2.safetensors")
    tensors.write_bytes(tensors.read_bytes()[:-1])
    saved = checkpoints.latest(run)
    assert saved is not None
    before = json.loads(states[0].read_text())
    assert saved.events == before["events"]
    resumed(run, cache_dir)
    assert content(run) == alone

    run = cut(request_, store, cache_dir, step_of(2, 3))
    for path in (run.path / "checkpoints").glob("state-*.json"):
        value = json.loads(path.read_text())
        value["parts"]["phase2"]["values"]["tuners"] = []
        path.write_text(json.dumps(value))
    with pytest.raises(RunError, match="its last checkpoint does not fit it"):
        resumed(run, cache_dir)


@pytest.mark.slow
def test_a_run_does_without_checkpoints_where_the_disk_takes_none(
    request_: JobRequest, store: RunStore, cache_dir: Path, alone: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def full(*_: Any) -> None:
        raise WriteError("the disk is full", number=28, reason="full", folder=store.root)

    monkeypatch.setattr(checkpoints, "replace_file", full)
    run = create_run(request_, store)
    run_job(request_, run, cache_dir=cache_dir, stop=never)
    found = content(run)
    said = [line for line in found["events"] if "No checkpoint can be kept" in str(line)]
    assert len(said) == 1, "once is enough"
    assert "the disk is full" in said[0]["message"]
    found["events"].remove(said[0])
    assert found == alone


def test_checkpoints_cost_little_time_and_no_room_of_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    import torch

    from studio.coft.events import FitPart, FitState

    monkeypatch.setattr(checkpoints, "EVERY_S", 60.0)
    monkeypatch.setattr(checkpoints, "BETWEEN_S", 10.0)
    monkeypatch.setattr(checkpoints, "SHARE", 0.05)
    kept = checkpoints.Checkpoints(run, clock=clock)
    clock.now += 9
    assert not kept.due(True)
    clock.now += 1
    assert kept.due(True)
    assert not kept.due(False)
    clock.now += 50
    assert kept.due(False)
    state = FitState("a", {"a": FitPart({"x": torch.arange(3)}, {"y": {"tensor": "x"}})})

    def slow(*_: Any, **__: Any) -> None:
        clock.now += 7

    monkeypatch.setattr(checkpoints, "_flushed", lambda _: slow() or 0)
    assert kept.write(state, seconds=1.0, made_with={})
    clock.now += 139
    assert not kept.due(False), "writing takes more than a twentieth of the time"
    clock.now += 1
    assert kept.due(False)
    first = sorted(p.name for p in (run.path / "checkpoints").iterdir())
    (run.path / "checkpoints" / ".state-0002-a.safetensors.x.tmp").touch()  # of a killed process
    assert kept.write(state, seconds=2.0, made_with={})
    assert sorted(p.name for p in (run.path / "checkpoints").iterdir()) == sorted(
        [*first, "state-0002.json"]
    ), "a part that has not changed is written once"
    full = checkpoints.Checkpoints(run, reserve=1 << 60)
    assert not full.write(state, seconds=1.0, made_with={})
    assert "the disk is too full" in full.failed
    found = checkpoints.latest(run)
    assert found is not None
    assert found.state.parts["a"].tensors["x"].tolist() == [0, 1, 2]
    assert found.seconds == 2.0
