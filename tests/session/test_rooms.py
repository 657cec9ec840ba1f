from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.errors import ModelError, RunError, SettingsError, StudioError
from studio.runs.request import JobRequest
from studio.runs.turns import Turns
from studio.session.judging import Judging, JudgingView
from studio.session.limits import Limits, Rate
from studio.session.options import Options
from studio.session.rooms import Rooms, entered, room_of
from studio.session.session import Session
from studio.session.writer import Writer, Writing
from studio.settings import Settings


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return Rooms(Options(tmp_path / "runs", tmp_path / "cache", public=True, limits=Limits()))


def fill(session: Session, images: Path) -> None:
    session.data.use_folder(images, source="upload")
    session.data.wait(100)
    session.data.set_inputs("zebra\nhorse")


def test_two_visitors_share_nothing(rooms: Rooms, image_folder: Path) -> None:
    mine, other = rooms.room("a"), rooms.room("b")
    fill(mine, image_folder)
    assert mine.data.state.names == ["zebra", "horse"]
    assert other.data.state.names_text == ""
    assert other.data.state.folder is None
    for name in ("data", "prompts", "writer", "store", "selections", "tasks", "pictures"):
        assert getattr(mine, name) is not getattr(other, name)
    assert mine.options.cache_dir != other.options.cache_dir
    assert mine.store.root != other.store.root
    picture = mine.pictures.small(mine.data.state.folder, mine.data.state.canvases, 0)  # type: ignore[arg-type]
    assert any(Path(picture).is_relative_to(p) for p in rooms.served("a"))
    assert not any(Path(picture).is_relative_to(p) for p in [*rooms.served("b"), *rooms.served("")])
    assert rooms.room("a") is mine
    assert "a" not in {path.name for path in (rooms.options.cache_dir / "rooms").iterdir()}


def test_a_run_of_another_room_is_not_there(rooms: Rooms) -> None:
    run = rooms.room("a").store.create(
        name="x", method="coft", model="embedded", folder="/", class_names=["a", "b"]
    )
    run.set_status(state="finished")
    assert rooms.room("a").store.get(run.id).id == run.id
    for ask in (rooms.room("b").store.get, rooms.room("b").store.delete, rooms.room("b").reader):
        with pytest.raises(RunError, match="no run"):
            ask(run.id)
    assert rooms.room("b").newest() is None


def test_whoever_is_answered_is_told_by_the_thread(rooms: Rooms) -> None:
    assert rooms.here() is rooms.lobby
    seen: dict[str, Session] = {}

    def ask(visitor: str) -> None:
        with entered(visitor):
            time.sleep(0.05)
            seen[visitor] = rooms.here()

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"a": rooms.room("a"), "b": rooms.room("b")}
    assert rooms.here() is rooms.lobby


def test_a_room_is_taken_up_again_and_deleted_when_nobody_comes(
    tmp_path: Path, image_folder: Path
) -> None:
    now = [time.time()]
    options = Options(tmp_path / "runs", tmp_path / "cache", public=True, limits=Limits())
    rooms = Rooms(options, clock=lambda: now[0])
    fill(rooms.room("a"), image_folder)
    again = Rooms(options, clock=lambda: now[0])  # after a start of the studio
    again.room("a").data.wait(100)
    assert again.room("a").data.state.names == ["zebra", "horse"]
    folder = again.room("a").options.cache_dir
    now[0] += 3600 * 5
    again.sweep()
    assert folder.is_dir()
    now[0] += 3600 * 2
    again.room("b")
    again.sweep()
    assert not folder.exists()
    assert again.room("b").options.cache_dir.exists()
    assert again.room("a").data.state.names == []


@pytest.mark.parametrize(
    ("of", "view"), [(Judging, JudgingView(busy=True)), (Writer, Writing(busy=True))]
)
def test_a_room_in_which_a_model_is_asked_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: type, view: object
) -> None:
    now = [time.time()]
    options = Options(tmp_path / "runs", tmp_path / "cache", public=True, limits=Limits())
    rooms = Rooms(options, clock=lambda: now[0])
    here = rooms.room("a")
    here.options.cache_dir.mkdir(parents=True, exist_ok=True)
    now[0] += 3600 * 100
    with monkeypatch.context() as patch:
        patch.setattr(of, "view", property(lambda _self: view))
        rooms.sweep()
        assert here.options.cache_dir.exists()
    rooms.sweep()
    assert not here.options.cache_dir.exists()


def test_what_an_earlier_start_left_is_deleted_too(rooms: Rooms) -> None:
    old = rooms.options.cache_dir / "rooms" / room_of("gone")
    (old / "uploads").mkdir(parents=True)
    os.utime(old, (1, 1))
    rooms.sweep()
    assert not old.exists()
    assert rooms.lobby.options.cache_dir.exists()


def test_there_are_only_so_many_rooms(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.session.rooms.MOST", 3)
    folders = [rooms.room(str(i)).options.cache_dir for i in range(5)]
    rooms.sweep()
    ends = time.monotonic() + 10  # one that began by itself may be at it still
    while folders[1].exists() and time.monotonic() < ends:
        time.sleep(0.01)
    assert [folder.exists() for folder in folders] == [False, False, True, True, True]


# The device ---------------------------------------------------------------------------------------


def test_the_device_is_taken_in_turns() -> None:
    turns, order = Turns(waiting=2), list[str]()
    first_in, all_there = threading.Event(), threading.Event()

    def work(name: str) -> None:
        with turns.taken(lambda: False):
            order.append(name)
            first_in.set()
            all_there.wait(60)  # however slow the machine is

    threads = []
    for name in ("a", "b", "c"):
        threads.append(threading.Thread(target=work, args=(name,)))
        threads[-1].start()
        first_in.wait(5)
        while turns.ahead < len(threads):
            time.sleep(0.001)
    with pytest.raises(RunError, match="3 others"):
        turns.check()
    all_there.set()
    for thread in threads:
        thread.join()
    assert order == ["a", "b", "c"]
    turns.check()


def test_whoever_is_stopped_while_they_wait_goes_on_at_once_to_hear_it() -> None:
    turns = Turns()
    with turns.taken(lambda: False), turns.taken(lambda: True) as stopping:
        assert stopping()
    assert turns.ahead == 0


def test_a_turn_ends(rooms: Rooms) -> None:
    now = [0.0]
    with Turns(seconds=60, clock=lambda: now[0]).taken(lambda: False) as stopping:
        assert not stopping()
        now[0] = 61
        assert stopping()
    assert rooms.room("a").worker.turns is rooms.room("b").worker.turns


# Limits -------------------------------------------------------------------------------------------


def request(**settings: Any) -> JobRequest:
    return JobRequest(Path("/"), class_names=("a", "b"), settings=Settings.from_dict(settings))


def test_what_costs_memory_or_time_has_a_limit() -> None:
    limits = Limits()
    limits.check_request(request())
    limits.check_request(request(phase1_epochs=limits.epochs))
    with pytest.raises(SettingsError) as caught:
        limits.check_request(request(phase1_epochs=31, contrast_queue=10**12, micro_batch=10**9))
    assert all(n in str(caught.value) for n in ("phase1_epochs", "contrast_queue", "micro_batch"))
    # Whole numbers without a limit of their own must have one here.
    open_ended = {
        f.name for f in Settings.__dataclass_fields__.values()
        if f.type == "int" and f.metadata.get("high") is None
    }  # fmt: skip
    small = {"seed", "n_ctx", "n_visual_tokens", "adapted_stages"}
    at_most_all_images = {"epoch_images"}
    assert open_ended - small - at_most_all_images <= set(limits.most)


@pytest.mark.parametrize("name", ["/etc", "../x", "ViT-B-32=/etc/passwd", "hf-hub:a/b", "", "x:y"])
def test_only_models_of_the_list(name: str, rooms: Rooms) -> None:
    with pytest.raises(ModelError, match="one of"):
        Limits().check_model(name)
    if name:
        with pytest.raises(ModelError):
            Limits().check_request(request(phase2_model=name))
    session = rooms.room("a")
    session.data._set(folder=SimpleNamespace())
    if name:
        with pytest.raises(ModelError):
            session.data.label("a\nb", name)


def test_runs_an_hour(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    rate = Rate(2, clock=lambda: now[0])
    for _ in range(2):
        rate.check()
        rate.count()
        now[0] += 60
    with pytest.raises(RunError, match=r"2 runs an hour .* 58 minutes"):
        rate.check()
    now[0] += 3500
    rate.check()
    session = rooms.room("a")
    started: list[JobRequest] = []
    monkeypatch.setattr(session.worker, "start", lambda r: started.append(r) or str(len(started)))
    for _ in range(6):
        session.start(request())
    with pytest.raises(StudioError, match="6 runs an hour"):
        session.start(request())
    assert len(started) == 6


def test_the_page_says_what_is_checked() -> None:
    limits = Limits(
        images=11, megabytes=12, megapixels=13, room_megabytes=14, classes=15, epochs=16,
        minutes=17, an_hour=18, kept_hours=19,
    )  # fmt: skip
    text = " ".join(limits.sentences())
    assert all(str(number) in text for number in range(11, 20))
