from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from studio.clip.presets import PRESETS, Preset, presets
from studio.images.arriving import Arriving
from studio.images.machine import MachineFolders
from studio.session.options import Options
from studio.session.session import Session
from studio.session.state import DataState
from studio.session.task import TaskState
from studio.ui.data.parts import status_html, step_of
from studio.ui.data.tab import DataTab
from studio.ui.door.door import Door
from studio.ui.page import build, queue, serve
from studio.ui.parts import plotly_file
from studio.ui.theme import CSS, theme
from tests.ui.conftest import event, sent
from tests.ui.conftest import page as page_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(session: Session) -> Any:
    return build(session, models=presets()).get_config_file()


def test_no_event_is_public(config: Any) -> None:
    assert config["dependencies"]
    assert {d["api_visibility"] for d in config["dependencies"]} == {"private"}


def test_choices_that_change_are_not_checked_by_gradio(session: Session) -> None:
    """It knows those of the moment only: a page that was not told of them yet would be refused."""
    page = build(session, models=presets())
    watched = [
        event
        for event in page.fns.values()
        for component in event.inputs
        if isinstance(component, (gr.Radio, gr.Dropdown)) and not component.choices
    ]
    assert len(watched) > 20
    assert [event.name for event in watched if event.preprocess] == []


def test_of_each_tab_one_answer_at_a_time_is_on_its_way(session: Session) -> None:
    """Two would overtake each other, and an older one put back what was typed since."""
    page = build(session, models=presets())
    events = [(target, event) for event in page.fns.values() for target in event.targets]
    asked = [(id_, event) for (id_, _), event in events if event.name == "poll"]
    pulses = [id_ for id_, _ in asked]
    assert len(pulses) == len(set(pulses)) == 5
    assert {event.trigger_mode for _, event in asked} == {"always_last"}
    assert not any(event.queue for _, event in asked)
    asks = [(name, event) for (_, name), event in events if event.name == "ask" and event.fn]
    asks = [(name, event) for name, event in asks if [c._id for c in event.outputs] == pulses]
    assert sorted(name for name, _ in asks) == ["load", "tick"]
    assert not any(event.queue for _, event in asks)
    # Whatever else has a tab asked does so by its pulse, in the page itself.
    others = [event for event in page.fns.values() if {c._id for c in event.outputs} & {*pulses}]
    nudges = [event for event in others if event.name != "ask"]
    assert len(nudges) > 20
    assert all(event.fn is None and event.js for event in nudges)


def test_what_is_asked_all_the_time_costs_a_page_little(session: Session) -> None:
    """Gradio's page tells every output of an event how far it is, and looks for each from the top:
    a page on which nothing happened took a fifth of a core.
    """
    page = build(session, models=presets())
    silent = [event for event in page.fns.values() if event.show_progress == "hidden"]
    assert len(silent) > 100
    told = {tuple(event.show_progress_on or event.outputs) for event in silent}
    assert len(told) == 1
    (nobody,) = told.pop()
    order: list[int] = []

    def walk(node: dict[str, Any]) -> None:
        order.append(node["id"])
        for child in node.get("children") or ():
            walk(child)

    walk(page.get_config_file()["layout"])
    polls = [event for event in page.fns.values() if event.name == "poll"]
    first = [part for poll in polls for part in (poll.outputs[0]._id, poll.targets[0][0])]
    assert max(map(order.index, [nobody._id, *first])) < 20, "what a tab was told, and its pulse"
    assert len(order) > 300


def test_what_is_typed_is_told_without_the_queue(session: Session) -> None:
    page = build(session, models=presets())
    typed = [
        event
        for event in page.fns.values()
        for id_, name in event.targets
        if name in ("change", "blur") and isinstance(page.blocks[id_], (gr.Textbox, gr.Number))
        if page.blocks[id_].visible != "hidden"  # scripts write these
    ]
    assert len(typed) > 10
    assert [event.name for event in typed if event.queue] == []


def test_a_state_that_is_listened_to_is_changed_through_the_queue_alone(session: Session) -> None:
    """Of others gradio's page is not told that they changed; and those of a tab that was not opened
    yet count as changed with each first answer, even one that skips them.
    """
    page = build(session, models=presets())
    heard = {
        id_
        for event in page.fns.values()
        for id_, name in event.targets
        if name == "change" and isinstance(page.blocks[id_], gr.State)
    }
    assert heard
    unqueued = [event for event in page.fns.values() if not event.queue]
    assert [e.name for e in unqueued if heard & {part._id for part in e.outputs}] == []


def test_what_draws_explore_is_done_in_the_order_in_which_it_was_asked(session: Session) -> None:
    page = build(session, models=presets())
    (summary,) = (b for b in page.blocks.values() if b.elem_id == "explore-summary")
    draws = [event for event in page.fns.values() if summary in event.outputs]
    assert len(draws) > 20
    assert {event.concurrency_id for event in draws} == {"explore"}


def test_the_queue_is_looked_at_calmly() -> None:
    with gr.Blocks() as page:
        pass
    hasty = page.queue()._queue.sleep_when_free
    queue(page)
    assert hasty < page._queue.sleep_when_free < 0.05


def test_the_page_names_no_other_server(config: Any) -> None:
    props = [component["props"] for component in config["components"]]
    text = json.dumps(props, default=str) + CSS.read_text() + theme()._get_theme_css()
    text += "".join(file.read_text() for file in (ROOT / "assets").glob("*.js"))
    found = set(re.findall(r"https?://[\w.-]+", text)) - {"http://www.w3.org"}
    assert found == set()
    assert "@import" not in text


def test_what_is_served_is_a_file_of_plotly_and_two_folders(session: Session) -> None:
    from gradio.data_classes import _StaticFiles

    before = list(_StaticFiles.all_paths)
    build(session, models=["embedded"])
    served = [path for path in _StaticFiles.all_paths if path not in before]
    cache = session.options.cache_dir
    others = [path for path in served if path.name != "plotly.min.js"]
    assert set(others) == {cache / "thumbs", cache / "exports"}


def test_how_the_page_is_launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is shared, kept, measured or told to anyone, and no other folder is served."""
    launched: dict[str, Any] = {}
    proxies: list[str] = []

    def launch(_page: Any, **given: Any) -> None:
        launched.update(given)
        proxies.extend(name for name in os.environ if name.lower() == "http_proxy")

    monkeypatch.setattr(gr.Blocks, "launch", launch)
    monkeypatch.setattr(gr.Blocks, "block_thread", lambda _: None)
    for name in ("keep_little", "warm", "keep_swept"):
        monkeypatch.setattr(f"studio.ui.page.{name}", lambda *_: None)
    monkeypatch.setattr("studio.ui.page.shutdown", lambda: None)
    monkeypatch.setattr("studio.ui.page.stop_on_sigterm", lambda **_: None)  # not of pytest
    monkeypatch.setattr("studio.ui.page.check_port", lambda *_: None)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    serve(Options(tmp_path / "runs", tmp_path / "cache"), host="127.0.0.1", port=1, names=["x.y"])
    off = ("share", "run_history", "show_error", "mcp_server", "enable_monitoring", "ssr_mode",
           "_frontend")  # fmt: skip
    assert [launched[name] for name in off] == [False] * len(off)
    assert launched["allowed_paths"] == []
    assert proxies == []
    (middleware,) = launched["app_kwargs"]["middleware"]
    assert middleware.cls is Door
    rules = middleware.kwargs["rules"]
    assert rules.hosts.allows("x.y")
    assert not rules.hosts.allows("evil.example")
    assert {*rules.files("")} == {
        plotly_file(),
        *(tmp_path / "cache" / n for n in ("thumbs", "exports")),
    }
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"


def test_a_new_model_is_one_entry_and_the_page_offers_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        PRESETS, "ViT-Z", Preset("ViT-B-32", "openai", 224, 1.0, "MIT", None, "a test")
    )
    page = build(session, models=presets())
    offered = [
        [value for _, value in part["props"]["choices"]]
        for part in page.get_config_file()["components"]
        if part["props"].get("elem_id") in ("model", "train-model")
    ]
    assert offered
    assert all("ViT-Z" in choices for choices in offered)


def test_the_door_is_short_and_help_is_quick() -> None:
    assert len((ROOT / "app.py").read_text().splitlines()) < 60
    code = "import sys, app; print([m for m in ('gradio', 'torch') if m in sys.modules])"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_page_needs_no_torch_to_be_built() -> None:
    code = "import sys, studio.ui.page; print('torch' in sys.modules, 'plotly' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == ["False", "False"]


def poll(tab: DataTab, shown: Any, name: str) -> dict[str, Any]:
    return sent(tab.parts(shown, page_of(name)), shown)


def test_a_page_does_not_overwrite_what_its_own_user_types(loaded: Session) -> None:
    import gradio as gr

    tab = DataTab(loaded)
    mine, other = poll(tab, {}, "mine")["shown"], poll(tab, {}, "other")["shown"]
    tab.remember_names("cat\ndog", page_of("mine"))
    assert poll(tab, mine, "mine")["names"] == gr.skip()
    assert poll(tab, other, "other")["names"]["value"] == "cat\ndog"
    assert poll(tab, {}, "mine")["names"]["value"] == "cat\ndog"  # after a reload


def test_images_and_labels_are_shown_and_then_left_alone(loaded: Session) -> None:
    tab = DataTab(loaded)
    loaded.measure_cache()  # what is done in the background once it is due: not within this minute
    first = poll(tab, {}, "a")
    assert 'aria-current="step"' in first["steps"]
    assert first["folder"].count("<img") > 5
    assert "1 file was refused" in first["folder"]
    assert first["preview"].count("class-row") >= 2
    (loaded.options.cache_dir / "more").write_bytes(bytes(5_000_000))
    assert set(poll(tab, first["shown"], "a")) == {"shown"}


def test_every_handler_says_what_is_wrong_in_one_line(session: Session) -> None:
    import gradio as gr

    tab = DataTab(session)
    for work in (
        lambda: tab.use_path("/no/such/folder\0"), lambda: tab.use_path(""),
        lambda: tab.use_upload([]), lambda: tab.use_upload(None),
        lambda: tab.names_from_file(None),
        lambda: tab.label_now("a\nb", "embedded", page_of()),
        lambda: tab.rank_models("a\nb", "embedded", page_of()),
    ):  # fmt: skip
        with pytest.raises(gr.Error) as caught:
            work()
        assert "\n" not in str(caught.value.message)


def test_class_names_come_from_a_text_file(session: Session, tmp_path: Path) -> None:
    import gradio as gr

    tab = DataTab(session)
    file = tmp_path / "names.txt"
    file.write_text("n01\ttabby cat\nn02\tdog\n", encoding="utf-8")
    tab.names_from_file(str(file))
    assert session.data.state.names == ["tabby cat", "dog"]
    file.write_bytes(b"\xff\xfe\x00only one")
    with pytest.raises(gr.Error):
        tab.names_from_file(str(file))
    assert session.data.state.names == ["tabby cat", "dog"]


def test_the_status_is_a_live_region_and_escapes_its_text() -> None:
    task = TaskState("Reading <b>", step=2, steps=5, fraction=0.3, left=120.0)
    busy = status_html(DataState(task=task))
    assert 'aria-live="polite"' in busy
    assert "step 2 of 5: reading" in busy
    assert "30 %, about 2 min left" in busy
    assert "<b>" not in busy
    failed = replace(task, error="no <b> folder", ended=True)
    assert "That did not work." in status_html(DataState(task=failed))
    assert "<b>" not in status_html(DataState(task=failed))


def test_images_are_shown_while_they_are_read(loaded: Session) -> None:
    view = loaded.data.state
    assert view.folder is not None
    assert view.canvases is not None
    arriving = Arriving.none_of(view.folder.root)
    for i in range(2):
        pixels = np.asarray(view.canvases.image(i)).transpose(2, 0, 1)
        arriving = arriving.with_image(view.folder.images[i], pixels)
    before = poll(DataTab(loaded), {}, "a")["shown"]
    loaded.data._set(arriving=arriving)
    html = poll(DataTab(loaded), before, "a")["folder"]
    assert html.count("<img") == 2
    assert "Reading the images" in html


def test_a_folder_is_chosen_again_completed_and_picked_in_a_window(
    session: Session, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = DataTab(session)
    monkeypatch.setattr(MachineFolders, "pick", lambda self: image_folder)
    tab.use_picked()
    session.data.wait(400)
    assert session.data.state.path == str(image_folder)
    assert image_folder.name in poll(tab, {}, "a")["recent"]
    session.data._set(folder=None, path="")
    tab.use_recent(event({"pick": "0"}))
    session.data.wait(400)
    assert session.data.state.path == str(image_folder)
    for wrong in ("1", "-1", "x", None):
        with pytest.raises(gr.Error):
            tab.use_recent(event({"pick": wrong}))
    complete = tab.completions_of()
    assert complete(str(image_folder)[:-2]) == [f"{image_folder}/"]
    assert complete(3) == []  # type: ignore[arg-type]
    monkeypatch.setattr(MachineFolders, "pick", lambda self: None)
    session.data._set(folder=None, path="")
    tab.use_picked()  # the window was closed
    session.data.wait(400)
    assert session.data.state.folder is None


def test_the_step_that_comes_next(loaded: Session) -> None:
    assert step_of(DataState()) == 0
    view = loaded.data.state
    assert step_of(view) == 3
    loaded.data.set_inputs("other\nnames", view.model)
    assert step_of(loaded.data.state) == 2
    loaded.data.set_inputs("", view.model)
    assert step_of(loaded.data.state) == 1


def test_every_part_of_every_tab_has_a_component(loaded: Session) -> None:
    """And the other way round: a part without one would never be seen."""
    page = build(loaded, models=presets())
    polls = [one for one in page.fns.values() if one.name == "poll"]
    for one in polls:
        watched = inspect.unwrap(one.fn).__self__  # type: ignore[arg-type, attr-defined]
        parts = watched.parts({}, *("" for _ in watched.inputs), page_of())
        assert set(parts) == set(watched.outputs)
    assert len(polls) == 5


def test_the_next_step_is_the_one_button_that_stands_out(loaded: Session) -> None:
    def primary() -> list[str]:
        parts = poll(DataTab(loaded), {}, "a")
        buttons = {name: parts[name] for name in ("demo", "label", "train", "start")}
        return [
            name
            for name, button in buttons.items()
            if button["variant"] == "primary" and button["visible"]
        ]

    assert primary() == ["start"]
    loaded.data.set_inputs("other\nnames")
    assert primary() == ["label"]
    loaded.data._set(folder=None, preview=None)
    assert primary() == ["demo"]


def test_the_models_at_hand_are_ranked_by_one_press(loaded: Session) -> None:
    tab, view = DataTab(loaded), loaded.data.state
    loaded.data.at_hand = lambda chosen: [chosen]
    first = poll(tab, {}, "a")
    assert first["rank"]["interactive"]
    assert first["ranking"] == ""
    tab.rank_models(view.names_text, view.model, page_of("a"))
    loaded.data.wait(400)
    assert loaded.data.state.error == ""
    then = poll(tab, first["shown"], "a")
    assert Path(view.model).name in then["ranking"]
    assert "nothing to compare it with" in then["ranking"]
    assert "ranking" not in poll(tab, then["shown"], "a"), "left alone while it stays the same"
    loaded.data.set_inputs("other\nnames")
    assert "Not up to date" in poll(tab, then["shown"], "a")["ranking"]
    loaded.data.set_inputs("")
    assert not poll(tab, {}, "a")["rank"]["interactive"]
