"""Correcting labels and training again, and searching in words, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from unittest.mock import ANY

import pytest

from studio.runs.corrections import Corrections, corrections_of
from studio.runs.given import Correction
from studio.runs.store import Run, RunStore
from studio.ui.explore.answers import IMAGES_AT_HAND
from tests.browser.conftest import Server, Watch, go, reload, unfold, wait_for
from tests.browser.prepared import Prepared
from tests.browser.rest import settle
from tests.browser.test_explore import choose, explore, total, where

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def server(lived_in: Server) -> Server:
    return lived_in


@pytest.fixture
def first(server: Server, prepared: Prepared) -> Run:
    return RunStore(server.runs).get(prepared.ids["first"])


def open_image(page: Any, number: int) -> Any:
    """The dialog of an image of the gallery beside the map."""
    page.locator("#gallery-selection .card").nth(number).click()
    dialog = page.locator("#explore-dialog dialog[open]")
    dialog.locator(".answers").wait_for()
    return dialog


def path_of(dialog: Any) -> str:
    return str(dialog.locator("figcaption").inner_text()).strip()


def answered(page: Any, dialog: Any, text: str, path: str) -> None:
    """Wait until the image is answered, and the next one is there."""
    message = dialog.locator(".answer-message")
    wait_for(page, lambda: text in message.inner_text() and path_of(dialog) != path, text, 60)


def marks(page: Any) -> list[str]:
    return list(page.locator("#gallery-selection .card-mark").all_inner_texts())


def close(page: Any) -> None:
    page.keyboard.press("Escape")
    page.locator("#explore-dialog dialog[open]").wait_for(state="detached")


def open_corrections(page: Any) -> None:
    """Open the panel of corrections."""
    if not page.locator("#correct-undo").is_visible():
        unfold(page, page.locator("#correct > button"))
    page.locator("#correct-undo").wait_for()


def test_one_image_after_the_other_by_keys(open_page: Open, first: Run, watch: Watch) -> None:
    page = open_page()
    explore(page)
    number = total(page, "selection")
    dialog = open_image(page, 0)
    accepted = path_of(dialog)
    page.keyboard.press("a")
    answered(page, dialog, "1 image accepted", accepted)
    relabelled = path_of(dialog)
    page.keyboard.press("l")
    assert page.evaluate("document.activeElement.tagName") == "SELECT"
    dialog.locator(".answers select").select_option(label="pizza")
    page.keyboard.press("Enter")
    answered(page, dialog, "relabelled as pizza", relabelled)
    rejected = path_of(dialog)
    dialog.get_by_role("button", name="Reject").click()
    answered(page, dialog, "1 image rejected", rejected)
    on_it = "document.activeElement.dataset.answer === 'rejected'"
    wait_for(page, lambda: page.evaluate(on_it), "the focus on the same button", 30)
    given = {accepted: Correction("accepted", ANY), relabelled: Correction("relabelled", "pizza"),
             rejected: Correction("rejected")}  # fmt: skip
    assert corrections_of(first) == given
    # Undo brings the image back, to be answered again.
    page.keyboard.press("z")
    wait_for(page, lambda: path_of(dialog) == rejected, "the rejected image again", 60)
    assert set(corrections_of(first)) == {accepted, relabelled}
    page.keyboard.press("r")
    answered(page, dialog, "1 image rejected", rejected)
    page.keyboard.press("ArrowLeft")
    wait_for(page, lambda: path_of(dialog) == rejected, "the image before", 60)
    assert dialog.locator(".answer-state").inner_text() == "This image is rejected."
    close(page)
    # What was ruled on leaves the list of what is to be corrected, and can be looked at again.
    wait_for(page, lambda: total(page, "selection") == number - 3, "three images fewer", 60)
    open_corrections(page)
    page.locator("#correct-take").click()
    wanted = {"✓ accepted", "→ pizza", "✕ rejected"}
    wait_for(page, lambda: set(marks(page)) == wanted, "the marks", 60)
    reload(page)
    explore(page)
    assert total(page, "selection") == number - 3
    assert not watch.faults


def test_twenty_labels_in_at_most_25_keys_and_no_mouse(
    open_page: Open, server: Server, prepared: Prepared, watch: Watch
) -> None:
    second = RunStore(server.runs).get(prepared.ids["second"])
    page = open_page()
    explore(page, run="second")
    dialog = page.locator("#explore-dialog dialog[open]")
    keys, wanted = 0, {}

    def press(key: str) -> None:
        nonlocal keys
        page.keyboard.press(key)
        keys += 1

    press("c")
    dialog.locator(".answers").wait_for()
    for number in range(20):
        path = path_of(dialog)
        digit = str(1 + number % 3)
        name = dialog.locator(f"[aria-keyshortcuts='{digit}']").inner_text().split(maxsplit=1)[1]
        wanted[path] = Correction("relabelled", name)
        press(digit)
        answered(page, dialog, f"relabelled as {name}", path)
    press("Escape")
    dialog.wait_for(state="detached")
    assert keys <= 25
    assert corrections_of(second) == wanted
    assert len(wanted) == 20
    assert not watch.faults


def test_noisy_images_that_are_ruled_on_leave_their_gallery_and_come_back(
    open_page: Open, server: Server, prepared: Prepared
) -> None:
    page = open_page()
    explore(page, "Galleries", run="labels only")
    run = RunStore(server.runs).get(prepared.ids["labels only"])
    noisy, clean = total(page, "noisy"), total(page, "clean")
    cards = page.locator("#gallery-noisy .card-open")
    first, second = (cards.nth(n).get_attribute("data-pick") for n in (0, 1))
    cards.first.focus()
    page.keyboard.press("a")
    wait_for(page, lambda: total(page, "noisy") == noisy - 1, "one image fewer", 60)
    assert total(page, "clean") == clean
    focused = "document.activeElement.dataset.pick"
    wait_for(page, lambda: page.evaluate(focused) == second, "the focus on the next image", 30)
    page.keyboard.press("z")
    wait_for(page, lambda: cards.first.get_attribute("data-pick") == first, "the image", 60)
    assert total(page, "noisy") == noisy
    assert not corrections_of(run)


def test_ticked_images_are_corrected_together(
    open_page: Open, server: Server, prepared: Prepared, watch: Watch
) -> None:
    page = open_page()
    explore(page, run="labels only")
    run = RunStore(server.runs).get(prepared.ids["labels only"])
    open_corrections(page)
    summary = page.locator("#correct-summary")
    summary.get_by_text("Nothing is ticked or selected").wait_for()
    page.locator("#correct-reject").click()
    page.get_by_text("tick images or select some first").wait_for()
    boxes = page.locator("#gallery-selection .card-tick")
    paths = [box.get_attribute("aria-label").removeprefix("Tick ") for box in boxes.all()]
    boxes.nth(2).check()
    boxes.nth(5).click(modifiers=["Shift"])
    summary.get_by_text("4 ticked images").wait_for()
    assert [box.is_checked() for box in boxes.all()[:7]] == [False] * 2 + [True] * 4 + [False]
    page.click("#selection-on")  # ticks stay when the page is turned
    wait_for(page, lambda: where(page, "selection").startswith("25"), "the second page", 30)
    boxes.nth(0).check()
    summary.get_by_text("5 ticked images").wait_for()
    page.click("#selection-back")
    wait_for(page, lambda: where(page, "selection").startswith("1–"), "the first page", 30)
    assert boxes.nth(3).is_checked()
    page.locator("#correct-reject").click()  # asks
    sure = page.locator("#correct-reject-sure")
    sure.get_by_text("Reject 5 images").wait_for()
    assert not corrections_of(run)
    page.locator("#correct-keep").click()
    sure.wait_for(state="hidden")
    page.locator("#correct-reject").click()
    sure.click()
    wait_for(page, lambda: len(corrections_of(run)) == 5, "five rejections", 60)
    assert set(paths[2:6]) < set(corrections_of(run))
    assert {c.verdict for c in corrections_of(run).values()} == {"rejected"}
    summary.get_by_text("Nothing is ticked or selected").wait_for()
    assert not any(box.is_checked() for box in boxes.all())
    page.locator("#correct-undo").click()
    wait_for(page, lambda: not corrections_of(run), "nothing corrected", 60)
    settle(page)  # the gallery is drawn anew, and a box that is ticked meanwhile is another one
    # Relabelling takes the class that stands beside its button.
    page.locator("#gallery-selection [data-tick-all]").check()
    summary.get_by_text("24 ticked images").wait_for()
    choose(page, "#correct-class", "pizza")
    page.locator("#correct-relabel").click()
    wait_for(page, lambda: len(corrections_of(run)) == 24, "a page relabelled", 60)
    assert {c.label for c in corrections_of(run).values()} == {"pizza"}
    page.locator("#correct-undo").click()
    wait_for(page, lambda: not corrections_of(run), "nothing corrected", 60)
    assert [f for f in watch.faults if "RunError" not in f] == []


def test_a_question_mark_lists_all_keys(open_page: Open) -> None:
    page = open_page()
    explore(page)
    keys = page.locator(".keys-dialog")
    page.keyboard.press("?")
    keys.get_by_text("Correct one by one").wait_for()
    assert "Undo" in keys.inner_text()
    page.keyboard.press("Escape")
    keys.wait_for(state="hidden")
    dialog = open_image(page, 0)
    page.keyboard.press("?")  # over an open image too
    keys.get_by_text("Correct one by one").wait_for()
    page.keyboard.press("Escape")
    keys.wait_for(state="hidden")
    assert dialog.is_visible()


def test_words_find_images_on_the_map_and_in_the_gallery(open_page: Open, watch: Watch) -> None:
    page = open_page()
    explore(page)
    page.locator("#search-go").click()
    told = page.locator("#search-message")
    wait_for(page, lambda: "Type what" in told.inner_text(), "a line about an empty text", 60)
    field = page.locator("#search-text").locator("input, textarea")
    field.fill("word " * 60)
    field.press("Enter")
    wait_for(page, lambda: "too long" in told.inner_text(), "a line about a long text", 60)
    field.fill("an umbrella")  # one of the drawn things that the model knows well
    field.press("Enter")
    wait_for(page, lambda: "nearest to “an umbrella”" in told.inner_text(), "an answer", 300)
    found = page.locator("#gallery-selection .card")
    wait_for(page, lambda: "an umbrella" in page.inner_text("#selection-head"), "its images", 60)

    def best(name: str, *, among: int) -> int:
        """By the folders they lie in: what the run called them is another matter."""
        ticks = found.locator(".card-tick").all()
        paths = [str(tick.get_attribute("aria-label")) for tick in ticks[:among]]
        return sum(path.startswith(f"Tick {name}/") for path in paths)

    wait_for(page, lambda: best("umbrella", among=6) >= 4, "umbrellas", 30)
    # From the galleries, beside which there is no room, the map comes to the front.
    go(page, "Galleries")
    page.locator("#gallery-clean .card").first.wait_for()
    field.fill("a boat with a sail")
    page.locator("#search-go").click()
    wait_for(page, lambda: "boat" in page.inner_text("#selection-head"), "another answer", 120)
    wait_for(page, lambda: best("sailboat", among=8) >= 4, "boats", 30)
    assert not watch.faults


def test_training_again_with_what_was_said(
    open_page: Open, server: Server, first: Run, watch: Watch
) -> None:
    paths, names = first.images()["images"], first.info.class_names
    Corrections.of(first).add("relabelled", dict.fromkeys(paths[:2], names[1]))
    Corrections.of(first).add("rejected", {paths[2]: ""})
    given = dict(corrections_of(first))
    second, page = open_page(), open_page()
    for opened in (second, page):
        explore(opened)
        open_corrections(opened)
    page.locator("#train-again").click()
    page.locator("#run-status").get_by_text("corrected").wait_for(timeout=120_000)
    store = RunStore(server.runs)
    again = next(info.id for info in store.list() if info.name == "first corrected")
    second.locator("#train-again").click()  # is refused by name
    wait_for(second, lambda: again in second.inner_text("body"), "the run at work by name", 60)
    second.close()
    wait_for(page, lambda: not store.active(), "the end of the run", 900)
    assert store.get(again).status()["state"] == "finished"
    assert corrections_of(store.get(again)) == given
    reload(page)
    explore(page, run="first corrected")
    choose(page, "#explore-run-choice", re.compile("^first corrected"))
    open_corrections(page)
    page.locator("#correct-summary").get_by_text(f"{len(given)} images corrected").wait_for()
    line = next(e for e in store.get(again).events()[0] if e["kind"] == "finished")
    numbers = store.get(again).arrays(line["arrays"])["labels"].tolist()
    for path, correction in given.items():
        if correction.label:
            assert names[numbers[paths.index(path)]] == correction.label
    watch.faults[:] = [f for f in watch.faults if "RunError" not in f]
    assert not watch.faults


def test_labels_given_before_any_run_go_with_the_next_one(
    open_page: Open, server: Server, watch: Watch
) -> None:
    page = open_page()
    # A server that has just started first takes up the last data set.
    page.locator("#data-preview .class-row").first.wait_for(timeout=240_000)
    explore(page, "Galleries", run=re.escape(IMAGES_AT_HAND))
    open_corrections(page)
    summary = page.locator("#correct-summary")
    summary.get_by_text("runs that the Train tab starts").wait_for()
    page.locator("#order-clean").get_by_label("each class in turn").check()
    settle(page)
    page.locator("#gallery-clean [data-tick-all]").check()
    shown = page.locator("#gallery-clean .card").count()
    summary.get_by_text(f"{shown} ticked images").wait_for()
    page.locator("#correct-accept").click()
    wait_for(page, lambda: f"{shown} accepted" in summary.inner_text(), "what was said", 60)
    page.locator("#gallery-clean .card").first.click()
    dialog = page.locator("#explore-dialog dialog[open]")
    dialog.get_by_text("This image is accepted as").wait_for()
    page.keyboard.press("r")
    dialog.get_by_text("1 image rejected").wait_for()
    close(page)
    wait_for(page, lambda: "1 rejected" in summary.inner_text(), "the rejection", 60)
    page.get_by_role("button", name="Train with these").click()
    asked = page.get_by_label(f"Use {shown - 1} labels and 1 rejection")
    asked.wait_for()
    assert asked.is_checked()
    reload(page)
    go(page, "Train")
    asked.wait_for()
    assert not RunStore(server.runs).active(), "a run has started that nobody asked for"
    page.locator("#run-name textarea, #run-name input").fill("given before")
    page.locator("#start").click()
    page.locator("#run-status").get_by_text("given before").wait_for(timeout=120_000)
    page.locator("#stop").click()
    store = RunStore(server.runs)
    wait_for(page, lambda: not store.active(), "the end of the run", 300)
    run = next(info.id for info in store.list() if info.name == "given before")
    verdicts = [correction.verdict for correction in corrections_of(store.get(run)).values()]
    assert (verdicts.count("accepted"), verdicts.count("rejected")) == (shown - 1, 1)
    assert not watch.faults


def test_a_phone_has_room_for_all_of_it(open_page: Open) -> None:
    page = open_page("?__theme=dark", viewport={"width": 375, "height": 812})
    explore(page)
    open_corrections(page)
    dialog = open_image(page, 0)
    for part in (page.locator("body"), dialog):
        assert part.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
