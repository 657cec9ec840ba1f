from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import FolderError, StudioError
from studio.ui.preview import Preview, label_images
from studio.ui.workspace import Workspace


def labeller(**asked: Any) -> Preview:
    n = len(asked["folder"].images)
    return Preview(
        class_names=tuple(asked["class_names"]), model=asked["model"],
        labels=np.zeros(n, np.int64), confidence=np.ones(n, np.float32), verdict="", level="",
        accuracy=None,
    )  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path, image_folder: Path) -> Workspace:
    return Workspace(
        tmp_path / "cache", labeller=labeller, draw=lambda cache, progress: image_folder
    )


def test_one_press_draws_scans_and_labels(workspace: Workspace) -> None:
    workspace.use_demo()
    workspace.wait()
    view = workspace.view
    assert view.error == ""
    assert view.source == "demo"
    assert view.folder is not None
    assert len(view.folder.images) == 36
    assert len(view.folder.refused) == 1
    assert view.names == ["blue line", "green circle", "red square"]
    assert view.preview is not None
    assert not view.stale


def test_a_new_start_finds_everything_again(workspace: Workspace) -> None:
    workspace.use_demo()
    workspace.wait()
    workspace.label("red\ngreen\nblue", "other")
    workspace.wait()
    again = Workspace(workspace.cache_dir, labeller=labeller)
    again.restore()
    again.wait()
    assert again.view.names == ["red", "green", "blue"]
    assert again.view.model == "other"
    assert again.view.preview is not None
    assert again.view.source == "demo"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version": 1, "path": 7}', '{"version": 1, "path": "/no/such/folder"}',
     '{"version": 99, "names_text": "a"}'],
)  # fmt: skip
def test_a_damaged_or_outdated_file_is_passed_over(workspace: Workspace, text: str) -> None:
    workspace.cache_dir.mkdir(parents=True)
    (workspace.cache_dir / "workspace.json").write_text(text)
    workspace.restore()
    workspace.wait()
    assert workspace.view.folder is None
    assert workspace.view.busy == ""


def test_a_second_task_is_refused_by_name_while_one_runs(
    tmp_path: Path, image_folder: Path
) -> None:
    gate = threading.Event()

    def draw(cache: Path, progress: Callable[[int, int], None]) -> Path:
        progress(1, 2)
        gate.wait(20)
        return image_folder

    workspace = Workspace(tmp_path / "cache", labeller=labeller, draw=draw)
    workspace.use_demo()
    with pytest.raises(StudioError, match="drawing the demo set"):
        workspace.use_folder(image_folder)
    gate.set()
    workspace.wait()
    assert workspace.view.busy == ""
    assert workspace.view.folder is not None


def test_stop_ends_the_task_without_an_error(tmp_path: Path, image_folder: Path) -> None:
    entered = threading.Event()

    def draw(cache: Path, progress: Callable[[int, int], None]) -> Path:
        while True:  # until progress says that the user stopped
            progress(1, 2)
            entered.set()

    workspace = Workspace(tmp_path / "cache", labeller=labeller, draw=draw)
    workspace.use_demo()
    assert entered.wait(20)
    workspace.stop()
    workspace.wait(20)
    assert (workspace.view.busy, workspace.view.error) == ("", "")
    workspace.draw = lambda cache, progress: image_folder
    workspace.use_demo()
    workspace.wait()
    assert workspace.view.preview is not None


def test_what_goes_wrong_is_said_in_one_line(workspace: Workspace, tmp_path: Path) -> None:
    workspace.use_folder(tmp_path / "nowhere")
    workspace.wait()
    assert "no folder" in workspace.view.error
    assert workspace.view.busy == ""


def test_a_bug_does_not_leave_the_page_busy(workspace: Workspace) -> None:
    def broken(**asked: Any) -> Preview:
        raise ZeroDivisionError("secret detail")

    workspace.labeller = broken
    workspace.use_demo()
    workspace.wait()
    assert workspace.view.busy == ""
    assert workspace.view.error
    assert "secret detail" not in workspace.view.error
    assert workspace.view.folder is not None  # what was read before is not lost


def test_labelling_needs_images_and_two_names(workspace: Workspace, image_folder: Path) -> None:
    with pytest.raises(FolderError, match="images first"):
        workspace.label("a\nb", "embedded")
    workspace.use_folder(image_folder)
    workspace.wait()
    with pytest.raises(FolderError, match="two class names"):
        workspace.label("just one", "embedded")


def test_new_names_make_the_labels_stale(workspace: Workspace) -> None:
    workspace.use_demo()
    workspace.wait()
    workspace.set_inputs("cat\ndog", "embedded")
    assert workspace.view.stale
    workspace.set_inputs("blue line\ngreen circle\nred square", "embedded")
    assert not workspace.view.stale
    workspace.set_inputs("blue line\ngreen circle\nred square", "another")
    assert workspace.view.stale


def test_names_are_kept_when_the_same_folder_is_read_again(
    workspace: Workspace, image_folder: Path
) -> None:
    workspace.use_folder(image_folder)
    workspace.wait()
    workspace.set_inputs("cat\ndog", "embedded")
    workspace.use_folder(image_folder)
    workspace.wait()
    assert workspace.view.names == ["cat", "dog"]


def test_what_is_saved_is_small_and_plain(workspace: Workspace) -> None:
    workspace.use_demo()
    workspace.wait()
    saved = json.loads((workspace.cache_dir / "workspace.json").read_text())
    assert set(saved) == {
        "version", "path", "source", "names_text", "model", "labelled", "prompts", "wish"
    }  # fmt: skip
    assert not list(workspace.cache_dir.glob("*.tmp"))


def test_aliases_come_from_tabbed_lines(workspace: Workspace) -> None:
    workspace.set_inputs("n01\tcat\nn02\tdog", "embedded")
    assert workspace.view.names == ["cat", "dog"]
    assert workspace.view.aliases == {"n01": "cat", "n02": "dog"}


def test_the_preview_labels_as_a_run_starts(
    image_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    from studio.folder import truth
    from studio.pixels import prepare

    folder, canvases = prepare(image_folder, cache_dir=tmp_path)
    names = ["red square", "green circle", "blue line"]
    told: list[tuple[str, int, int]] = []

    def preview() -> Preview:
        return label_images(
            folder=folder, canvases=canvases, class_names=names, model=str(tiny_model),
            cache_dir=tmp_path, report=lambda *line: told.append(line), stop=lambda: False,
            truth=truth(folder, names),
        )  # fmt: skip

    first = preview()
    assert first.labels.shape == first.confidence.shape == (36,)
    assert sum(first.counts()) == 36
    assert first.accuracy == pytest.approx((first.labels == truth(folder, names)).mean())
    best = first.best(int(first.labels[0]), 3)
    assert (np.diff(first.confidence[best]) <= 0).all()
    assert any(total == 36 for _, _, total in told)
    told.clear()
    again = preview()  # from the cache: nothing is encoded
    assert not any(total for _, _, total in told)
    assert (again.labels == first.labels).all()

    guess = first.estimate  # as a run that starts from here makes it
    assert guess is not None
    assert guess.z == first.z is not None
    assert guess.low <= guess.accuracy <= guess.high
    assert first.sight is not None
    edited = first.sight.label(names, first.prompts, truth=None)
    assert edited.estimate is not None, "an edit is answered before it is judged"
    assert edited.estimate.z is None
    assert edited.estimate.low <= 1 / 3
