"""Labels that a person gives before any training: said on the Explore tab, taken along by a run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from studio.errors import FolderError, RunError, StudioError
from studio.runs.corrections import corrections_of
from studio.runs.given import Correction
from studio.session.opened import open_run
from studio.session.session import Session
from studio.session.source import AT_HAND
from studio.ui.explore.correct import CorrectPanel
from studio.ui.explore.detail import DetailDialog
from studio.ui.explore.scene import Filters, Scene
from studio.ui.train.tab import TrainTab
from tests.ui.conftest import QUICK, correct_panel, explore_tab, load, open_studio, start
from tests.ui.explore.test_correct import answer, drawn, press
from tests.ui.test_train import sent


@pytest.fixture
def panel(loaded: Session) -> CorrectPanel:
    return correct_panel(loaded)


@pytest.fixture
def tab(loaded: Session) -> TrainTab:
    made = TrainTab(loaded)
    with gr.Blocks():
        made.build(["embedded"], gr.Textbox())
    return made


def scene(session: Session, *indices: int) -> Scene:
    key = session.selections.put(source=AT_HAND, indices=np.array(indices), text="some")
    return Scene(open_run(session, AT_HAND), selection=session.selections.get(key))


def say(panel: CorrectPanel, verdict: str, *indices: int, label: str = "") -> Scene:
    """What a press does to these images; the scene it was pressed in."""
    made = scene(panel.session, *indices)
    press(panel, made, verdict, label)
    return made


def given(session: Session) -> dict[str, Correction]:
    return dict(session.corrections(AT_HAND).current())


def test_a_run_learns_what_was_said_before_it(panel: CorrectPanel, tab: TrainTab) -> None:
    session = panel.session
    assert sent(tab)["given"]["visible"] is False
    made = say(panel, "relabelled", 3, 7, label="red square")
    say(panel, "rejected", 9)
    paths = made.outcome.paths
    wanted = {paths[i]: Correction("relabelled", "red square") for i in (3, 7)}
    wanted[paths[9]] = Correction("rejected")
    assert given(session) == wanted
    asked = sent(tab)["given"]
    assert asked["visible"] is True
    assert asked["label"] == "Use 2 labels and 1 rejection given on the Explore tab"
    run_id = start(tab, session.data.state.model, QUICK)
    assert session.worker.wait(400)
    run = session.store.get(run_id)
    assert corrections_of(run) == wanted
    outcome = open_run(session, run_id).outcome
    for i in (3, 7):
        found = outcome.labels[outcome.paths.index(paths[i])]
        assert outcome.name(int(found)) == "red square"
    # They stay with the images, for the next run.
    panel.undo("folder")
    assert set(given(session)) == {paths[3], paths[7]}
    assert corrections_of(run) == wanted


def test_a_run_can_do_without(panel: CorrectPanel, tab: TrainTab) -> None:
    say(panel, "rejected", 1)
    run_id = start(tab, panel.session.data.state.model, QUICK, given=False)
    assert panel.session.worker.wait(400)
    assert corrections_of(panel.session.store.get(run_id)) == {}


def test_the_panel_leads_to_the_train_tab(panel: CorrectPanel) -> None:
    before = drawn(panel, scene(panel.session, 1))
    assert "runs that the Train tab starts" in before["summary"]
    assert before["train-again"] == gr.update(interactive=False, value="Train with these")
    made = say(panel, "accepted", 1)
    assert drawn(panel, made)["train-again"]["interactive"] is True
    assert panel.train("folder") == gr.skip()
    assert panel.session.active() is None
    dialog = DetailDialog(panel.session, panel)
    assert "This image is accepted as" in dialog.open(made, np.array([1]), 1)


def test_what_was_said_is_there_after_a_new_start(
    tmp_path: Path, image_folder: Path, tiny_model: Path
) -> None:
    with open_studio(tmp_path) as session:
        panel = correct_panel(load(session, image_folder, tiny_model))
        say(panel, "rejected", 4, 5)
        kept = given(session)
    with open_studio(tmp_path) as session:
        load(session, image_folder, tiny_model)
        assert given(session) == kept
        assert len(kept) == 2


def test_other_images_have_said_nothing(
    panel: CorrectPanel, tmp_path: Path, image_folder: Path, tiny_model: Path
) -> None:
    say(panel, "rejected", 4)
    other = tmp_path / "other"
    other.symlink_to(image_folder / "red_square")
    panel.session.data.use_folder(other)
    panel.session.data.wait(400)
    assert given(panel.session) == {}
    load(panel.session, image_folder, tiny_model)
    assert len(given(panel.session)) == 1


def test_classes_and_images_that_are_gone_stop_no_run(
    panel: CorrectPanel, tab: TrainTab, image_folder: Path
) -> None:
    data = panel.session.data
    say(panel, "relabelled", 3, label="red square")
    say(panel, "relabelled", 7, label="blue line")
    made = say(panel, "rejected", 9)
    data.set_inputs("red square\ngreen circle\npurple star")
    folder = data.state.folder
    assert folder is not None
    left = tuple(image for image in folder.images if image.path != made.outcome.paths[9])
    data.change(folder=replace(folder, images=left))
    assert set(data.given()) == {made.outcome.paths[3]}
    wanted = (
        "Use 1 label given on the Explore tab; 2 more are for classes or images that are not there"
    )
    assert sent(tab)["given"]["label"] == wanted


def test_labels_that_changed_meanwhile_are_not_accepted_unseen(
    panel: CorrectPanel, tiny_model: Path
) -> None:
    data = panel.session.data
    made = scene(panel.session, 1)
    seen = Filters(shown=made.opened.source.key())
    data.label("red square\ngreen circle\npurple star", str(tiny_model))
    data.wait(400)
    after = scene(panel.session, 1)
    with pytest.raises(RunError, match="have changed meanwhile"):
        panel.press(after, seen, "accepted")
    earlier = answer(panel, made.opened.source.key(), 1, "accepted", stage="zero-shot")
    assert "have changed meanwhile" in earlier["error"]
    assert given(panel.session) == {}
    answer(panel, after.opened.source.key(), 1, "accepted", stage="zero-shot")
    assert len(given(panel.session)) == 1


def test_other_images_that_came_meanwhile_are_left_alone(
    panel: CorrectPanel, image_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    session = panel.session
    seen = open_run(session, AT_HAND).source.key()
    say(panel, "relabelled", 3, label="red square")
    other = tmp_path / "other"
    shutil.copytree(image_folder, other)
    next(other.glob("*/*.png")).unlink()
    load(session, other, tiny_model)
    say(panel, "relabelled", 2, label="blue line")
    answers, kept = explore_tab(session), given(session)
    table = tmp_path / "mine.csv"
    table.write_text(f"path,label\n{next(iter(kept))},green circle\n")
    with pytest.raises(StudioError, match="have changed meanwhile"):
        answers.undo(Filters(run="folder", shown=seen))
    with pytest.raises(StudioError, match="have changed meanwhile"):
        panel.take_table(seen, [{"path": str(table)}])
    assert given(session) == kept
    answers.undo(Filters(run="folder", shown=open_run(session, AT_HAND).source.key()))
    assert given(session) == {}


def test_without_images_there_is_nothing_to_say(session: Session) -> None:
    with pytest.raises(FolderError, match="Choose images first"):
        session.corrections(AT_HAND)
    assert session.data.given() == {}
    with pytest.raises(FolderError, match="Choose images first"):
        CorrectPanel(session).undo("folder")
    made = TrainTab(session)
    with gr.Blocks():
        made.build(["embedded"], gr.Textbox())
    assert sent(made)["given"]["visible"] is False
