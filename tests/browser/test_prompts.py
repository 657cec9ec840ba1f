"""Prompts in a real Chromium: edits that are answered, a reload, and a small language model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.conftest import Server, Watch, go, reload, unfold, wait_for
from tests.browser.test_asked import look
from tests.prompts.chat_server import KEY, ChatServer, Reply, asked, error, well

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]

Open = Callable[..., Any]
SIZES = [(375, "dark"), (1280, "light")]


@pytest.fixture(scope="module")
def server(lived_in: Server) -> Server:
    return lived_in


@pytest.fixture(scope="module")
def chat() -> Iterator[ChatServer]:
    with ChatServer() as served:
        yield served


def prompts(page: Any) -> Any:
    """Open the tab and wait for the classes and their counts."""
    go(page, "Prompts")
    counts = page.locator(".prompt-row .prompt-count")
    wait_for(page, lambda: counts.count() and counts.first.inner_text(), "counts", 300)
    return page


def counts(page: Any) -> list[str]:
    """Images per class; the estimate beside it follows the verdict, a little later."""
    return [text.split(",")[0] for text in page.locator(".prompt-count").all_inner_texts()]


def sentences(page: Any, name: str) -> Any:
    return page.get_by_label(f"Sentences for {name}, one a line", exact=True)


def figure(page: Any, label: str) -> str:
    """One of the figures above the table; empty when it is not there."""
    found = page.locator("#prompts-effect .stat", has_text=label).locator(".stat-value")
    return str(found.first.inner_text()) if found.count() else ""


def test_an_edit_changes_counts_and_shows_the_images(open_page: Open) -> None:
    page = prompts(open_page())
    assert page.locator(".prompt-row").count() == 11
    before = counts(page)
    text = sentences(page, "banana")
    text.click()
    page.keyboard.type("a soccer ball on grass", delay=15)
    wait_for(page, lambda: counts(page) != before, "other counts", 60)
    wait_for(page, lambda: figure(page, "changed by this edit") not in ("", "0"), "changes", 30)
    assert page.locator(".moved").count() > 0
    moved = page.locator(".moved").first
    wait_for(
        page, lambda: moved.locator("img").evaluate("i => i.naturalWidth") > 0, "a picture", 30
    )
    assert "→" in moved.inner_text()
    # Answers neither took the focus away nor the text.
    page.keyboard.type("!")
    assert text.input_value() == "a soccer ball on grass!"
    page.wait_for_timeout(3000)
    assert text.input_value() == "a soccer ball on grass!"
    assert text.evaluate("t => t === document.activeElement")
    page.click("#prompts-undo")
    wait_for(page, lambda: counts(page) == before, "the old counts", 60)
    wait_for(page, lambda: text.input_value() == "", "an empty field", 30)


def test_a_template_changes_labels_and_a_wrong_one_is_told(open_page: Open) -> None:
    page = prompts(open_page())
    before = counts(page)
    page.fill("#templates textarea", "a drawing")
    page.locator("#templates-fault").get_by_text("has no {} for the class name").wait_for()
    assert counts(page) == before
    page.fill("#templates textarea", "a drawing of a soccer ball or a {}")
    wait_for(page, lambda: counts(page) != before, "other counts", 60)
    assert page.locator("#templates-fault .notice").count() == 0
    page.get_by_role("button", name="The model's own").click()
    wait_for(page, lambda: counts(page) == before, "the old counts", 60)
    assert page.input_value("#templates textarea") == ""


def test_a_reload_and_another_browser_find_the_prompts(open_page: Open, server: Server) -> None:
    page = prompts(open_page())
    before = counts(page)
    page.fill("#llm-description textarea", "things on a table")
    sentences(page, "lemon").fill("a soccer ball in a goal")
    wait_for(page, lambda: counts(page) != before, "an answer", 60)
    mine = counts(page)
    reload(page)
    for seen in (page, open_page()):
        prompts(seen)
        wait_for(seen, lambda: sentences(seen, "lemon").input_value(), "the sentence", 60)  # noqa: B023
        assert sentences(seen, "lemon").input_value() == "a soccer ball in a goal"
        assert counts(seen) == mine
        wait_for(
            seen,
            lambda: seen.input_value("#llm-description textarea") == "things on a table",  # noqa: B023
            "the description",
            30,
        )
    saved = json.loads((server.cache / "workspace.json").read_text())
    assert saved["prompts"]["sentences"] == {"lemon": ["a soccer ball in a goal"]}
    go(page, "Train")
    page.locator("#train-ready").get_by_text("1 sentence").wait_for()


def test_prompts_are_saved_and_loaded_as_json(open_page: Open, tmp_path: Any) -> None:
    page = prompts(open_page())
    with page.expect_download() as saved:
        page.click("#prompts-save")
    assert saved.value.suggested_filename == "prompts.json"
    kept = json.loads(saved.value.path().read_text())
    assert kept["sentences"] == {"lemon": ["a soccer ball in a goal"]}
    page.click("#prompts-clear")
    wait_for(page, lambda: sentences(page, "lemon").input_value() == "", "an empty field", 60)
    kept["sentences"]["pizza"] = ["round, with <b>cheese</b>"]
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(kept))
    page.locator("input[type=file][accept*=json]").first.set_input_files(file)
    wait_for(page, lambda: sentences(page, "pizza").input_value(), "the loaded sentence", 60)
    assert sentences(page, "pizza").input_value() == "round, with <b>cheese</b>"
    page.click("#prompts-clear")
    wait_for(page, lambda: sentences(page, "pizza").input_value() == "", "an empty field", 60)


def test_a_language_model_writes_and_the_key_is_nowhere(
    open_page: Open, chat: ChatServer, server: Server
) -> None:
    page = prompts(open_page())
    page.locator("#llm-leaves").get_by_text("11 class names").wait_for()  # the page has arrived
    host = chat.url.split("/")[2]
    unfold(page, page.locator("#llm-server button").first)
    page.fill("#llm-url input, #llm-url textarea", chat.url)
    page.fill("#llm-model input, #llm-model textarea", "local")
    page.locator("#llm-leaves strong").get_by_text(host, exact=True).wait_for()
    page.locator("#llm-leaves").get_by_text("1 request (").wait_for()
    assert "11 class names" in page.inner_text("#llm-leaves")

    page.click("#llm-write")
    page.get_by_text("so nothing was sent").first.wait_for()
    assert chat.requests == []

    page.fill("#llm-key input", KEY)
    chat.replies = [error(401, f"Incorrect API key {KEY}")]
    page.click("#llm-write")
    page.locator("#llm-status").get_by_text("does not accept the key").wait_for()
    wait_for(page, lambda: page.input_value("#llm-key input") == "", "an emptied field", 30)

    def slowly(request: dict[str, Any]) -> Reply:
        reply = well(request)
        reply.wait = 2.0
        return reply

    chat.then = slowly
    page.click("#llm-write")  # with the key that was typed
    page.locator("#llm-status .progress").wait_for()
    reload(page)  # in the middle
    prompts(page)
    page.locator("#llm-status").get_by_text("44 sentences for 11 classes written").wait_for()
    wait_for(page, lambda: sentences(page, "umbrella").input_value(), "sentences", 60)
    assert sentences(page, "umbrella").input_value().startswith("a umbrella, kind 0\n")
    wait_for(page, lambda: figure(page, "changed by this edit"), "the effect", 60)
    assert set(asked(chat.requests[-1])) == {
        "task", "number", "classes", "all_classes", "description_of_the_set"
    }  # fmt: skip

    stores = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert KEY not in stores
    assert KEY not in page.content()
    assert KEY not in server.log.read_text(errors="replace")
    for folder in (server.cache, server.runs):
        for path in folder.rglob("*"):
            assert not path.is_file() or KEY.encode() not in path.read_bytes(), path
    page.click("#prompts-clear")


def test_what_tells_classes_apart_is_shown_before_it_is_taken(
    open_page: Open, chat: ChatServer
) -> None:
    page = prompts(open_page())
    wait_for(page, lambda: sentences(page, "banana").input_value() == "", "no sentences", 60)
    before = counts(page)
    unfold(page, page.locator("#llm-server button").first)
    page.fill("#llm-url input, #llm-url textarea", chat.url)
    page.fill("#llm-key input", KEY)
    page.locator("#llm-apart input").check()
    pairs = page.locator("#llm-leaves .pairs > li")
    wait_for(page, lambda: pairs.count() > 1, "the pairs", 60)
    wait_for(page, lambda: page.locator("#llm-again input").is_disabled(), "no other say", 30)

    def apart(request: dict[str, Any]) -> Reply:
        own = [{"name": n, "sentences": ["a soccer ball"]} for n in asked(request)["classes"]]
        return Reply(json.dumps({"classes": own}))

    chat.then = apart
    page.locator("#llm-write").press("Enter")
    page.locator("#llm-proposal").get_by_text("would change their label").wait_for()
    look(page, "apart")
    told = page.locator("#llm-proposal .stat", has_text="right with them").first.inner_text()
    assert counts(page) == before, "labels follow before anything is taken"
    page.locator("#llm-take").press("Enter")
    page.locator("#llm-status").get_by_text("Taken.").wait_for()
    wait_for(page, lambda: counts(page) != before, "other counts", 60)
    right = told.splitlines()[0]  # as it is told once the verdict on the labels is there
    wait_for(page, lambda: figure(page, "right, estimated") == right, "what was shown", 60)
    page.click("#prompts-undo")
    wait_for(page, lambda: counts(page) == before, "the old counts", 60)
    page.locator("#llm-apart input").uncheck()


@pytest.mark.parametrize(("width", "theme"), SIZES)
def test_nothing_is_cut_off(open_page: Open, width: int, theme: str) -> None:
    page = prompts(open_page(f"?__theme={theme}", viewport={"width": width, "height": 900}))
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0
    text = sentences(page, "pizza")
    assert text.evaluate("t => t.getBoundingClientRect().width") > 200


def test_no_page_complained(watch: Watch, server: Server) -> None:
    assert watch.faults == []
    assert "Traceback" not in server.log.read_text(errors="replace")
