"""The Prompts tab's handlers, and a language model behind them that is a small local server."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.prompts.client import Limits
from studio.prompts.form import LlmForm
from studio.prompts.llm import write
from studio.prompts.prompt_set import PromptSet
from studio.session.options import Options
from studio.session.session import Session
from studio.ui.prompts.tab import PromptsTab
from tests.prompts.chat_server import KEY, ChatServer, Reply, asked, error
from tests.ui.conftest import event, page, sent

NAMES = ["blue line", "green circle", "red square"]


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as served:
        yield served


def look(tab: PromptsTab, shown: dict[str, Any] | None = None, who: str = "page-1") -> dict:
    return sent(tab.parts(shown or {}, page(who)), shown)


def ask(tab: PromptsTab, url: str, key: str = KEY, description: str = "", **more: Any) -> Any:
    typed = {"sentences": 2, "templates": 0, "again": False, **more}
    typed |= {"description": description, "model": "local", "base_url": url}
    found = tab.llm.begin(typed, key, page(), seen=tab.session.data.state.names)
    tab.session.writer.wait()
    return found


@pytest.fixture
def tab(loaded: Session) -> PromptsTab:
    return PromptsTab(loaded)


def test_what_is_typed_is_read_by_the_names_of_the_fields(
    loaded: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = PromptsTab(loaded)
    with gr.Blocks():
        tab.build()
    begun: list[Any] = []
    monkeypatch.setattr(
        tab.llm, "begin", lambda typed, key, _, seen: begun.append((typed, key, seen))
    )
    values = {field: name for name, field in tab.llm.fields.items()}
    tab.llm.begin_with({**values, tab.llm.key: KEY, tab.llm.seen: NAMES}, page())
    assert begun == [({name: name for name in asdict(LlmForm())}, KEY, NAMES)]


def test_classes_that_changed_behind_the_page_are_not_sent(
    tab: PromptsTab, server: ChatServer
) -> None:
    seen = look(tab)["llm_seen"]
    assert seen == NAMES
    tab.session.data.label("a secret\nanother one", "embedded", by="page-2")
    tab.session.data.wait()
    with pytest.raises(gr.Error, match="classes have changed"):
        tab.llm.begin({"sentences": 2, "base_url": server.url}, KEY, page(), seen=seen)
    assert not server.requests
    assert look(tab)["llm_seen"] == ["a secret", "another one"]


def test_a_fresh_studio_says_what_to_do(session: Session) -> None:
    seen = look(PromptsTab(session))
    assert "Choose images" in seen["effect"]
    assert "api.openai.com" in seen["llm_leaves"]
    assert "No key: nothing is sent" in seen["llm_about_key"]
    assert seen["board"]["rows"] == []


def test_an_edit_shows_counts_changes_and_pictures(tab: PromptsTab) -> None:
    first = look(tab)
    before = [row["count"] for row in first["board"]["rows"]]
    tab.edit_class(event({"name": "red square", "text": "crimson box\na scarlet tile"}))
    seen = look(tab, first["shown"])
    rows = {row["name"]: row for row in seen["board"]["rows"]}
    assert rows["red square"]["text"] == "crimson box\na scarlet tile"
    assert [row["count"] for row in seen["board"]["rows"]] != before
    assert any("by this edit" in row["change"] for row in rows.values())
    assert "changed by this edit" in seen["effect"]
    assert seen["effect"].count('class="moved"') > 0
    assert "gradio_api/file=" in seen["effect"]
    assert "right" in seen["effect"]
    assert seen["undo"]["interactive"] is True
    tab.session.prompts.undo()
    assert [row["count"] for row in look(tab)["board"]["rows"]] == before
    again = look(tab, look(tab)["shown"])
    assert not {"effect", "board", "llm_leaves"} & set(again), "nothing new, and yet it was sent"


def test_templates_that_cannot_be_used_are_told_and_change_nothing(tab: PromptsTab) -> None:
    assert tab.edit_templates("the {}\n", page()) == ""
    assert tab.session.data.state.prompts.templates == ("the {}",)
    told = tab.edit_templates("the {}\na pho<b>", page())
    assert "has no {}" in told
    assert "<b>" not in told
    assert tab.session.data.state.prompts.templates == ("the {}",)
    shown = look(tab, look(tab)["shown"])
    tab.edit_class(event({"name": "red square", "text": "crimson"}))
    kept = look(tab, shown["shown"])
    assert "templates" not in kept, "what is being typed is overwritten by an answer about a class"
    assert tab.use_templates(()) == ["", ""]
    tab.start_over()
    assert tab.session.data.state.prompts.is_default


def test_what_the_studio_sends_to_a_field_is_no_edit(tab: PromptsTab) -> None:
    """Two pages that echo each other would never come to rest."""
    tab.edit_templates("the {}", page("page-1"))
    tab.llm.remember("description")(page("page-1"), "tiles")
    shown = look(tab, who="page-2")["shown"]
    tab.edit_templates("the {}\na {}", page("page-1"))
    tab.llm.remember("description")(page("page-1"), "tiles and more")
    tab.see_templates("the {}", shown, page("page-2"))
    tab.llm.see("description")(page("page-2"), shown, "tiles")
    tab.llm.see("description")(page("page-3"), {}, "")  # a page that was told nothing yet
    tab.see_templates("", {}, page("page-3"))
    view = tab.session.data.state
    assert view.prompts.templates == ("the {}", "a {}")
    assert view.llm_form.description == "tiles and more"
    assert "has no {}" in tab.see_templates("the", shown, page("page-2"))
    tab.see_templates("one {}", shown, page("page-2"))
    tab.llm.see("description")(page("page-2"), shown, "cups")
    view = tab.session.data.state
    assert view.prompts.templates == ("one {}",)
    assert view.llm_form.description == "cups"


def test_events_of_two_fields_may_overtake_each_other(tab: PromptsTab) -> None:
    """The server takes queued events in any order; none may bring back what another field was."""
    shown = look(tab)["shown"]
    tab.llm.see("model")(page(), shown, "local")
    tab.llm.see("base_url")(page(), shown, "http://127.0.0.1:1/v1")
    tab.llm.see("description")(page(), shown, "")  # raised first, when the page was filled
    tab.llm.see("sentences")(page(), shown, None)  # emptied while a number is typed
    llm_form = tab.session.data.state.llm_form
    assert llm_form == LlmForm(model="local", base_url="http://127.0.0.1:1/v1")


def test_what_a_page_types_is_not_sent_back_to_it(tab: PromptsTab) -> None:
    first = look(tab)
    tab.edit_templates("the {}", page("page-1"))
    assert "value" not in look(tab, first["shown"])["templates"]
    assert look(tab, who="page-2")["templates"]["value"] == "the {}"


@pytest.mark.parametrize(
    "data",
    [None, "x", {}, {"name": "red square"}, {"name": "no such", "text": "a"},
     {"name": ["red square"], "text": "a"}, {"name": "red square", "text": 7},
     {"name": "red square", "text": "x" * 60_000}, {"name": "red square", "text": "x" * 301}],
)  # fmt: skip
def test_made_up_events_change_nothing(tab: PromptsTab, data: Any) -> None:
    with pytest.raises(gr.Error):
        tab.edit_class(event(data))
    assert tab.session.data.state.prompts.is_default


def test_save_and_load(tab: PromptsTab, tmp_path: Path) -> None:
    assert json.loads(tab.to_json())["templates"] == ["a {}"]  # the model's own, written out
    tab.edit_class(event({"name": "red square", "text": "crimson"}))
    file = tmp_path / "prompts.json"
    file.write_text(tab.to_json())
    tab.start_over()
    assert tab.session.data.state.prompts.is_default
    tab.take_file(str(file))
    assert tab.session.data.state.prompts.of("red square") == ("crimson",)
    file.write_text("[]")
    for wrong in (str(file), None):
        with pytest.raises(gr.Error):
            tab.take_file(wrong)
    assert tab.session.data.state.prompts.of("red square") == ("crimson",)


def test_the_page_says_what_leaves_and_what_it_costs_before_anything_does(
    tab: PromptsTab, server: ChatServer
) -> None:
    llm_form = LlmForm("tiles <b>", "local", server.url, 3, 2)
    tab.session.prompts.llm_form(asdict(llm_form))
    told = look(tab)["llm_leaves"]
    assert f"127.0.0.1:{server.url.split(':')[2][:-3]}" in told
    assert "the 3 class names and the description" in told
    assert "2 requests" in told
    assert server.requests == []
    tab.llm.remember("base_url")(page(), "https://me:word@host/v1")
    assert "no key" in look(tab)["llm_leaves"]
    assert "word" not in look(tab)["llm_leaves"]


def test_a_language_model_writes_and_labels_follow(tab: PromptsTab, server: ChatServer) -> None:
    before = look(tab)
    assert ask(tab, server.url, description="coloured shapes") == "", "the field is emptied"
    view = tab.session.data.state
    assert set(view.prompts.sentences) == set(NAMES)
    assert view.preview is not None
    assert view.preview.prompts == view.prompts
    seen = look(tab)
    assert "Done." in seen["llm_status"]
    assert "6 sentences for 3 classes" in seen["llm_status"]
    assert seen["board"]["rows"][0]["text"] != before["board"]["rows"][0]["text"]
    assert "a key was typed" in seen["llm_about_key"].lower()
    # One step, and only classes without sentences are asked about again.
    with pytest.raises(gr.Error, match="Nothing is asked for"):
        ask(tab, server.url, key="")
    ask(tab, server.url, key="", again=True, sentences=1)
    assert len(server.requests) == 2
    tab.session.prompts.undo()
    tab.session.prompts.undo()
    assert tab.session.data.state.prompts.is_default


def test_without_a_key_nothing_is_sent(tab: PromptsTab, server: ChatServer) -> None:
    with pytest.raises(gr.Error, match="no key"):
        ask(tab, server.url, key="")
    assert server.requests == []
    ask(tab, server.url)
    tab.session.writer.forget()
    with pytest.raises(gr.Error, match="no key"):
        ask(tab, server.url, key="", again=True, sentences=1)
    with ChatServer() as other, pytest.raises(gr.Error, match="no key"):
        ask(tab, other.url, key="", again=True)


def test_a_failure_is_one_line_and_what_came_is_kept(tab: PromptsTab, server: ChatServer) -> None:
    server.then = error(400, f"no money, {KEY}")
    ask(tab, server.url)
    told = look(tab)["llm_status"]
    assert "Nothing was written." in told
    assert "no money" in told
    assert KEY not in told
    assert tab.session.data.state.prompts.is_default


def test_what_the_user_edits_meanwhile_stays(tab: PromptsTab, server: ChatServer) -> None:
    def write(asked: Any, endpoint: Any, *, listen: Any, **_: Any) -> Any:
        from studio.prompts.llm import Written

        one = Written(prompts=PromptSet((), {"red square": ("a",)}), done=1, total=2)
        listen(one)
        tab.edit_class(event({"name": "red square", "text": "mine"}))
        return Written(
            prompts=PromptSet((), {"red square": ("a",), "blue line": ("b",)}), done=2, total=2
        )

    tab.session.writer.write = write
    ask(tab, server.url)
    assert tab.session.data.state.prompts.sentences == {
        "red square": ("mine",), "blue line": ("b",),
    }  # fmt: skip


def test_strangers_bring_their_own_key_and_it_is_not_kept(
    tmp_path: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    from studio.runs.store import RunStore
    from studio.runs.worker import Worker

    options = Options(runs_dir=tmp_path / "r", cache_dir=tmp_path / "c", public=True)
    session = Session(options, Worker(RunStore(options.runs_dir), cache_dir=options.cache_dir))
    session.data.set_inputs("cat\ndog", "embedded")
    tab = PromptsTab(session)
    with pytest.raises(gr.Error, match="no key"):
        ask(tab, "", key="")
    assert server.requests == []
    with ChatServer() as other, pytest.raises(gr.Error, match="No other address"):
        ask(tab, other.url)
    ask(tab, "", key=KEY)
    assert len(server.requests) == 1
    with pytest.raises(gr.Error, match="no key"):
        ask(tab, "", key="", again=True)


def test_the_key_is_nowhere(
    tab: PromptsTab, server: ChatServer, caplog: pytest.LogCaptureFixture,
    quick_settings: dict[str, Any], capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Disk, log, run folder, export, what is printed, what the page is told."""
    from studio.export.labels import labels_csv
    from studio.runs.request import JobRequest
    from studio.settings import Settings

    caplog.set_level(logging.DEBUG)
    server.replies = [error(500, f"oops {KEY}"), error(429, KEY, retry_after="0")]
    ask(tab, server.url)
    view = tab.session.data.state
    assert view.folder is not None
    request = JobRequest(
        folder=view.folder.root, class_names=tuple(view.names), model=view.model,
        settings=Settings(**quick_settings), prompts=view.prompts, method="zero-shot",
    )  # fmt: skip
    run_id = tab.session.worker.start(request)
    tab.session.worker.wait(200)
    run = tab.session.store.get(run_id)
    saved = json.loads((run.path / "prompts.json").read_text())
    assert saved == {"format": 1, "templates": ["a {}"],
                     "sentences": view.prompts.to_dict()["sentences"]}  # fmt: skip
    labels_csv(run, tab.session.options.cache_dir / "labels.csv")

    places = [tab.session.options.cache_dir, tab.session.options.runs_dir]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert any("answers" in str(path) for path in files)
    secret = KEY[3:15].encode()
    assert [path for path in files if secret in path.read_bytes()] == []
    told = (
        json.dumps(look(tab), default=str) + tab.to_json() + caplog.text + str(capfd.readouterr())
    )
    assert secret.decode() not in told
    assert secret.decode() not in repr(tab.session.writer.view) + repr(tab.session.writer)


def test_sentences_that_tell_classes_apart_are_shown_before_they_are_taken(
    tab: PromptsTab, server: ChatServer
) -> None:
    names = tab.session.data.state.names
    pairs = tab.session.prompts.confused()
    assert pairs, "the tiny model is in doubt about everything"
    tab.llm.remember("apart")(page(), True)
    seen = look(tab)
    said = " ".join(re.sub("<[^>]*>", "", seen["llm_leaves"]).split())
    for first, second in pairs:
        assert f"{first} and {second}" in said, "which pairs are named is said before"
    assert "no other result" in said
    assert seen["llm_take"]["visible"] is False

    def well(request: dict[str, Any]) -> Reply:
        data = asked(request)
        assert set(data) == {"task", "number", "classes", "pairs", "all_classes"}
        classes = [{"name": n, "sentences": ["a crimson box"]} for n in data["classes"]]
        return Reply(json.dumps({"classes": classes}))

    server.then, tab.session.prompts.quiet = well, 0.05
    ask(tab, server.url, apart=True)
    before = tab.session.data.state.prompts
    assert before.is_default, "nothing is changed before it was taken"
    seen = look(tab)
    assert "would change" in seen["llm_proposal"]
    assert "a crimson box" in seen["llm_proposal"]
    assert "Nothing is changed yet" in seen["llm_proposal"]
    assert "None is used yet" in seen["llm_status"]
    assert seen["llm_take"]["visible"] is True
    proposal = tab.session.writer.view.proposal
    assert proposal is not None
    would = tab.session.prompts.would(proposal)
    tab.llm.take_them()
    view = tab.session.data.state
    assert set(view.prompts.sentences) <= set(names)
    assert view.preview is not None
    assert would is not None
    assert (view.preview.labels == would.labels).all(), "what was shown is what comes"
    assert view.preview.estimate is not None
    ends = time.monotonic() + 60
    while not tab.session.data.state.preview.judged and time.monotonic() < ends:
        time.sleep(0.02)
    estimate = tab.session.data.state.preview.estimate
    assert estimate == would.estimate, "and as many of them are right as was shown"
    tab.llm.leave_them()  # of another page, a moment later
    seen = look(tab)
    assert "Taken." in seen["llm_status"]
    assert "Undo" in seen["llm_status"]
    assert seen["llm_take"]["visible"] is False
    assert seen["llm_proposal"] == ""
    tab.session.prompts.undo()
    assert tab.session.data.state.prompts.is_default


def test_proposed_sentences_can_be_left(tab: PromptsTab, server: ChatServer) -> None:
    ask(tab, server.url, apart=True)
    assert tab.session.writer.view.proposal is not None
    tab.llm.leave_them()
    assert tab.session.writer.view.proposal is None
    assert tab.session.data.state.prompts.is_default
    tab.llm.take_them()
    assert tab.session.data.state.prompts.is_default
    assert "Left." in look(tab)["llm_status"]
    ask(tab, server.url, apart=True, key="")  # on the disk: it is not asked again
    assert len(server.requests) == 1
    seen = look(tab)
    assert seen["llm_take"]["visible"] is True
    assert "Left." not in seen["llm_status"]


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (error(401, f"Incorrect API key {KEY}"), "does not accept the key (401)"),
        (error(429, "slow down", retry_after="90"), "(429); try again in 1 min 30 s"),
        (error(429, "none left", code="insufficient_quota"), "quota of this key"),
        (error(500, "oops"), "failed (500)"),
        (Reply("{}", wait=1.0), "did not answer within 0.3 s"),
        (Reply("They differ in <b>shape</b>."), "no JSON"),
        (Reply('{"classes": [{"name": "zebra", "sentences": ["a striped horse"]}]}'),
         "no sentences for the classes asked about"),
        (Reply(refusal="I cannot"), "refused to answer"),
    ],
)  # fmt: skip
def test_what_tells_classes_apart_and_does_not_come_is_one_line(
    tab: PromptsTab, server: ChatServer, answer: Reply, line: str
) -> None:
    tab.session.writer.write = partial(write, limits=Limits(timeout=0.3, tries=1))
    server.then = answer
    ask(tab, server.url, apart=True)
    seen = look(tab)
    assert line in seen["llm_status"]
    assert "Nothing was written." in seen["llm_status"]
    assert seen["llm_status"].count("<p>") == 1
    assert KEY not in seen["llm_status"]
    assert seen["llm_take"]["visible"] is False
    assert seen["llm_proposal"] == ""
    assert seen["llm_write"]["interactive"] is True
    assert tab.session.data.state.prompts.is_default


def test_what_has_no_say_takes_no_text_and_a_server_here_is_named_so(
    tab: PromptsTab, server: ChatServer
) -> None:
    first = look(tab)
    assert "nothing leaves this machine" not in first["llm_leaves"]
    assert first["typed_again"]["interactive"] is True
    tab.llm.remember("apart")(page(), True)
    tab.llm.remember("base_url")(page(), server.url)
    seen = look(tab, first["shown"])
    assert "That server is on this machine: nothing leaves this machine." in seen["llm_leaves"]
    assert seen["typed_again"] == gr.update(interactive=False), "its own user ticked it"
    assert seen["typed_templates"]["interactive"] is False
    tab.llm.see("templates")(page("page-2"), seen["shown"], 0)
    assert tab.session.data.state.llm_form.apart, "what the studio sent is no edit"


def test_without_labels_nothing_is_known_to_be_mixed_up(
    session: Session, server: ChatServer, image_folder: Path
) -> None:
    session.data.use_folder(image_folder)
    session.data.wait(400)
    tab = PromptsTab(session)
    with pytest.raises(gr.Error, match="Label now"):
        ask(tab, server.url, apart=True)
    assert "Label now" in look(tab)["llm_leaves"]
    tab.session.prompts.confused = lambda: ()
    with pytest.raises(gr.Error, match="there is nothing to ask"):
        ask(tab, server.url, apart=True)
    assert server.requests == []
