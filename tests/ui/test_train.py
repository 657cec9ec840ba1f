from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest
from markupsafe import escape

from studio.files import write_json
from studio.runs.form import RunForm
from studio.session.session import Session
from studio.settings import Settings, describe
from studio.ui.data.tab import DataTab
from studio.ui.header import Header
from studio.ui.train.form import COMMON, settings_list
from studio.ui.train.tab import TrainTab
from tests.ui.conftest import QUICK, event, page, start
from tests.ui.conftest import sent as told

Method = Callable[..., Iterator[Any]]


@pytest.fixture
def tab(loaded: Session) -> TrainTab:
    return TrainTab(loaded)


def sent(tab: TrainTab, shown: Any = None, chosen: Any = "") -> dict[str, Any]:
    """What a poll sends, by name."""
    parts = tab.parts(shown or {}, chosen, page())
    return {name: value for name, value in told(parts, shown).items() if value != gr.skip()}


def header(tab: TrainTab) -> str:
    return str(told(Header(tab.session).parts({}, page()))["state"])


def test_a_run_goes_from_start_to_curves(tab: TrainTab, tiny_model: Any) -> None:
    before = sent(tab)
    assert before["start"]["interactive"] is True
    assert before["stop"]["interactive"] is False
    assert "3 classes" in before["ready"]
    run_id = start(tab, str(tiny_model), QUICK, name=" my run ")
    assert tab.session.worker.wait(400)
    run = tab.session.store.get(run_id)
    assert run.status()["state"] == "finished", run.status()
    assert run.info.name == "my run"
    after = sent(tab)
    keys = [figure["key"] for figure in after["curves"]["figures"]]
    assert keys == ["loss1", "loss2", "shares", "scores"]
    assert "Finished" in after["status"]
    assert "Numbers behind the curves" in after["numbers"]
    assert f'data-pick="{run_id}" aria-current="true"' in after["runs"]
    assert after["shown_run"] == run_id
    assert (after["rename"], after["note"]) == ("my run", "")
    json.dumps(after["curves"])  # it travels as JSON


def test_a_run_that_has_ended_says_what_came_of_it(tab: TrainTab, tiny_model: Any) -> None:
    assert "Idle" in header(tab)
    run_id = start(tab, str(tiny_model), QUICK, name="mine")
    assert tab.session.worker.wait(400)
    result = tab.session.result(run_id)
    line = f"{100 * result.clean_fraction:.0f} % of the labels clean"
    seen = sent(tab)
    for html in (seen["status"], header(tab)):
        assert line in html
        assert "right (" in html
        assert f'data-pick="export {run_id}"' in html
    assert "✓" in header(tab)
    assert line.split(" of")[0] in seen["runs"]
    standing = Header(tab.session).standing_of()(None)
    assert standing["run"] == run_id
    assert not standing["active"]
    assert line in standing["message"]
    json.dumps(standing)


def test_a_result_that_was_asked_for_too_early_is_asked_for_again(session: Session) -> None:
    run = session.store.create(name="a", method="coft", model="embedded", folder="/photos")
    assert session.result(run.id) is None
    write_json(run.path / "result.json", {"images": 3})
    result = session.result(run.id)
    assert result is not None
    assert result.images == 3
    assert session.result(run.id) is result
    run.set_status(state="finished")


def test_a_run_is_renamed_and_carries_a_note(tab: TrainTab, tiny_model: Any) -> None:
    run_id = start(tab, str(tiny_model), method="zero-shot")
    tab.session.worker.wait(400)
    shown = sent(tab)["shown"]
    tab.give_name(run_id, " better ")
    tab.give_note(run_id, "with <b>names</b>")
    seen = sent(tab, shown)
    assert (seen["rename"], seen["note"]) == ("better", "with <b>names</b>")
    assert "better" in seen["runs"]
    assert "<b>" not in seen["runs"] + seen["facts"]
    tab.give_name(run_id, "  ")  # an empty field takes no name away
    assert tab.session.store.get(run_id).info.name == "better"
    tab.give_note(run_id, "")
    assert tab.session.store.get(run_id).info.note == ""
    tab.give_name("", "nobody")  # a page without any run
    with pytest.raises(gr.Error):
        tab.give_name("../..", "x")


def test_a_run_shows_the_command_that_repeats_it(tab: TrainTab, tiny_model: Any) -> None:
    start(tab, str(tiny_model), method="zero-shot")
    tab.session.worker.wait(400)
    facts = sent(tab)["facts"]
    assert "python -m studio fit" in facts
    assert "data-copy=" in facts


def test_a_poll_sends_nothing_when_nothing_has_changed(tab: TrainTab, tiny_model: Any) -> None:
    start(tab, str(tiny_model), QUICK)
    tab.session.worker.wait(400)
    first = sent(tab)
    assert set(sent(tab, first["shown"])) == {"shown"}


def test_a_second_start_is_refused_by_name_and_stop_ends_the_first(
    tab: TrainTab, tiny_model: Any
) -> None:
    first = start(tab, str(tiny_model), QUICK + "\nphase1_epochs=3000\nmonitor_images=1")
    while tab.session.store.get(first).status()["state"] == "queued":
        pass
    with pytest.raises(gr.Error, match=first):
        start(tab, str(tiny_model), QUICK)
    live = sent(tab)
    assert live["start"]["interactive"] is False
    assert live["stop"]["interactive"] is True
    assert "Training" in header(tab)
    with pytest.raises(gr.Error, match="stop it before deleting"):
        tab.remove(first)
    tab.end()
    assert tab.session.worker.wait(400)
    ended = sent(tab)
    assert tab.session.store.get(first).status()["state"] == "stopped"
    assert ended["start"]["interactive"] is True
    assert ended["stop"]["interactive"] is False
    for press in (tab.end, tab.rest):
        with pytest.raises(gr.Error, match="Nothing is at work"):
            press()


@pytest.mark.slow
def test_a_run_is_paused_and_goes_on_to_its_end(tab: TrainTab, tiny_model: Any) -> None:
    assert sent(tab)["pause"]["interactive"] is False
    run_id = start(tab, str(tiny_model), QUICK + "\nphase2_epochs=40\nmonitor_images=1")
    run = tab.session.store.get(run_id)
    while run.status()["stage"] != "phase 2":
        time.sleep(0.01)
    live = sent(tab)
    assert live["pause"]["interactive"] is True
    assert live["resume"]["visible"] is False
    tab.rest()
    assert tab.session.worker.wait(400)
    paused = sent(tab)
    assert run.status()["state"] == "stopped"
    assert "Paused at step 5 of 6" in paused["status"]
    assert paused["resume"]["visible"] is True
    assert "Curves" not in str(paused["curves"]["empty"])
    steps = len(tab.session.reader(run_id).curves.loss[2, 0])
    assert tab.go_on(run_id) == run_id
    assert tab.session.worker.wait(400)
    assert run.status()["state"] == "finished", run.status()
    ended = sent(tab)
    assert "Finished" in ended["status"]
    assert ended["resume"]["visible"] is False
    line = tab.session.reader(run_id).curves.loss[2, 0]
    assert len(line) > steps
    assert [step for step, _ in line] == sorted({step for step, _ in line})
    with pytest.raises(gr.Error, match="nothing left to do"):
        tab.go_on(run_id)


def test_a_run_that_cannot_go_on_has_no_button(tab: TrainTab, tiny_model: Any) -> None:
    run_id = start(tab, str(tiny_model), QUICK, method="upl")
    run = tab.session.store.get(run_id)
    assert sent(tab)["pause"]["interactive"] is False
    tab.end()
    assert tab.session.worker.wait(400)
    assert run.status()["state"] == "stopped"
    assert sent(tab)["resume"]["visible"] is False
    with pytest.raises(gr.Error, match="keeps no checkpoints"):
        tab.go_on(run_id)


@pytest.mark.parametrize(
    ("changes", "text", "said"),
    [
        ({"names": "only one"}, "", "two class names"), ({"method": "magic"}, "", "magic"),
        ({"seed": -1.0}, "", "seed"), ({"seed": 1.5}, "", "seed"), ({}, "colour=red", "colour"),
        ({}, "k=many", "k must"), ({}, "k", "key=value"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_starts_nothing(
    tab: TrainTab, tiny_model: Any, changes: dict[str, Any], text: str, said: str
) -> None:
    with pytest.raises(gr.Error, match=said) as caught:
        start(tab, str(tiny_model), text, **changes)
    assert "\n" not in str(caught.value.message)
    assert caught.value.print_exception is False
    assert tab.session.store.list() == []


def test_the_model_is_the_same_on_both_tabs(tab: TrainTab) -> None:
    here = sent(tab)
    tab.remember("ViT-B-32", page())
    assert tab.session.data.state.model == "ViT-B-32"
    assert tab.session.data.state.names_text  # the names are kept
    assert "model" not in sent(tab, here["shown"])
    shown = {"model": -1}
    assert told(DataTab(tab.session).parts(shown, page()), shown)["model"]["value"] == "ViT-B-32"
    DataTab(tab.session).remember_model("ViT-B-16", page())
    assert sent(tab, here["shown"])["model"]["value"] == "ViT-B-16"


def test_a_model_that_knows_nothing_is_said_again_before_the_start(tab: TrainTab) -> None:
    data = tab.session.data
    preview = data.state.preview
    assert preview is not None
    data._set(preview=replace(preview, level="near chance"))
    assert "knows nothing" in sent(tab)["ready"]
    data._set(preview=replace(preview, level="promising"))
    assert "knows nothing" not in sent(tab)["ready"]


def test_without_images_nothing_starts(session: Session) -> None:
    tab = TrainTab(session)
    with pytest.raises(gr.Error, match="Choose images"):
        start(tab, "embedded")


def test_a_model_that_does_not_exist_is_refused_with_its_name_and_leaves_no_run(
    tab: TrainTab,
) -> None:
    with pytest.raises(gr.Error, match="/no/such/model"):
        start(tab, "/no/such/model")
    assert tab.session.store.list() == []


def test_deleting_asks_first_and_names_the_run(tab: TrainTab, tiny_model: Any) -> None:
    run_id = start(tab, str(tiny_model), method="zero-shot", name="to go")
    tab.session.worker.wait(400)
    doomed, _, sure, _ = tab.ask(run_id)
    assert doomed == run_id
    assert "to go" in sure["value"]
    assert tab.session.store.get(run_id)
    tab.remove(doomed)
    assert tab.session.store.list() == []
    assert "No runs yet" in sent(tab)["runs"]
    with pytest.raises(gr.Error):
        tab.ask(run_id)


@pytest.mark.parametrize("data", [{"pick": "../.."}, {"pick": ""}, None, {"pick": 3}])
def test_only_runs_that_exist_can_be_picked(tab: TrainTab, data: Any) -> None:
    with pytest.raises(gr.Error):
        tab.pick(event(data))


@pytest.mark.parametrize("chosen", ["../../etc", "gone", 3, None, ["a"]])
def test_a_poll_survives_whatever_a_page_says_it_shows(tab: TrainTab, chosen: Any) -> None:
    assert sent(tab, chosen=chosen)["status"]


def test_a_form_is_read_by_the_names_of_its_fields(loaded: Session) -> None:
    with gr.Blocks():
        tab = TrainTab(loaded)
        tab.build(["embedded"], gr.Textbox())
    values = {component: component.value for component in tab.form.inputs}
    form = tab.form.read(values | {tab.form.name: "n", tab.form.others: "k=2", tab.form.seed: 3})
    assert (form.name, form.settings().k, form.settings().seed) == ("n", 2, 3)
    assert form.method == "coft"
    assert set(form.common) == set(COMMON)


def test_fields_and_lines_become_settings() -> None:
    default = Settings()
    common = {name: getattr(default, name) for name in COMMON}
    assert RunForm(common=common).settings() == default
    typed = dict(zip(COMMON, [3.0, 2, None, "single"], strict=True))
    changed = RunForm(common=typed, others="# note\n\nk = 5\nphase1_lr=0.01", seed=7.0).settings()
    assert (changed.phase1_epochs, changed.phase2_epochs, changed.inference) == (3, 2, "single")
    assert (changed.k, changed.phase1_lr, changed.seed) == (5, 0.01, 7)


def test_every_setting_is_listed_with_its_default_meaning_and_source() -> None:
    page = settings_list()
    for row in describe():
        assert f"<code>{row.name}=" in page
        assert escape(row.help) in page
        assert escape(row.source) in page
    assert "<code>k_cap=true</code>" in page  # as it would be typed
    assert "Choices: studio, paper." in page


def test_the_ways_on_from_a_run_lead_to_that_run(tab: TrainTab, tiny_model: Any) -> None:
    run_id = start(tab, str(tiny_model), method="zero-shot")
    tab.session.worker.wait(400)
    header = Header(tab.session)
    ways = header.way_on(f"noisy {run_id}", "train")
    assert (ways["tabs"].selected, ways["wanted"]) == ("explore", run_id)
    assert (ways["inner"].selected, ways["panel"]) == ("galleries", "galleries")
    assert "again" not in ways, "the tab that opens draws itself"
    assert header.way_on(f"noisy {run_id}", "explore")["again"]
    ways = header.way_on(f"export {run_id}", "explore")
    assert (ways["tabs"].selected, ways["export"]["value"]) == ("export", run_id)
    assert set(ways) == {"tabs", "export"}
    for wrong in ("noisy ../..", "noisy", ""):
        with pytest.raises(gr.Error):
            header.way_on(wrong, "train")
