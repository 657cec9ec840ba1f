"""Correcting labels on the page, without a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import pytest

from studio.errors import RunError
from studio.runs.given import Correction
from studio.session.opened import open_run
from studio.session.session import Session
from studio.session.source import OpenedRun
from studio.ui.explore.correct import CorrectPanel
from studio.ui.explore.scene import Scene

FIRST = {"selection": 0, "clean": 0, "noisy": 0, "copies": 0}


@pytest.fixture
def panel(shared: Session, run_id: str) -> Iterator[CorrectPanel]:
    """Everything that a test says is undone after it."""
    made = CorrectPanel(shared)
    with gr.Blocks():
        made.build()
    yield made
    while shared.corrections(OpenedRun(run_id)).undo() is not None:
        pass


def scene(session: Session, run_id: str, *indices: int, **more: Any) -> Scene:
    selection = None
    if indices:
        key = session.selections.put(
            source=OpenedRun(run_id), indices=np.array(indices), text="some"
        )
        selection = session.selections.get(key)
    return Scene(open_run(session, run_id), selection=selection, **more)


def current(panel: CorrectPanel, run_id: str) -> dict[str, Correction]:
    return dict(panel.session.corrections(OpenedRun(run_id)).current())


def drawn(panel: CorrectPanel, made: Scene, active: str = "map", **more: Any) -> dict[str, Any]:
    values = panel.draw(made, active, more.get("pages", FIRST), more.get("target"))
    names = ["told", "target", "label", "accepted", "relabelled", "rejected", "withdrawn", "undo",
             "again"]  # fmt: skip
    return dict(zip(names, values, strict=True))


def test_a_selection_is_corrected_at_a_press(panel: CorrectPanel, run_id: str) -> None:
    made = scene(panel.session, run_id, 3, 7, 30)
    outcome = made.outcome
    panel.say(made, "accepted", FIRST, "selected", None)
    assert current(panel, run_id) == {
        outcome.paths[i]: Correction("accepted", outcome.name(int(outcome.labels[i])))
        for i in (3, 7, 30)
    }
    name = outcome.class_names[2]
    panel.say(made, "relabelled", FIRST, "selected", name)
    assert {c.label for c in current(panel, run_id).values()} == {name}
    panel.say(made, "withdrawn", FIRST, "selected", None)
    assert current(panel, run_id) == {}


def test_only_the_shown_page_is_corrected(
    panel: CorrectPanel, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.views.gallery.PAGE_SIZE", 5)
    made = scene(panel.session, run_id)
    side = "clean" if len(made.side("clean")) > 7 else "noisy"
    wanted = made.side(side)[5:10]  # type: ignore[arg-type]
    panel.say(made, "rejected", {**FIRST, side: 1}, side, None)
    assert set(current(panel, run_id)) == {made.outcome.paths[i] for i in wanted}
    assert {c.verdict for c in current(panel, run_id).values()} == {"rejected"}


def test_what_is_accepted_is_the_label_that_is_shown(panel: CorrectPanel, run_id: str) -> None:
    before = Scene(open_run(panel.session, run_id, "zero-shot"))
    after = Scene(open_run(panel.session, run_id))
    differ = np.flatnonzero(before.outcome.labels != after.outcome.labels)
    assert len(differ), "training has changed no label: nothing is shown by this test"
    index = int(differ[0])
    panel.say_one(json.dumps([run_id, index, "zero-shot", "accepted", ""]))
    (correction,) = current(panel, run_id).values()
    assert correction.label == before.outcome.name(int(before.outcome.labels[index]))


def test_one_image_is_corrected_from_its_dialog(panel: CorrectPanel, run_id: str) -> None:
    def say(verdict: str, label: str = "") -> dict[str, Any]:
        return panel.answer_of()(json.dumps([run_id, 4, "final", verdict, label]))

    outcome = open_run(panel.session, run_id).outcome
    path, names = outcome.paths[4], outcome.class_names
    answer = say("relabelled", "1")
    assert current(panel, run_id) == {path: Correction("relabelled", names[1])}
    assert f"relabelled as {names[1]}" in answer["html"]
    assert answer["error"] == ""
    assert answer["html"] == panel.actions(open_run(panel.session, run_id), 4)
    say("rejected", "1")
    assert current(panel, run_id) == {path: Correction("rejected")}
    say("withdrawn")
    assert current(panel, run_id) == {}
    assert say("withdrawn") == {"html": "", "error": "None of these images is corrected."}


@pytest.mark.parametrize(
    "asked",
    [[36, "accepted", ""], [-1, "accepted", ""], ["1", "accepted", ""], [True, "accepted", ""],
     [1, "eaten", ""], [1, None, ""], [1, "relabelled", "3"], [1, "relabelled", "-1"],
     [1, "relabelled", ""], [1, "relabelled", 1], [1, "relabelled", "x"],
     [1, "relabelled", "9" * 30], [10**30, "accepted", ""], [[1], "accepted", ""]],
)  # fmt: skip
def test_nonsense_from_a_page_corrects_nothing(
    panel: CorrectPanel, run_id: str, asked: list[Any]
) -> None:
    index, *rest = asked
    answer = panel.say_one(json.dumps([run_id, index, "final", *rest]))
    assert answer["error"].startswith("There is no")
    assert answer["html"] == ""
    assert current(panel, run_id) == {}


@pytest.mark.parametrize(
    "asked",
    [None, 3, "", "x", "[]", "[1, 2]", '{"a": 1}', '["gone", 0, "final", "accepted", ""]'],
)
def test_what_is_no_question_gets_an_answer(panel: CorrectPanel, asked: Any) -> None:
    assert panel.say_one(asked)["error"]


@pytest.mark.parametrize("target", [None, "selected", "copies", {}, "../x"])
def test_without_images_nothing_is_corrected(panel: CorrectPanel, run_id: str, target: Any) -> None:
    with pytest.raises(RunError, match="What is corrected is chosen"):
        panel.say(scene(panel.session, run_id), "rejected", FIRST, target, None)


@pytest.mark.parametrize("label", [None, "", "horse", ["x"], 3])
def test_relabelling_needs_a_class_of_the_run(panel: CorrectPanel, run_id: str, label: Any) -> None:
    with pytest.raises(RunError, match="Choose the class"):
        panel.say(scene(panel.session, run_id, 1), "relabelled", FIRST, "selected", label)
    assert current(panel, run_id) == {}


def test_the_panel_says_what_a_press_would_correct(panel: CorrectPanel, run_id: str) -> None:
    made = scene(panel.session, run_id, 3, 7)
    shown = drawn(panel, made)
    assert shown["target"]["choices"][0] == ("The selection (2 images)", "selected")
    assert shown["target"]["value"] == "selected"
    assert shown["undo"]["interactive"] is False
    assert shown["again"]["interactive"] is False
    assert shown["label"]["choices"] == list(made.outcome.class_names)
    galleries = drawn(panel, made, "galleries", target="noisy")
    values = [value for _, value in galleries["target"]["choices"]]
    assert set(values) <= {"selected", "clean", "noisy"}
    assert galleries["target"]["value"] == ("noisy" if "noisy" in values else "selected")
    for text, value in galleries["target"]["choices"][1:]:
        assert re.fullmatch(r"This page of (clean|noisy) images \(\d+\)", text)
        assert int(re.findall(r"\d+", text)[0]) == len(made.side(value)[:24])


def test_undo_takes_back_the_last_press(panel: CorrectPanel, run_id: str, monkeypatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(gr, "Info", lambda text, **_: told.append(text))
    made = scene(panel.session, run_id, 1, 2, 3)
    first = panel.say(made, "rejected", FIRST, "selected", None)
    second = panel.say(made, "accepted", FIRST, "selected", None)
    assert first != second
    shown = drawn(panel, made)
    assert shown["undo"]["interactive"] is True
    assert shown["again"]["interactive"] is True
    assert "3 images corrected" in shown["told"]
    assert panel.undo(run_id).endswith(second)
    assert told == ["Undone: 3 images accepted."]
    assert {c.verdict for c in current(panel, run_id).values()} == {"rejected"}
    panel.undo(run_id)
    with pytest.raises(gr.Error, match="nothing left to undo"):
        panel.undo(run_id)


def test_training_again_starts_a_run_with_what_was_said(panel: CorrectPanel, run_id: str) -> None:
    with pytest.raises(gr.Error, match="Nothing is corrected"):
        panel.train(run_id)
    made = scene(panel.session, run_id, 5, 6)
    name = made.outcome.class_names[1]
    panel.say(made, "relabelled", FIRST, "selected", name)
    again = panel.train(run_id)
    try:
        with pytest.raises(gr.Error, match=again):
            panel.train(run_id)
    finally:
        assert panel.session.worker.wait(400)
    info = panel.session.store.get(again).info
    old = panel.session.store.get(run_id).info
    assert (info.state, info.settings, info.model) == ("finished", old.settings, old.model)
    outcome = open_run(panel.session, again).outcome
    given = {outcome.name(int(outcome.labels[outcome.paths.index(made.outcome.paths[i])]))
             for i in (5, 6)}  # fmt: skip
    assert given == {name}
    assert set(current(panel, again)) == {made.outcome.paths[i] for i in (5, 6)}


def test_a_run_that_was_deleted_is_an_error_of_the_user(panel: CorrectPanel) -> None:
    for press in (panel.undo, panel.train):
        for run in ("20200101-000000-gone-coft", "../..", None, ["x"]):
            with pytest.raises(gr.Error):
                press(run)
