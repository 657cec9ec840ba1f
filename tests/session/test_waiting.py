"""While images are decoded nobody else waits, and the first of them can be seen already."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.errors import FolderError
from studio.images import decoding_many, preparing
from studio.images.arriving import MOST
from studio.session import session as session_module
from studio.session.dataset import DataSet
from studio.session.opened import open_run
from studio.session.session import Session
from studio.session.source import AT_HAND, OpenedRun
from tests.session.test_dataset import labeller


class Gate:
    """Something that is entered, and goes on when the test says so."""

    def __init__(self) -> None:
        self.entered, self.open, self.times = threading.Event(), threading.Event(), 0

    def wait(self) -> None:
        self.times += 1
        self.entered.set()
        assert self.open.wait(60)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


def started(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(work()), daemon=True)
    thread.start()
    return thread, answers


def test_nobody_waits_while_a_slow_folder_is_opened(
    shared: Session, run_id: str, tmp_path: Path, image_folder: Path, gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    real, slow = preparing.prepare, tmp_path / "slow"
    shutil.copytree(image_folder, slow)

    def prepare(root: Path, **more: Any) -> Any:
        if root == slow:
            gate.wait()
        return real(root, **more)

    monkeypatch.setattr(session_module, "prepare", prepare)
    first, folders = started(lambda: shared.open_folder(slow))
    assert gate.entered.wait(60)
    second, same = started(lambda: shared.open_folder(slow))

    def others() -> str:
        """Everything that pages ask for."""
        reader = shared.reader(run_id)
        assert shared.outcome(reader) is not None
        assert shared.outcomes(reader)
        assert shared.result(run_id)
        opened = open_run(shared, run_id)
        assert opened.picture(0)
        assert opened.large_picture(0)
        assert open_run(shared, AT_HAND).picture(1)
        shared.corrections(OpenedRun(run_id)).current()
        shared.corrections(AT_HAND).current()
        assert shared.data.state.preview is not None
        assert shared.chosen(None) == run_id
        shared.open_folder(image_folder)
        shared.forget("another run")
        return "answered"

    asked, answers = started(others)
    asked.join(60)
    assert answers == ["answered"], "somebody waited for the slow folder"
    assert not gate.open.is_set()
    assert (folders, same) == ([], [])
    gate.open.set()
    first.join(60)
    second.join(60)
    assert len(folders[0][0].images) == 36
    assert folders[0] is same[0], "the second one waited for the first"
    assert gate.times == 1


def test_polling_goes_on_while_a_slow_folder_is_opened(
    shared: Session, run_id: str, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gradio as gr

    from studio.ui.data.tab import DataTab
    from studio.ui.train.tab import TrainTab
    from tests.ui.conftest import page

    data, train = DataTab(shared), TrainTab(shared)
    with gr.Blocks():
        data.build(["embedded"])
        train.build(["embedded"], gr.Textbox())

    def prepare(root: Path, **more: Any) -> Any:
        gate.wait()
        raise FolderError("never opened")

    monkeypatch.setattr(session_module, "prepare", prepare)

    def slow() -> None:
        with pytest.raises(FolderError):
            shared.open_folder(tmp_path)

    started(slow)
    assert gate.entered.wait(60)
    asked, answers = started(lambda: [data.parts({}, page()), train.parts({}, run_id, page())])
    asked.join(60)
    assert len(answers) == 1


def test_the_first_images_are_seen_while_the_rest_is_read(
    session: Session, image_folder: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, done = decoding_many.square, []

    def slow(file: Path, **more: Any) -> Any:
        if file.stem == "11":  # one in each of the three folders
            gate.wait()
        pixels = real(file, **more)
        done.append(file)
        return pixels

    monkeypatch.setattr(decoding_many, "square", slow)
    monkeypatch.setattr(preparing, "_PROGRESS_EVERY_S", 0.0)
    data = session.data
    seen: list[int] = []
    follow = data._follow

    def watch(task: Any) -> None:
        follow(task)
        arriving = data.state.arriving
        if arriving is not None and len(arriving):
            seen.append(len(arriving))
            there.set()

    there = threading.Event()
    monkeypatch.setattr(data, "_follow", watch)
    data.use_folder(image_folder)
    assert there.wait(60)
    assert gate.entered.wait(60)
    state = data.state
    assert state.folder is None, "it is not read yet"
    assert state.busy == "Reading the images"
    assert state.arriving is not None
    arriving = state.arriving
    assert 0 < len(arriving) == len(arriving.folder.images) < 36
    assert arriving.folder.root == image_folder.resolve()
    address = session.pictures.small(arriving.folder, arriving, 0)
    assert address.endswith(".jpg")
    gate.open.set()
    data.wait()
    state = data.state
    assert (state.error, state.arriving) == ("", None)
    assert state.folder is not None
    assert state.canvases is not None
    assert seen == sorted(seen)
    first = [image.path for image in state.folder.images].index(arriving.folder.images[0].path)
    # The same file: what was shown early is not made again.
    assert session.pictures.small(state.folder, state.canvases, first) == address
    assert arriving.image(0).tobytes() == state.canvases.image(first).tobytes()


def test_only_the_first_images_are_held_in_memory(tmp_path: Path, image_folder: Path) -> None:
    from studio.images.arriving import Arriving
    from studio.images.folder import ImageFile

    arriving, pixels = Arriving.none_of(tmp_path), decoding_many.square(
        next(image_folder.rglob("*.png")), size=8, max_pixels=10**6
    )  # fmt: skip
    for number in range(MOST + 20):
        arriving = arriving.with_image(ImageFile(f"{number}.png", 1, 1), pixels)
    assert len(arriving) == len(arriving.folder.images) == MOST


def test_what_was_read_before_does_not_arrive_again(tmp_path: Path, image_folder: Path) -> None:
    arrived: list[str] = []

    def prepare() -> None:
        preparing.prepare(
            image_folder, cache_dir=tmp_path, arrived=lambda file, _: arrived.append(file.path)
        )

    prepare()
    assert len(arrived) == len(set(arrived)) == 36
    prepare()
    assert len(arrived) == 36


def test_nothing_is_left_of_a_folder_that_was_stopped_while_it_was_read(
    tmp_path: Path, image_folder: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = decoding_many.square

    def slow(file: Path, **more: Any) -> Any:
        if file.stem == "5":
            gate.wait()
        return real(file, **more)

    monkeypatch.setattr(decoding_many, "square", slow)
    data = DataSet(tmp_path / "cache", labeller=labeller)
    data.use_folder(image_folder)
    assert gate.entered.wait(60)
    data.stop()
    gate.open.set()
    data.wait()
    state = data.state
    assert (state.busy, state.error, state.arriving, state.folder) == ("", "", None, None)


@pytest.mark.slow
def test_nothing_grows_with_the_number_of_pages(shared: Session, run_id: str) -> None:
    def page_load() -> None:
        for source in (run_id, AT_HAND):
            opened = open_run(shared, source)
            opened.picture(0)
            shared.selections.put(source=opened.source, indices=range(36), text="all")
        shared.result(run_id)
        shared.corrections(OpenedRun(run_id)).current()
        shared.chosen(run_id)

    for _ in range(300):
        page_load()
    before = sizes(shared)
    for _ in range(300):
        page_load()
    assert sizes(shared) == before


def sizes(session: Session) -> dict[str, int]:
    """How much every part of the session holds."""
    parts = {"session": session, "data": session.data, "prompts": session.prompts,
             "selections": session.selections, "tasks": session.tasks}  # fmt: skip
    return {
        f"{name}.{key}": len(value)
        for name, part in parts.items()
        for key, value in vars(part).items()
        if hasattr(value, "__len__") and not isinstance(value, str)
    } | {"threads": len([t for t in threading.enumerate() if t.name in ("data", "verdict")])}
