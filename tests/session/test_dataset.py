from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.errors import FolderError, StudioError
from studio.images.preparing import prepare
from studio.progress import Progress, never
from studio.runs.first_labels import LABELLING, Preview, label_images
from studio.session import dataset
from studio.session.dataset import DataSet


def labeller(**asked: Any) -> Preview:
    n = len(asked["folder"].images)
    return Preview(
        class_names=tuple(asked["class_names"]), model=asked["model"],
        labels=np.zeros(n, np.int64), confidence=np.ones(n, np.float32), verdict="", level="",
        accuracy=None,
    )  # fmt: skip


@pytest.fixture
def data(tmp_path: Path, image_folder: Path) -> DataSet:
    return DataSet(tmp_path / "cache", labeller=labeller, draw=lambda cache, progress: image_folder)


def test_one_press_draws_scans_and_labels(data: DataSet) -> None:
    data.use_demo()
    data.wait()
    view = data.state
    assert view.error == ""
    assert view.source == "demo"
    assert view.folder is not None
    assert len(view.folder.images) == 36
    assert len(view.folder.refused) == 1
    assert view.names == ["blue line", "green circle", "red square"]
    assert view.preview is not None
    assert not view.stale


def test_a_new_start_finds_everything_again(data: DataSet) -> None:
    data.use_demo()
    data.wait()
    data.label("red\ngreen\nblue", "other")
    data.wait()
    again = DataSet(data.cache_dir, labeller=labeller)
    again.restore()
    again.wait()
    assert again.state.names == ["red", "green", "blue"]
    assert again.state.model == "other"
    assert again.state.preview is not None
    assert again.state.source == "demo"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version": 1, "path": 7}', '{"version": 1, "path": "/no/such/folder"}',
     '{"version": 99, "names_text": "a"}'],
)  # fmt: skip
def test_a_damaged_or_outdated_file_is_passed_over(data: DataSet, text: str) -> None:
    data.cache_dir.mkdir(parents=True)
    (data.cache_dir / "workspace.json").write_text(text)
    data.restore()
    data.wait()
    assert data.state.folder is None
    assert data.state.busy == ""


def test_a_second_task_is_refused_by_name_while_one_runs(
    tmp_path: Path, image_folder: Path
) -> None:
    gate = threading.Event()

    def draw(cache: Path, progress: Callable[[int, int], None]) -> Path:
        progress(1, 2)
        gate.wait(20)
        return image_folder

    data = DataSet(tmp_path / "cache", labeller=labeller, draw=draw)
    data.use_demo()
    with pytest.raises(StudioError, match="drawing the demo set"):
        data.use_folder(image_folder)
    gate.set()
    data.wait()
    assert data.state.busy == ""
    assert data.state.folder is not None


def test_stop_ends_the_task_without_an_error(tmp_path: Path, image_folder: Path) -> None:
    entered = threading.Event()

    def draw(cache: Path, progress: Callable[[int, int], None]) -> Path:
        while True:  # until progress says that the user stopped
            progress(1, 2)
            entered.set()

    data = DataSet(tmp_path / "cache", labeller=labeller, draw=draw)
    data.use_demo()
    assert entered.wait(20)
    data.stop()
    data.wait(20)
    assert (data.state.busy, data.state.error) == ("", "")
    data.draw = lambda cache, progress: image_folder
    data.use_demo()
    data.wait()
    assert data.state.preview is not None


def test_what_goes_wrong_is_said_in_one_line(data: DataSet, tmp_path: Path) -> None:
    data.use_folder(tmp_path / "nowhere")
    data.wait()
    assert "no folder" in data.state.error
    assert data.state.busy == ""


def test_a_bug_does_not_leave_the_page_busy(data: DataSet) -> None:
    def broken(**asked: Any) -> Preview:
        raise ZeroDivisionError("secret detail")

    data.labeller = broken
    data.use_demo()
    data.wait()
    assert data.state.busy == ""
    assert data.state.error
    assert "secret detail" not in data.state.error
    assert data.state.folder is not None  # what was read before is not lost


def test_labelling_needs_images_and_two_names(data: DataSet, image_folder: Path) -> None:
    with pytest.raises(FolderError, match="images first"):
        data.label("a\nb", "embedded")
    data.use_folder(image_folder)
    data.wait()
    with pytest.raises(FolderError, match="two class names"):
        data.label("just one", "embedded")


def test_new_names_make_the_labels_stale(data: DataSet) -> None:
    data.use_demo()
    data.wait()
    data.set_inputs("cat\ndog", "embedded")
    assert data.state.stale
    data.set_inputs("blue line\ngreen circle\nred square", "embedded")
    assert not data.state.stale
    data.set_inputs("blue line\ngreen circle\nred square", "another")
    assert data.state.stale


def test_names_are_kept_when_the_same_folder_is_read_again(
    data: DataSet, image_folder: Path
) -> None:
    data.use_folder(image_folder)
    data.wait()
    data.set_inputs("cat\ndog", "embedded")
    data.use_folder(image_folder)
    data.wait()
    assert data.state.names == ["cat", "dog"]


def test_names_that_are_typed_while_a_folder_is_read_stay(
    data: DataSet, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were lost when it had been read."""
    copy = Path(shutil.copytree(image_folder, tmp_path / "copy"))

    def read(*arguments: Any, **options: Any) -> Any:
        data.set_inputs("cat\ndog")
        return prepare(*arguments, **options)

    data.set_inputs("of the folder before")
    data.use_folder(image_folder)
    data.wait()
    assert data.state.names == ["blue line", "green circle", "red square"], "these are another's"
    monkeypatch.setattr(dataset, "prepare", read)
    data.use_folder(copy)
    data.wait()
    assert data.state.names == ["cat", "dog"]


def test_what_is_saved_is_small_and_plain(data: DataSet) -> None:
    data.use_demo()
    data.wait()
    saved = json.loads((data.cache_dir / "workspace.json").read_text())
    assert set(saved) == {
        "version", "path", "source", "names_text", "model", "labelled", "prompts", "llm_form",
        "follow_links",
    }  # fmt: skip
    assert not list(data.cache_dir.glob("*.tmp"))


def test_aliases_come_from_tabbed_lines(data: DataSet) -> None:
    data.set_inputs("n01\tcat\nn02\tdog", "embedded")
    assert data.state.names == ["cat", "dog"]
    assert data.state.aliases == {"n01": "cat", "n02": "dog"}


def test_the_preview_labels_as_a_run_starts(
    image_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    from studio.images.folder import truth
    from studio.images.preparing import prepare

    folder, canvases = prepare(image_folder, cache_dir=tmp_path)
    names = ["red square", "green circle", "blue line"]
    told: list[tuple[str, int, int]] = []

    def begin(text: str) -> Progress:
        return lambda done, total: told.append((text, done, total))

    def preview() -> Preview:
        return label_images(
            folder=folder, canvases=canvases, class_names=names, model=str(tiny_model),
            cache_dir=tmp_path, begin=begin, stop=never,
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
    assert {text for text, _, total in told if total} == {LABELLING}
    assert (again.labels == first.labels).all()

    guess = first.estimate  # as a run that starts from here makes it
    assert guess is not None
    assert first.evidence is not None
    assert guess.z == first.evidence.z is not None
    assert guess.low <= guess.accuracy <= guess.high
    assert first.encoded is not None
    edited = first.encoded.label(names, first.prompts, truth=None)
    assert edited.estimate is not None, "an edit is answered before it is judged"
    assert edited.estimate.z is None
    assert edited.estimate.low <= 1 / 3


def ranker(**asked: Any) -> Any:
    from studio.runs.which_model import Ranked

    return Ranked(3, tuple(asked["class_names"]), asked["prompts"].only(asked["class_names"]), ())


def test_models_at_hand_are_ranked_and_the_ranking_goes_with_what_it_is_about(
    data: DataSet, image_folder: Path
) -> None:
    asked: dict[str, Any] = {}

    def ask(**what: Any) -> Any:
        asked.update(what)
        return ranker(**what)

    data.ranker, data.at_hand = ask, lambda chosen: ["embedded", chosen]
    with pytest.raises(FolderError, match="images first"):
        data.rank("a\nb", "mine")
    data.use_demo()
    data.wait()
    with pytest.raises(FolderError, match="two class names"):
        data.rank("just one", "mine")
    names = data.state.names_text
    data.rank(names, "mine")
    data.wait()
    assert data.state.error == ""
    assert asked["models"] == ["embedded", "mine"]
    assert len(asked["truth"]) == 36
    assert data.state.ranked is not None
    assert data.state.ranked.class_names == tuple(data.state.names)
    assert not data.state.ranked_stale
    assert data.state.preview is not None, "the labels stay"
    data.set_inputs("cat\ndog")
    assert data.state.ranked_stale
    data.set_inputs(names)
    assert not data.state.ranked_stale
    data.use_folder(image_folder)
    data.wait()
    assert data.state.ranked is None


def test_two_readings_of_sub_folders_can_be_chosen_between(tmp_path: Path) -> None:
    for side in ("photo", "sketch"):
        for name in ("cat", "dog", "cow"):
            (tmp_path / "in" / side / name).mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(tmp_path / "in" / side / name / "1.png")
    data = DataSet(tmp_path / "cache", labeller=labeller)
    data.use_folder(tmp_path / "in")
    data.wait()
    assert data.state.classes.doubt
    assert data.state.names == ["cat", "cow", "dog"]
    data.read_as("no")
    assert data.state.names == ["photo", "sketch"]
    assert data.state.classes.doubt, "the choice can be changed again"
    data.read_as("yes")
    assert data.state.names == ["cat", "cow", "dog"]
    assert "photo, sketch" in data.state.classes.sentence


def test_links_are_followed_where_that_is_allowed_and_asked(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "store.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "1.png")
    (tmp_path / "in" / "2.png").symlink_to(tmp_path / "store.png")
    for allowed in (True, False):
        data = DataSet(tmp_path / f"cache {allowed}", labeller=labeller, links_allowed=allowed)
        for asked in (True, False):
            data.use_folder(tmp_path / "in", follow_links=asked)
            data.wait()
            assert data.state.folder is not None
            assert len(data.state.folder.images) == 1 + (allowed and asked)
        data.use_folder(tmp_path / "in", follow_links=True)
        data.wait()
        again = DataSet(data.cache_dir, labeller=labeller, links_allowed=allowed)
        again.restore()
        again.wait()
        assert again.state.folder is not None
        assert len(again.state.folder.images) == 1 + allowed


def test_proposed_names_survive_the_page(tmp_path: Path) -> None:
    names = ["5_euro", "10_euro", "tench, Tinca tinca", "A", "a", "class"]
    for name in names:
        (tmp_path / "in" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "in" / name / "1.png")
    data = DataSet(tmp_path / "cache", labeller=labeller)
    data.use_folder(tmp_path / "in")
    data.wait()
    assert sorted(data.state.names) == sorted(name.replace("_", " ") for name in names)
    assert "“A” and “a”" in " ".join(data.state.names_notes)
