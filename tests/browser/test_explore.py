"""Looking at a run: galleries, selections, confusions, duplicates, one image and its neighbours."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.browser.conftest import Server, Watch, go, reload, wait_for
from tests.browser.rest import settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def server(lived_in: Server) -> Server:
    return lived_in


HARD_OF_HEARING = """() => {
  window.told = 0;
  const fetched = window.fetch;
  window.fetch = async (...asked) => {
    const answer = await fetched(...asked);
    if (!String(asked[0]?.url ?? asked[0]).includes("queue/data")) return answer;
    const late = new TransformStream({ async transform(chunk, out) {
      for (const message of new TextDecoder().decode(chunk).split(/(?<=\\n\\n)/)) {
        if (message.includes("close_stream")) {
          await new Promise((done) => setTimeout(done, 3000));
          window.told += 1;
        }
        out.enqueue(new TextEncoder().encode(message));
      }
    } });
    return new Response(answer.body.pipeThrough(late), answer);
  };
}"""
"""The page learns three seconds late that an answer was the last one of its stream."""


SLOW = """() => {
  const fetched = window.fetch;
  window.fetch = async (...asked) => {
    const slow = String(asked[0]?.url ?? asked[0]).includes("queue/join");
    if (slow) await new Promise((done) => setTimeout(done, 3000));
    return fetched(...asked);
  };
}"""
"""Events reach the studio three seconds late."""


LATE = """() => {
  const fetched = window.fetch;
  window.fetch = async (...asked) => {
    const answer = await fetched(...asked);
    const late = String(asked[0]?.url ?? asked[0]).includes("gradio_api/run");
    if (late) await new Promise((done) => setTimeout(done, 3000));
    return answer;
  };
}"""
"""What is answered without waiting in line reaches the page three seconds late."""


HELD_BACK = """() => {
  const fetched = window.fetch;
  const released = new Promise((done) => { window.release = done; });
  window.fetch = async (...asked) => {
    const early = String(asked[0]?.url ?? asked[0]).includes("queue/join")
      && String(asked[1]?.body).includes('"data":[null,');
    if (early) await released;
    return fetched(...asked);
  };
}"""
"""Events of a page that has no run yet wait until `release` is called."""


def explore(page: Any, part: str = "", run: str = "first") -> None:
    """Open a part of the Explore tab, with a run of the prepared ones."""
    go(page, "Explore")
    # The first page waits for the imports of a studio that has just been started.
    summary = page.locator("#explore-summary .stat").first
    wait_for(page, summary.is_visible, "what the labels are, in numbers", 240)
    choose(page, "#explore-run-choice", re.compile(f"^{run}"))
    settle(page)  # until then galleries show the run before
    if part:
        go(page, part)
        settle(page)


def choose(page: Any, field: str, text: Any) -> None:
    """Choose an option of a drop-down list by its text."""
    if re.match(text, page.locator(f"{field} input").input_value()):
        return
    page.locator(f"{field} input").click()
    page.get_by_role("option", name=text).first.click()
    wait_for(
        page, lambda: re.match(text, page.locator(f"{field} input").input_value()), "a choice", 30
    )


def labels(page: Any, gallery: str) -> list[str]:
    return list(page.locator(f"#gallery-{gallery} .card-label").all_inner_texts())


def where(page: Any, gallery: str) -> str:
    return str(page.inner_text(f"#{gallery}-where"))


def total(page: Any, gallery: str) -> int:
    found = re.search(r"of ([\d,]+)", where(page, gallery))
    return int(found.group(1).replace(",", "")) if found else 0


def run_shown(page: Any) -> str:
    """The run that Explore shows, by its name."""
    return str(page.locator("#explore-run-choice input").input_value()).split(",")[0]


def open_first(page: Any, gallery: str) -> Any:
    page.locator(f"#gallery-{gallery} .card").first.click()
    dialog = page.locator("#explore-dialog dialog[open]")
    dialog.locator("figure img").wait_for()
    return dialog


@pytest.mark.parametrize(
    ("seen_before", "names"),
    [(False, ("first", "labels only")), (True, ("first", "second", "first"))],
)
def test_explore_this_run_opens_that_run_at_the_top_of_the_page(
    open_page: Open, server: Server, watch: Watch, seen_before: bool, names: tuple[str, ...]
) -> None:
    page = open_page()
    if seen_before:  # another run is on the Explore tab already
        explore(page, run="second")
    for name in names:
        go(page, "Train")
        page.locator("#runs").get_by_role("button", name=name, exact=True).click()
        settle(page)
        page.locator("#explore-run").scroll_into_view_if_needed()
        page.click("#explore-run")
        wait_for(page, lambda name=name: run_shown(page) == name, name, 120)
        page.locator("#explore-summary .stat").first.wait_for()
        settle(page)  # nothing that comes later chooses another one
        assert run_shown(page) == name
        assert page.evaluate("window.scrollY") == 0
    assert watch.faults == []


def test_a_reload_keeps_run_and_panel(open_page: Open, watch: Watch) -> None:
    page = open_page()
    explore(page, "Confusions", run="labels only")
    reload(page)
    go(page, "Explore")
    page.locator("#confusion-map").get_by_text("one model only").wait_for(timeout=120_000)
    assert run_shown(page) == "labels only"
    assert page.get_by_role("tab", name="Confusions").get_attribute("aria-selected") == "true"
    other = open_page()  # which has shown nothing yet
    go(other, "Explore")
    other.locator("#explore-summary .stat").first.wait_for()
    assert other.get_by_role("tab", name="Map").get_attribute("aria-selected") == "true"
    assert watch.faults == []


@pytest.mark.parametrize("loaded_again", [False, True])
def test_a_panel_opened_before_the_tab_has_its_answer_stays_open(
    open_page: Open, watch: Watch, loaded_again: bool
) -> None:
    page = open_page()
    if loaded_again:
        explore(page, "Confusions")
    page.add_init_script(f"({LATE})()")
    reload(page)
    if not loaded_again:  # else the address has opened the tab
        page.locator("#data-folder .panel").wait_for()
        settle(page)
        go(page, "Explore")
    go(page, "Galleries")
    page.locator("#gallery-clean .card").first.wait_for(timeout=60_000)
    settle(page)
    assert page.get_by_role("tab", name="Galleries").get_attribute("aria-selected") == "true"
    assert watch.faults == []


def test_headings_descend_in_order(page: Any) -> None:
    explore(page, "Galleries")
    levels = page.locator("#tabs [role=tabpanel]:visible").evaluate_all(
        "(panels) => panels.flatMap((p) => [...p.querySelectorAll('h1, h2, h3, h4, h5, h6')])"
        ".filter((h) => h.offsetParent).map((h) => Number(h.tagName[1]))"
    )
    assert levels
    assert levels[0] == 2
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_images_are_sorted_by_either_score(page: Any) -> None:
    explore(page, "Galleries")
    cards = page.locator("#gallery-noisy .card-clean")
    cards.first.wait_for()
    judged = cards.all_inner_texts()
    choose(page, "#explore-by", "combined score")
    wait_for(page, lambda: cards.all_inner_texts() != judged, "other shares", 60)
    shares = [int(re.findall(r"\d+", text)[0]) for text in cards.all_inner_texts()]
    assert shares == sorted(shares)
    choose(page, "#explore-by", "the other model")


def test_clean_and_noisy_lie_side_by_side_page_by_page(page: Any, watch: Watch) -> None:
    explore(page, "Galleries")
    page.locator("#gallery-clean .card, #gallery-noisy .card").first.wait_for()
    assert total(page, "clean") + total(page, "noisy") == 110
    assert page.locator(".explore-side").is_hidden()  # the galleries take the whole width
    side = "clean" if total(page, "clean") > 24 else "noisy"
    first = page.locator(f"#gallery-{side} .card-open").first.get_attribute("data-pick")
    page.click(f"#{side}-on")
    wait_for(page, lambda: where(page, side).startswith("25–"), "the second page", 30)
    assert page.locator(f"#gallery-{side} .card-open").first.get_attribute("data-pick") != first
    page.locator(".class-pick").nth(1).click()
    name = page.locator(".class-pick .name").nth(1).inner_text()
    wait_for(
        page, lambda: {*labels(page, "clean"), *labels(page, "noisy")} <= {name}, "a class", 30
    )
    page.locator(".class-pick").first.click()
    wait_for(page, lambda: total(page, "clean") + total(page, "noisy") == 110, "all images", 30)
    assert watch.faults == []


def test_all_of_a_gallery_is_selected_and_the_galleries_narrow_to_it(page: Any) -> None:
    explore(page, "Galleries")
    page.locator("#gallery-noisy .card, #gallery-clean .card").first.wait_for()
    side = "noisy" if total(page, "noisy") else "clean"
    images = total(page, side)
    page.click(f"#{side}-take")
    page.get_by_label(f"Only the {images} selected").check()
    other = "clean" if side == "noisy" else "noisy"
    wait_for(page, lambda: total(page, other) == 0, "an empty gallery on the other side", 30)
    assert total(page, side) == images
    go(page, "Confusions")
    page.locator("#selection-head").get_by_text("Selected").wait_for()
    assert total(page, "selection") == images
    page.click("#selection-clear")
    wait_for(page, lambda: total(page, "selection") == 110, "all images again", 30)


def against_the_sub_folders(page: Any) -> None:
    """Model 1's labels against the sub-folders, not against model 2's, which are shown first."""
    page.get_by_role("radio", name="the sub-folder").check()
    page.locator(".heat caption", has_text="the sub-folder says").wait_for(state="attached")


def test_a_cell_of_the_heat_map_opens_its_images(page: Any, watch: Watch) -> None:
    explore(page, "Confusions")
    against_the_sub_folders(page)
    page.locator(".heat .heat-on button").first.wait_for()
    cell = page.locator(".heat .heat-on button").first
    said = str(cell.get_attribute("aria-label"))
    cell.click()
    wait_for(page, lambda: total(page, "selection") == int(cell.inner_text()), "its images", 30)
    told = re.search(r"model 1 says (.+), the sub-folder says (.+)", said)
    assert told is not None
    assert told.group(1) in page.inner_text("#selection-head")
    # The table twin does the same.
    page.locator("#confusion-map summary").click()
    page.locator("#confusion-map .plain button").nth(1).click()
    wait_for(page, lambda: said[9:] not in page.inner_text("#selection-head"), "another cell", 30)
    assert page.locator("#confusion-map details").get_attribute("open") is not None
    page.click("#selection-clear")
    wait_for(page, lambda: total(page, "selection") == 110, "all images again", 30)
    assert watch.faults == []


def test_an_image_shows_its_neighbours_and_leads_on(page: Any, watch: Watch) -> None:
    explore(page, "Confusions")
    page.locator("#gallery-selection .card").first.wait_for()
    dialog = open_first(page, "selection")
    for text in (
        "Model 1 says",
        "Model 2 says",
        "best classes",
        "History of this label",
        "After Phase I",
    ):
        assert text in dialog.inner_text()
    dialog.locator(".near-card").first.wait_for(timeout=240_000)  # the model is being loaded
    assert dialog.locator(".near-card").count() == 12
    assert dialog.locator(".detail-where").inner_text() == "1 of 110"
    name = dialog.locator("figcaption").inner_text()

    page.keyboard.press("ArrowRight")
    wait_for(page, lambda: "2 of 110" in dialog.locator(".detail-where").inner_text(), "next", 30)
    assert dialog.locator("figcaption").inner_text() != name
    page.keyboard.press("ArrowLeft")
    wait_for(page, lambda: dialog.locator("figcaption").inner_text() == name, "previous", 30)
    assert dialog.get_by_role("button", name="Previous").is_disabled()
    dialog.get_by_role("button", name="Next").click()
    wait_for(page, lambda: "2 of 110" in dialog.locator(".detail-where").inner_text(), "next", 30)
    on_it = "document.activeElement.dataset.step === 'on'"  # a second press goes on
    wait_for(page, lambda: page.evaluate(on_it), "the focus back on the button", 30)

    before = dialog.locator("figcaption").inner_text()
    dialog.locator(".near-card").nth(2).click()
    wait_for(page, lambda: dialog.locator("figcaption").inner_text() != before, "a neighbour", 30)
    dialog.locator(".near-card").first.wait_for()
    dialog.get_by_role("button", name="Select it and its nearest").click()
    page.locator("dialog[open]").wait_for(state="detached")
    wait_for(page, lambda: total(page, "selection") == 13, "13 selected images", 30)
    assert watch.faults == []


def test_an_answer_that_the_page_missed_is_heard_later(open_page: Open, watch: Watch) -> None:
    page = open_page()
    explore(page)
    page.evaluate(HARD_OF_HEARING)
    go(page, "Galleries")
    page.locator("#gallery-clean .card").first.wait_for()
    page.wait_for_timeout(500)  # the stream is over, the page has not been told
    go(page, "Confusions")
    page.locator("#confusion-map [data-pick]").first.wait_for()
    assert page.evaluate("window.told") >= 1
    assert watch.faults == []


def test_what_was_asked_before_the_tab_was_opened_does_not_empty_it(
    open_page: Open, watch: Watch
) -> None:
    page = open_page()
    page.add_init_script(f"({HELD_BACK})()")
    reload(page)
    page.locator("#data-folder .panel").wait_for()
    settle(page)
    explore(page)
    page.evaluate("window.release()")
    settle(page)
    assert page.locator("#explore-summary .stat").first.is_visible()
    assert watch.faults == []


def test_duplicates_and_outliers_are_lists_of_doors(open_page: Open, watch: Watch) -> None:
    page = open_page()
    explore(page, "Duplicates and outliers")
    page.locator("#duplicates-head b").wait_for(timeout=240_000)  # it is being computed
    page.get_by_label("Nearly equal").check()
    page.locator("#duplicates-at-least input[type=number]").fill("0.8")
    page.locator("#duplicates-at-least input[type=number]").press("Enter")
    settle(page)
    if groups := page.locator("#gallery-duplicates .group").count():
        page.locator("#gallery-duplicates .group").first.click()
        page.locator("#selection-head").get_by_text("nearly equal images").wait_for()
        assert groups >= 1
    page.get_by_label("Outliers").check()
    card = page.locator("#gallery-duplicates .card").first
    card.wait_for()
    assert "distance" in card.inner_text()
    dialog = open_first(page, "duplicates")
    assert dialog.locator(".detail-where").inner_text().startswith("1 of ")
    page.keyboard.press("Escape")
    page.locator("#duplicates-take").click()
    page.locator("#selection-head").get_by_text("outliers").wait_for()
    assert watch.faults == []


def test_the_images_at_hand_are_looked_at_before_any_training(open_page: Open) -> None:
    page = open_page()
    explore(page)
    options = page.locator("#explore-run-choice input")
    options.click()
    page.get_by_role("option", name="The images at hand (before training)").click()
    go(page, "Galleries")
    page.get_by_text("confidence over 50 %").wait_for()
    page.locator("#gallery-clean .card, #gallery-noisy .card").first.wait_for()
    side = "noisy" if total(page, "noisy") else "clean"
    dialog = open_first(page, side)
    assert "Model 2" not in dialog.inner_text()
    dialog.locator(".near-card").first.wait_for(timeout=240_000)
    page.keyboard.press("Escape")
    go(page, "Confusions")
    page.get_by_text("one model only").wait_for()


def test_on_a_narrow_screen_what_was_selected_comes_into_view(open_page: Open) -> None:
    page = open_page(viewport={"width": 375, "height": 700})
    explore(page, "Confusions")
    against_the_sub_folders(page)
    page.evaluate(SLOW)
    cells = page.locator(".heat .heat-on button")
    cells.first.click()
    head = page.locator("#selection-head")
    head.get_by_text("Selected").wait_for()
    in_view = "e => e.getBoundingClientRect().top < innerHeight - 80"
    wait_for(page, lambda: head.evaluate(in_view), "the gallery in view", 30)
    # Who has gone on to something else is left there.
    told = head.inner_text()
    cells.nth(1).click()
    page.mouse.wheel(0, 1)
    wait_for(page, lambda: head.inner_text() != told, "another selection", 30)
    settle(page)
    assert not head.evaluate(in_view)


def test_an_open_image_is_no_wider_than_a_telephone(open_page: Open) -> None:
    page = open_page(viewport={"width": 375, "height": 900})
    explore(page)
    page.locator("#gallery-selection .card").first.scroll_into_view_if_needed()
    dialog = open_first(page, "selection")
    box = dialog.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 375
