"""Correcting labels and training again, and searching in words, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from studio.runs.corrections import Corrections, corrections_of
from studio.runs.given import Correction
from studio.runs.store import Run, RunStore
from studio.ui.explore.answers import AT_HAND
from tests.browser.conftest import Server, Watch, go, reload, unfold, wait_for
from tests.browser.prepared import Prepared
from tests.browser.rest import settle
from tests.browser.test_explore import choose, explore

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
    dialog.locator(".say").wait_for()
    return dialog


def path_of(dialog: Any) -> str:
    return str(dialog.locator("figcaption").inner_text()).strip()


def says(page: Any, dialog: Any, text: str) -> None:
    wait_for(page, lambda: text in dialog.locator(".say-now").inner_text(), text, 60)


def marks(page: Any) -> list[str]:
    return list(page.locator("#gallery-selection .card-said").all_inner_texts())


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
    dialog = open_image(page, 0)
    accepted = path_of(dialog)
    page.keyboard.press("a")
    says(page, dialog, "accepted as")
    page.keyboard.press("ArrowRight")
    wait_for(page, lambda: path_of(dialog) != accepted, "the next image", 60)
    relabelled = path_of(dialog)
    page.keyboard.press("l")
    assert page.evaluate("document.activeElement.tagName") == "SELECT"
    dialog.locator(".say select").select_option(label="pizza")
    page.keyboard.press("Enter")
    says(page, dialog, "relabelled as pizza")
    page.keyboard.press("ArrowRight")
    wait_for(page, lambda: path_of(dialog) != relabelled, "the next image", 60)
    rejected = path_of(dialog)
    dialog.get_by_role("button", name="Reject").click()
    says(page, dialog, "rejected")
    on_it = "document.activeElement.dataset.say === 'rejected'"
    wait_for(page, lambda: page.evaluate(on_it), "the focus back on the button", 30)
    close(page)
    said = corrections_of(first)
    assert set(said) == {accepted, relabelled, rejected}
    assert said[accepted].verdict == "accepted"
    assert said[relabelled] == Correction("relabelled", "pizza")
    assert said[rejected] == Correction("rejected")
    wanted = ["✓ accepted", "→ pizza", "✕ rejected"]
    wait_for(page, lambda: marks(page) == wanted, "the marks", 60)
    reload(page)
    explore(page)
    wait_for(page, lambda: marks(page) == wanted, "the marks after a reload", 60)
    assert not watch.faults


def test_a_page_at_a_press_and_undone(open_page: Open, first: Run, watch: Watch) -> None:
    before = dict(corrections_of(first))
    page = open_page()
    explore(page)
    open_corrections(page)
    shown = page.locator("#gallery-selection .card").count()
    page.get_by_label(re.compile(r"This page of images beside")).check()
    page.locator("#correct-reject").click()
    wait_for(page, lambda: marks(page) == ["✕ rejected"] * shown, "all rejected", 60)
    page.locator("#correct-told").get_by_text(f"{shown} images corrected").wait_for()
    page.locator("#correct-undo").click()
    wait_for(page, lambda: len(marks(page)) == len(before), "undone", 60)
    assert corrections_of(first) == before
    assert not watch.faults


def test_words_find_images_on_the_map_and_in_the_gallery(open_page: Open, watch: Watch) -> None:
    page = open_page()
    explore(page)
    page.locator("#search-go").click()
    told = page.locator("#search-told")
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
        said = found.evaluate_all("cards => cards.map((card) => card.ariaLabel)")
        return sum(text.startswith(f"{name}/") for text in said[:among])

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
    page.locator("#correct-told").get_by_text(f"{len(given)} images corrected").wait_for()
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
    explore(page, "Galleries", run=re.escape(AT_HAND))
    open_corrections(page)
    said = page.locator("#correct-told")
    said.get_by_text("runs that the Train tab starts").wait_for()
    page.locator("#order-clean").get_by_label("each class in turn").check()
    settle(page)
    page.get_by_label(re.compile("This page of sure images")).check()
    shown = page.locator("#gallery-clean .card").count()
    page.locator("#correct-accept").click()
    wait_for(page, lambda: f"{shown} accepted" in said.inner_text(), "what was said", 60)
    cards = page.locator("#gallery-clean .card")
    cards.first.click()
    dialog = page.locator("#explore-dialog dialog[open]")
    says(page, dialog, "accepted as")
    page.keyboard.press("r")
    says(page, dialog, "rejected")
    close(page)
    wait_for(page, lambda: "1 rejected" in said.inner_text(), "the rejection", 60)
    page.get_by_role("button", name="Train with these").click()
    asked = page.get_by_label(f"Take along {shown - 1} labels and 1 rejection")
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
