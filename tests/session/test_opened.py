from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import FolderError, RunError, StudioError
from studio.session.opened import images_mark, open_run, places_in
from studio.session.session import Session
from studio.session.similar import vectors_of
from studio.session.source import AT_HAND
from studio.session.task import TaskState
from studio.session.tasks import Tasks


def test_the_images_at_hand_can_be_looked_at_before_any_training(shared: Session) -> None:
    found = open_run(shared, AT_HAND)
    preview = shared.data.state.preview
    assert preview is not None
    assert list(found.stages) == ["zero-shot"]
    assert found.outcome.labels.tolist() == preview.labels.tolist()
    assert found.outcome.truth is not None
    assert found.picture(3).endswith(".jpg")


def test_without_images_at_hand_there_is_nothing(session: Session) -> None:
    for run in ("", "folder", None, 5):
        with pytest.raises(RunError, match="Nothing to explore"):
            open_run(session, run)
    session.data.change(task=TaskState("Loading the model"))
    with pytest.raises(RunError, match="Loading the model: open this tab again"):
        open_run(session, AT_HAND)


def test_a_run_is_looked_at_stage_by_stage(shared: Session, run_id: str) -> None:
    latest = open_run(shared, run_id)
    assert list(latest.stages) == ["zero-shot", "phase1", "final"]
    assert latest.outcome is latest.stages["final"]
    for stage in latest.stages:
        found = open_run(shared, run_id, stage)
        assert found.outcome is latest.stages[stage]
        assert found.outcome.truth is not None
    for nonsense in ("gone", None, 3, ["final"], {}):
        assert open_run(shared, run_id, nonsense).outcome is latest.outcome


def test_a_picture_is_that_of_the_path_where_the_folder_has_other_images_too(
    shared: Session, run_id: str
) -> None:
    opened = open_run(shared, run_id)
    paths = opened.outcome.paths
    assert opened.picture(0) != opened.picture(1)
    moved = replace(opened, at=(opened.at + 1) % len(paths))
    assert moved.picture(0) == opened.picture(1)
    assert moved.large_picture(0) == opened.large_picture(1)
    gone = replace(opened, at=np.where(np.arange(len(paths)) == 1, 1, -1))
    assert gone.picture(0) == gone.large_picture(0) == ""
    assert gone.picture(1) == opened.picture(1)


def test_images_are_found_by_their_paths(shared: Session, run_id: str) -> None:
    opened = open_run(shared, run_id)
    paths, folder = opened.outcome.paths, opened.folder
    assert folder is not None
    assert places_in(paths, folder).tolist() == list(range(len(paths)))
    assert places_in([paths[2], "gone.jpg", paths[0]], folder).tolist() == [2, -1, 0]
    fewer = replace(folder, images=folder.images[1:])
    assert places_in(paths, fewer).tolist() == list(range(-1, len(paths) - 1))


def test_pictures_of_very_many_images_are_there_before_their_folder(
    shared: Session, run_id: str, monkeypatch: Any
) -> None:
    small = open_run(shared, run_id)
    shared.forget(run_id)
    slow, really = threading.Event(), shared.open_folder
    monkeypatch.setattr("studio.session.opened.LARGE", 2)

    def read(*args: Any, **more: Any) -> Any:
        assert slow.wait(60)
        return really(*args, **more)

    monkeypatch.setattr(shared, "open_folder", read)
    found = open_run(shared, run_id)
    vectors = vectors_of(found)
    try:
        assert found.folder is None
        assert found.there
        assert vectors is not None
        assert vectors.pending
        assert found.picture(3) == small.picture(3)
        assert found.large_picture(3) == small.large_picture(3)
        away = replace(found, outcome=replace(found.outcome, paths=("../../secret",)))
        assert away.picture(0) == away.large_picture(0) == ""
    finally:
        slow.set()
    full = found.read()
    assert full.folder is not None
    assert full.picture(3) == small.picture(3)
    after = open_run(shared, run_id)
    assert after.folder is full.folder
    assert vectors_of(after) is vectors  # what was begun before serves
    assert vectors.result().rows.tolist() == small.at.tolist()
    shared.forget(run_id)


def test_very_many_images_that_are_gone_are_told_of(
    shared: Session, run_id: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("studio.session.opened.LARGE", 2)

    def gone(*_: Any, **__: Any) -> Any:
        raise FolderError("There is no folder x; check the path.")

    monkeypatch.setattr(shared, "_readings", Tasks())
    monkeypatch.setattr(shared, "open_folder", gone)
    reading = open_run(shared, run_id).reading
    assert reading is not None
    reading.ended.wait(60)
    monkeypatch.setattr(Path, "is_dir", lambda _: False)  # else it is tried once more
    found = open_run(shared, run_id)
    assert not found.there
    assert "no folder x" in found.problem
    assert found.picture(0) == ""
    assert vectors_of(found) is None
    with pytest.raises(StudioError, match="no folder x"):
        found.read()
    shared.forget(run_id)


def test_features_are_those_of_the_model_and_of_the_images_as_they_are(
    shared: Session, run_id: str
) -> None:
    opened = open_run(shared, run_id)
    assert opened.folder is not None
    first = opened.folder.images[0]
    changed = replace(opened.folder, images=(replace(first, mtime_ns=1), *opened.folder.images[1:]))
    fewer = images_mark(opened.outcome.paths[1:])
    others = [
        replace(opened, model="another"),
        replace(opened, folder=changed),
        replace(opened, images=fewer),
    ]
    assert len({opened.key, *(other.key for other in others)}) == 4
    assert replace(opened, problem="x").key == opened.key


def test_a_second_look_makes_nothing_anew_but_new_labels_are_seen(
    shared: Session, tiny_model: Path, monkeypatch: Any
) -> None:
    assert open_run(shared, AT_HAND).outcome is open_run(shared, AT_HAND).outcome
    before = open_run(shared, AT_HAND).outcome
    names = shared.data.state.names_text
    changed = names.replace("red", "crimson", 1)
    shared.data.label(changed, str(tiny_model))
    shared.data.wait(400)
    try:
        after = open_run(shared, AT_HAND).outcome
        assert after.class_names != before.class_names
    finally:
        shared.data.label(names, str(tiny_model))
        shared.data.wait(400)
    assert np.array_equal(open_run(shared, AT_HAND).outcome.labels, before.labels)
