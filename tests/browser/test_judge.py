"""A judge in a real Chromium: consent, progress, a stop, going on, what it said, and the undo."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from studio.runs.corrections import corrections_of
from studio.runs.store import Run, RunStore
from tests.ask.vision_server import is_test_picture, letter, names, sees
from tests.browser.conftest import Server, Watch, reload, unfold, wait_for
from tests.browser.prepared import Prepared
from tests.browser.test_explore import explore
from tests.prompts.chat_server import KEY, ChatServer, Reply, error

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]

Open = Callable[..., Any]
SIZES = [(390, "dark"), (1440, "light")]


@pytest.fixture(scope="module")
def server(lived_in: Server) -> Server:
    return lived_in


@pytest.fixture
def first(server: Server, prepared: Prepared) -> Run:
    return RunStore(server.runs).get(prepared.ids["first"])


@pytest.fixture(scope="module")
def model() -> Iterator[ChatServer]:
    """Always of the same opinion: the first name in the alphabet."""
    with ChatServer(key=None) as served:
        served.then = sure
        yield served


def sure(request: dict[str, Any]) -> Reply:
    if is_test_picture(request):
        return sees(request)
    return letter(request, min(n for n in names(request).values() if n != "none of these"))


def box(page: Any) -> Any:
    """Open the box."""
    if not page.locator("#judge-budget input, #judge-budget textarea").is_visible():
        unfold(page, page.locator("#judge > button"))
    page.locator("#judge-leaves .leaves").wait_for()
    return page.locator("#judge")


def told(page: Any, text: str, seconds: float = 60) -> None:
    leaves = page.locator("#judge-leaves")
    wait_for(page, lambda: text in " ".join(leaves.inner_text().split()), text, seconds)


def status(page: Any) -> str:
    return " ".join(page.locator("#judge-status").inner_text().split())


def fill(page: Any, name: str, text: str) -> None:
    page.fill(f"#judge-{name} input, #judge-{name} textarea", text)


def use(page: Any, model: ChatServer) -> None:
    """Type the small server's address."""
    unfold(page, page.locator("#judge-server > button"))
    fill(page, "url", model.url)
    fill(page, "model", "seer")
    told(page, model.url.split("/")[2])


def test_nothing_leaves_before_the_user_has_read_what_would_and_said_yes(
    open_page: Open, first: Run, model: ChatServer
) -> None:
    page = open_page()
    explore(page)
    box(page)
    told(page, "to api.openai.com")
    told(page, "The images leave this machine.")
    assert "22 images" in page.inner_text("#judge-leaves"), "two for each of 11 classes"
    assert "US dollars" in page.inner_text("#judge-leaves")
    use(page, model)
    told(page, "That server is on this machine: the images stay on this machine.")
    assert "It costs nothing but time" in page.inner_text("#judge-leaves")
    page.click("#judge-ask")
    page.get_by_text("tick that the images may go to").first.wait_for()
    tick = page.locator("#judge-agree input")
    tick.check()
    fill(page, "budget", "12")
    told(page, "Asking sends 12 images")
    wait_for(page, lambda: not tick.is_checked(), "a tick that is taken away", 30)
    assert "12 images" in page.locator("#judge-agree").inner_text()
    fill(page, "budget", "a few")
    told(page, "A budget is how many images")
    wait_for(page, lambda: page.locator("#judge-ask").is_disabled(), "no button", 30)
    assert model.requests == []


def test_progress_stop_a_reload_and_going_on(
    open_page: Open, first: Run, model: ChatServer, server: Server
) -> None:
    page = open_page()
    explore(page)
    box(page)
    use(page, model)
    fill(page, "budget", "12")
    fill(page, "key", KEY)
    told(page, "Asking sends 12 images")

    released = threading.Event()

    def slowly(request: dict[str, Any]) -> Reply:
        if len(model.requests) > 2 + 8:
            released.wait(50)  # longer than a page takes, and less than the client waits
        return sure(request)

    model.then = slowly
    page.locator("#judge-agree input").check()
    page.click("#judge-ask")
    page.locator("#judge-status .progress").wait_for()
    wait_for(page, lambda: " of 12 images" in status(page), "progress", 60)
    reload(page)  # in the middle
    explore(page)
    box(page)
    wait_for(page, lambda: " of 12 images" in status(page), "progress after a reload", 60)
    page.click("#judge-stop")
    wait_for(page, lambda: "Stopped." in status(page), "the stop", 60)
    kept = len(corrections_of(first))
    assert 0 < kept < 12
    assert f"{kept} image" in status(page)

    model.then = sure
    released.set()
    sent = len(model.requests)
    told(page, f"An asking was stopped after {kept} of 12 images")
    wait_for(page, lambda: page.inner_text("#judge-ask") == "Go on", "another button", 30)
    page.locator("#judge-agree input").check()
    page.click("#judge-ask")
    wait_for(page, lambda: "12 images judged" in status(page), "the end", 60)
    assert len(model.requests) - sent <= 2 * (12 - kept), "nothing is asked twice"
    marks = page.locator("#gallery-selection .card-mark")
    wait_for(page, lambda: marks.count() > 0, "its marks, without a press", 60)
    said = corrections_of(first)
    assert len(said) == 12
    assert {one.verdict for one in said.values()} == {"judged"}
    for folder in (server.cache, server.runs):
        for path in folder.rglob("*"):
            assert not path.is_file() or KEY.encode() not in path.read_bytes(), path
    stores = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert KEY not in stores + page.content()


def test_what_it_said_is_shown_on_each_image_and_undone_in_one_press(
    open_page: Open, first: Run
) -> None:
    page = open_page()
    explore(page)
    box(page)
    page.click("#judge-take")
    cards = page.locator("#gallery-selection .card-mark")
    wait_for(page, lambda: cards.count() == 12, "twelve marks", 60)
    assert all(text.startswith("◇ ") for text in cards.all_inner_texts())
    page.locator("#gallery-selection .card").first.click()
    dialog = page.locator("#explore-dialog dialog[open]")
    dialog.locator(".detail-text dl").wait_for()
    assert "both times" in dialog.inner_text()
    assert "asked seer at 127.0.0.1" in dialog.inner_text()
    page.keyboard.press("Escape")
    page.click("#judge-undo")
    wait_for(page, lambda: corrections_of(first) == {}, "the undo", 30)
    wait_for(page, lambda: cards.count() == 0, "no marks", 60)


def test_a_judge_checks_how_good_the_labels_are_and_changes_none(
    open_page: Open, first: Run, model: ChatServer
) -> None:
    page = open_page()
    explore(page)
    box(page)
    use(page, model)
    fill(page, "budget", "2C")  # as it is before anybody types
    told(page, "Asking sends 22 images")
    page.locator("#judge-purpose").get_by_text("Check how good these labels are").click()
    told(page, "They change no label, and are never counted with your own checks.")
    told(page, "Asking sends 60 images")
    assert page.input_value("#judge-budget input, #judge-budget textarea") == "60"
    fill(page, "budget", "12")
    told(page, "Asking sends 12 images")
    tick = page.locator("#judge-agree input")
    wait_for(page, lambda: not tick.is_checked(), "a tick that is taken away", 30)
    tick.check()
    page.locator("#judge-purpose").get_by_text("Name groups").click()
    told(page, "evidence that the next run weighs")
    wait_for(page, lambda: not tick.is_checked(), "a yes to checks is none to answers", 30)
    page.locator("#judge-purpose").get_by_text("Check how good these labels are").click()
    told(page, "They change no label")
    told(page, "Asking sends 12 images")
    wait_for(page, lambda: not tick.is_checked(), "a tick that is taken away", 30)
    tick.check()
    page.click("#judge-ask")
    wait_for(page, lambda: "12 images checked" in status(page), "the end", 60)
    assert "They change no label" in " ".join(page.inner_text("#judge-leaves").split())
    share = page.locator("#judge-share")
    wait_for(page, lambda: "The judge seer checked 12 images" in share.inner_text()
             or "the judge seer checked" in share.inner_text(), "the share", 60)  # fmt: skip
    assert "No person has checked the same images" in share.inner_text()
    assert corrections_of(first) == {}, "no label was touched"
    reload(page)
    explore(page)
    box(page)
    wait_for(page, lambda: "the judge seer checked" in share.inner_text().replace("The", "the"),
             "the share after a reload", 60)  # fmt: skip
    page.click("#judge-undo")
    wait_for(page, lambda: share.inner_text().strip() == "", "the undo", 60)


def test_what_fails_is_one_line(open_page: Open, first: Run, model: ChatServer) -> None:
    page = open_page()
    explore(page)
    box(page)
    use(page, model)
    fill(page, "model", "reader")
    told(page, "model reader")
    model.then = error(400, "reader is not a multimodal model")
    page.locator("#judge-agree input").check()
    page.click("#judge-ask")
    wait_for(page, lambda: "cannot look at images" in status(page), "a line", 60)
    assert "“reader”" in status(page)
    model.then = sure


@pytest.mark.parametrize(("width", "theme"), SIZES)
def test_nothing_is_cut_off(
    open_page: Open, first: Run, model: ChatServer, width: int, theme: str
) -> None:
    page = open_page(f"?__theme={theme}", viewport={"width": width, "height": 900})
    explore(page)
    box(page)
    unfold(page, page.locator("#judge-server > button"))
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0
    for name in ("budget", "about", "url", "model", "price", "key"):
        field = page.locator(f"#judge-{name} input, #judge-{name} textarea")
        assert field.evaluate("f => f.getBoundingClientRect().width") > 100


def test_no_page_complained(watch: Watch, server: Server) -> None:
    assert watch.faults == []
    assert "Traceback" not in server.log.read_text(errors="replace")
