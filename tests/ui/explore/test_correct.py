"""Correcting labels on the page, without a browser."""

from __future__ import annotations

import json
from dataclasses import replace
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
from studio.ui.explore.detail import DetailDialog
from studio.ui.explore.scene import Filters, Scene, Ticks, served


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


def drawn(panel: CorrectPanel, made: Scene) -> dict[str, Any]:
    """What the panel shows, by the id of the component without its "correct-"."""
    shown = {part.elem_id: value for part, value in panel.draw(made).items()}
    return {str(name).removeprefix("correct-"): value for name, value in shown.items()}


def press(panel: CorrectPanel, made: Scene, verdict: str, label: Any = None, **more: Any) -> Any:
    """Press a button for what is ticked or selected."""
    sent = Filters(shown=made.opened.source.key(), relabel_to=label)
    return panel.press(made, sent, verdict, **more)


def test_a_selection_is_corrected_at_a_press(panel: CorrectPanel, run_id: str) -> None:
    made = scene(panel.session, run_id, 3, 7, 30)
    outcome = made.outcome
    press(panel, made, "accepted")
    assert current(panel, run_id) == {
        outcome.paths[i]: Correction("accepted", outcome.name(int(outcome.labels[i])))
        for i in (3, 7, 30)
    }
    name = outcome.class_names[2]
    press(panel, made, "relabelled", name)
    assert {c.label for c in current(panel, run_id).values()} == {name}
    press(panel, made, "withdrawn")
    assert current(panel, run_id) == {}


def test_what_is_ticked_comes_before_what_is_selected(panel: CorrectPanel, run_id: str) -> None:
    ticks = Ticks(run_id, 4, frozenset({2, 5}))
    made = scene(panel.session, run_id, 3, 7, ticks=ticks)
    changed = press(panel, made, "rejected")
    assert set(current(panel, run_id)) == {made.outcome.paths[i] for i in (2, 5)}
    assert changed[panel.ticks] == {"source": run_id, "version": 5, "images": []}


def test_many_are_rejected_after_a_question_only(panel: CorrectPanel, run_id: str) -> None:
    made = scene(panel.session, run_id, 3, 7, 30)
    asked = press(panel, made, "rejected", sure=False)
    assert asked[panel.sure] == gr.update(visible=True, value="Reject 3 images")
    assert asked[panel.buttons["rejected"]]["visible"] is False
    assert current(panel, run_id) == {}
    assert drawn(panel, made)["reject-sure"]["visible"] is False, "the question is put once"
    press(panel, made, "rejected", sure=True)
    assert len(current(panel, run_id)) == 3
    press(panel, scene(panel.session, run_id, 4), "rejected", sure=False)  # one needs no question
    assert len(current(panel, run_id)) == 4


def test_ticks_belong_to_the_labels_that_were_seen() -> None:
    ticks = Ticks("run").changed([3, 1, 2], on=True).changed([2], on=False)
    assert ticks.state() == {"source": "run", "version": 0, "images": [1, 3]}
    assert Ticks.of(ticks.state(), "run", 10) == ticks
    assert Ticks.of(ticks.state(), "run", 2).images == {1}
    assert Ticks.of(ticks.state(), "other", 10).images == frozenset()
    assert Ticks.of(None, "run", 10) == Ticks("run")
    assert ticks.cleared() == Ticks("run", 1)


def test_what_is_accepted_is_the_label_that_is_shown(panel: CorrectPanel, run_id: str) -> None:
    before = Scene(open_run(panel.session, run_id, "zero-shot"))
    after = Scene(open_run(panel.session, run_id))
    differ = np.flatnonzero(before.outcome.labels != after.outcome.labels)
    assert len(differ), "training has changed no label: nothing is shown by this test"
    index = int(differ[0])
    answer(panel, run_id, index, "accepted", stage="zero-shot")
    (correction,) = current(panel, run_id).values()
    assert correction.label == before.outcome.name(int(before.outcome.labels[index]))


def answer(panel: CorrectPanel, run: Any, index: Any, verdict: Any, label: Any = "",
           stage: str = "final") -> dict[str, Any]:  # fmt: skip
    """What the dialog is answered to a press in it."""
    place = {"source": run, "stage": stage, "walk": "", "index": index, "anchor": index}
    key = ""
    if isinstance(index, int) and 0 <= index < 36:
        opened = open_run(panel.session, run)
        key = panel.session.selections.put(source=opened.source, indices=[index], text="")
    dialog = DetailDialog(panel.session, panel)
    asked = json.dumps({**place, "walk": key, "verdict": verdict, "label": label})
    return dict(served("answer_image", dialog.answer)(asked))


def test_one_image_is_corrected_from_its_dialog(panel: CorrectPanel, run_id: str) -> None:
    outcome = open_run(panel.session, run_id).outcome
    path, names = outcome.paths[4], outcome.class_names
    found = answer(panel, run_id, 4, "relabelled", "1")
    assert current(panel, run_id) == {path: Correction("relabelled", names[1])}
    assert f"relabelled as {names[1]}" in found["html"]
    assert found["message"].startswith(f"1 image relabelled as {names[1]}")
    answer(panel, run_id, 4, "rejected", "1")
    assert current(panel, run_id) == {path: Correction("rejected")}
    answer(panel, run_id, 4, "withdrawn")
    assert current(panel, run_id) == {}
    assert answer(panel, run_id, 4, "withdrawn") == {"error": "None of these images is corrected."}


@pytest.mark.parametrize(
    "asked",
    [[36, "accepted", ""], [-1, "accepted", ""], ["1", "accepted", ""], [True, "accepted", ""],
     [1, "eaten", ""], [1, None, ""], [1, "relabelled", "3"], [1, "relabelled", "-1"],
     [1, "relabelled", ""], [1, "relabelled", None], [1, "relabelled", "x"],
     [1, "relabelled", "9" * 30], [10**30, "accepted", ""], [[1], "accepted", ""]],
)  # fmt: skip
def test_nonsense_from_a_page_corrects_nothing(
    panel: CorrectPanel, run_id: str, asked: list[Any]
) -> None:
    found = answer(panel, run_id, *asked)
    assert found["error"].startswith("There is no")
    assert "html" not in found
    assert current(panel, run_id) == {}


def test_without_images_nothing_is_corrected(panel: CorrectPanel, run_id: str) -> None:
    for verdict in ("accepted", "relabelled", "rejected", "withdrawn"):
        with pytest.raises(RunError, match="Nothing is ticked or selected"):
            press(panel, scene(panel.session, run_id), verdict, "red square", sure=False)
    shown = drawn(panel, scene(panel.session, run_id))
    assert "Nothing is ticked or selected" in shown["summary"]
    assert shown["reject"]["value"] == "Reject"


@pytest.mark.parametrize("label", [None, "", "horse", ["x"], 3])
def test_relabelling_needs_a_class_of_the_run(panel: CorrectPanel, run_id: str, label: Any) -> None:
    with pytest.raises(RunError, match="Choose the class"):
        press(panel, scene(panel.session, run_id, 1), "relabelled", label)
    assert current(panel, run_id) == {}


def test_the_panel_says_what_a_press_would_correct(panel: CorrectPanel, run_id: str) -> None:
    made = scene(panel.session, run_id, 3, 7)
    shown = drawn(panel, made)
    assert "the 2 selected images" in shown["summary"]
    names = [shown[name]["value"] for name in ("accept", "relabel", "reject", "withdraw")]
    assert names == ["Accept 2 labels", "Relabel 2 images", "Reject 2 images",
                     "Take back 2 corrections"]  # fmt: skip
    assert shown["undo"]["interactive"] is shown["take"]["interactive"] is False
    assert shown["train-again"]["interactive"] is False
    assert shown["class"]["choices"][1:] == list(made.outcome.class_names)
    ticked = scene(panel.session, run_id, ticks=Ticks(run_id, 0, frozenset({8})))
    assert "1 ticked image" in drawn(panel, ticked)["summary"]


def test_what_is_ruled_on_leaves_the_noisy_images_and_stays_in_the_selection(
    panel: CorrectPanel, run_id: str
) -> None:
    def seen(*indices: int, **more: Any) -> Scene:
        """With every other label noisy, whatever the run says."""
        made = scene(panel.session, run_id, *indices, **more)
        outcome = replace(made.outcome, clean=np.arange(len(made.outcome)) % 2 == 0)
        return replace(made, opened=replace(made.opened, outcome=outcome))

    noisy, clean, listed = seen().side("noisy"), seen().side("clean"), seen().selected()
    some = [int(noisy[0]), int(clean[0])]
    press(panel, seen(*some), "rejected")
    assert seen().side("noisy").tolist() == noisy[1:].tolist()
    assert seen().side("clean").tolist() == clean.tolist()
    assert set(seen().selected().tolist()) == set(listed.tolist()) - set(some)
    assert set(seen(*some).selected().tolist()) == set(some)
    assert seen(*some, within=True).side("noisy").tolist() == some[:1]
    panel.undo(run_id)
    assert seen().side("noisy").tolist() == noisy.tolist()


def test_undo_takes_back_the_last_press(panel: CorrectPanel, run_id: str) -> None:
    made = scene(panel.session, run_id, 1, 2, 3)
    first = press(panel, made, "rejected")[panel.changed]
    second = press(panel, made, "accepted")[panel.changed]
    assert first != second
    shown = drawn(panel, made)
    assert shown["undo"]["interactive"] is True
    assert shown["train-again"]["interactive"] is True
    assert "3 images corrected" in shown["summary"]
    undone = panel.undo(run_id)
    assert undone.id == second
    assert undone.text == "3 images accepted"
    assert {c.verdict for c in current(panel, run_id).values()} == {"rejected"}
    panel.undo(run_id)
    with pytest.raises(RunError, match="nothing left to undo"):
        panel.undo(run_id)


def test_training_again_starts_a_run_with_what_was_said(panel: CorrectPanel, run_id: str) -> None:
    with pytest.raises(RunError, match="Nothing is corrected"):
        panel.train(run_id)
    made = scene(panel.session, run_id, 5, 6)
    name = made.outcome.class_names[1]
    press(panel, made, "relabelled", name)
    again = panel.train(run_id)
    try:
        with pytest.raises(RunError, match=again):
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
    for asked in (panel.undo, panel.train):
        for run in ("20200101-000000-gone-coft", "../..", None, ["x"]):
            with pytest.raises(RunError):
                asked(run)
