"""Search in words, without a browser."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.clip.backbone import load_backbone
from studio.clip.encode import class_vectors
from studio.clip.space import Space
from studio.errors import ModelError
from studio.runs import first_labels
from studio.runs.inputs import encode
from studio.session import encoded, similar
from studio.session.opened import open_run
from studio.session.session import Session
from studio.session.tasks import Task, Tasks
from studio.ui.explore import search
from studio.ui.explore.search import SearchPanel, encoded_of
from tests.ui.conftest import load


@pytest.fixture(scope="module")
def shared_images(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(image_folder, tmp_path_factory.mktemp("search") / "photos"))


def ask(session: Session, text: Any, run: Any) -> list[Any]:
    return list(SearchPanel(session).search(text, run))


def answer(session: Session, text: Any, run: Any) -> Any:
    """The selection that is found."""
    line, key, *_ = ask(session, text, run)[-1]
    found = session.selections.get(key)
    assert found is not None, line
    return found


def by_hand(session: Session, model: Path, text: str) -> list[int]:
    """All images by their cosine with the text, in the space of the zero-shot labels."""
    view = session.data.state
    assert view.folder is not None
    assert view.canvases is not None
    backbone = load_backbone(str(model))
    features = encode(backbone, view.folder, view.canvases, session.options.cache_dir)
    space = Space.of(
        image_features=features,
        class_vectors=class_vectors(backbone, view.names, [backbone.template]),
        scale=1.0,
        center=backbone.center,
    )
    cosines = space.images(features) @ space.texts(class_vectors(backbone, [text], ["{}"]))[0]
    return np.argsort(-cosines.numpy(), kind="stable").tolist()


@pytest.mark.parametrize("text", ["a dog on a beach", "a {} of {0} braces"])
def test_the_images_are_ranked_in_the_space_of_the_zero_shot_labels(
    shared: Session, run_id: str, tiny_model: Path, text: str
) -> None:
    wanted = by_hand(shared, tiny_model, text)
    for run in ("folder", run_id):
        found = answer(shared, text, run)
        assert found.source.choice == run
        assert found.indices.tolist() == wanted[: first_labels.LEAST]
        assert text in found.text
    assert wanted[: first_labels.LEAST] != sorted(wanted[: first_labels.LEAST])


def test_very_many_images_are_searched_by_the_vectors_of_the_map(
    shared: Session, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [answer(shared, text, run_id).indices.tolist() for text in ("a dog", "a red square")]
    for module in (search, similar):
        monkeypatch.setattr(module, "FEWEST", 1)
    monkeypatch.setattr(shared, "tasks", Tasks())
    monkeypatch.setattr(encoded, "encode_images", pytest.fail)  # nobody holds the features
    found = [answer(shared, text, run_id).indices.tolist() for text in ("a dog", "a red square")]
    # Half precision may turn round two that are equally near.
    assert [sorted(images) for images in found] == [sorted(images) for images in wanted]
    assert [images[0] for images in found] == [images[0] for images in wanted]
    assert "fewer words" in ask(shared, "word " * 39, run_id)[-1][0]


def test_other_words_find_other_images(shared: Session, run_id: str) -> None:
    first = answer(shared, "a red square", run_id).indices.tolist()
    assert answer(shared, "  a   red\nsquare ", run_id).indices.tolist() == first
    assert answer(shared, "the blue sea at night", run_id).indices.tolist() != first


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "Type what"), ("  \n", "Type what"), (None, "Type what"), (["x"], "Type what"),
     ("x" * 201, "at most 200 characters"), ("word " * 39, "fewer words")],
)  # fmt: skip
def test_text_that_cannot_be_searched_is_answered_in_one_line(
    shared: Session, run_id: str, text: Any, said: str
) -> None:
    line, selection, *_ = ask(shared, text, run_id)[-1]
    assert said in line
    assert line.count("<p") == 1
    assert not isinstance(selection, str)


@pytest.mark.parametrize("run", ["20200101-000000-gone-coft", "../..", None, 7])
def test_a_run_that_is_not_there_is_answered_in_one_line(shared: Session, run: Any) -> None:
    line, selection, *_ = ask(shared, "a dog", run)[-1]
    assert line.startswith('<p class="search-line"')
    assert not isinstance(selection, str)


def test_what_is_found_is_escaped(shared: Session) -> None:
    line, *_ = ask(shared, "<img src=x onerror=1>", "folder")[-1]
    assert "<img" not in line


def test_the_images_at_hand_need_no_second_model(
    shared: Session, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_loading(**_: Any) -> None:
        raise AssertionError("shared the model once more")

    monkeypatch.setattr(encoded, "encode_images", no_loading)
    for run in ("folder", run_id):
        assert len(answer(shared, "a dog", run)) == first_labels.LEAST


def test_while_the_model_loads_a_line_says_so(
    shared: Session, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = encoded_of(open_run(shared, run_id))
    slow = Task("Loading the model", lambda _: ready.value)
    monkeypatch.setattr(search, "_WAIT_S", 0.01)
    monkeypatch.setattr(search, "encoded_of", lambda opened: slow)
    answers = SearchPanel(shared).search("a dog", run_id)
    assert "Before the search: loading the model" in next(answers)[0]
    slow.begin("Looking at the images")(12, 36)
    assert "looking at the images" in next(answers)[0]
    slow.run()
    line, key, *_ = list(answers)[-1]
    assert "12 images nearest to" in line
    assert shared.selections.get(key) is not None


def test_a_model_that_cannot_be_loaded_is_said_and_tried_again(
    shared: Session, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Task) -> None:
        raise ModelError("There is no model 'x'.")

    failed = Task("Loading the model", fails)
    failed.run()
    with monkeypatch.context() as patch:
        patch.setattr(search, "encoded_of", lambda opened: failed)
        line, selection, *_ = ask(shared, "a dog", run_id)[-1]
    assert "There is no model" in line
    assert not isinstance(selection, str)
    assert len(answer(shared, "a dog", run_id))


def test_what_was_found_is_brought_to_the_front(shared: Session) -> None:
    def fronts(panel: str, text: str = "a dog") -> list[Any]:
        return list(SearchPanel(shared).search(text, "folder", None, panel))[-1][2:]

    assert fronts("galleries")[1] == "map"
    for panel, text in (("map", "a dog"), ("confusions", "a dog"), ("galleries", "")):
        assert "map" not in [part for part in fronts(panel, text) if isinstance(part, str)]


def test_images_that_were_deleted_are_not_found(
    shared: Session, run_id: str, shared_images: Path, tmp_path: Path, tiny_model: Path
) -> None:
    """Last of all, for the folder is changed: the run knows 36 images, the folder holds 30."""
    for number in range(6):
        (shared_images / "red_square" / f"{number}.png").unlink()
    load(shared, shared_images, tiny_model)
    found = answer(shared, "a red square", run_id)
    paths = open_run(shared, run_id).outcome.paths
    assert len(paths) == 36
    assert all((shared_images / paths[i]).is_file() for i in found.indices)
    shutil.rmtree(shared_images)
    shared._folders.clear()
    shared._opened.clear()
    shared.data._state = type(shared.data.state)()
    line, *_ = ask(shared, "a red square", run_id)[-1]
    assert "nothing can be searched" in line
