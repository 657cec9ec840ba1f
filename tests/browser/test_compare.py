"""Past runs over each other, in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import Server, Watch, go, picture, wait_for
from tests.browser.prepared import Prepared
from tests.browser.rest import settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def server(lived_in: Server) -> Server:
    return lived_in


def names(page: Any, figure: str) -> list[str]:
    """The lines of a figure, as plotly drew them."""
    lines = page.evaluate(
        "key => (document.querySelector(`#compare-curves [data-figure=${key}] .curve-plot`) || {})"
        ".data?.map(trace => trace.name) || []",
        figure,
    )
    return [str(line) for line in lines]


def test_ticking_runs_draws_them_over_each_other(
    open_page: Open, prepared: Prepared, watch: Watch, screenshots: bool
) -> None:
    page = open_page()
    go(page, "Compare")
    boxes = page.locator("#compare-runs input")
    wait_for(page, lambda: boxes.count() == 3, "three runs", 60)
    wait_for(page, lambda: names(page, "accuracy") == ["A second", "B first"], "two lines", 60)
    assert page.locator("#compare-runs .run-A").inner_text() == "A"
    assert "label_smoothing" in page.inner_text("#compare-settings table")
    assert "n_ctx" not in page.inner_text("#compare-settings table")
    cards = page.locator("#compare-cards .card")
    wait_for(page, cards.count, "images", 120)
    assert cards.first.locator(".card-run").count() == 2
    if screenshots:
        picture(page, "compare", height=1240)

    # By keyboard, as the focus stays where it is: a third run, and the first one away.
    boxes.nth(2).focus()
    page.keyboard.press("Space")
    wait_for(page, lambda: len(names(page, "accuracy")) == 3, "three lines", 60)
    assert boxes.nth(2).evaluate("box => box === document.activeElement")
    wait_for(page, lambda: cards.first.locator(".card-run").count() == 3, "three labels", 60)
    assert page.locator("#compare-summary table").count() == 1
    boxes.nth(0).uncheck()
    wait_for(page, lambda: names(page, "accuracy") == ["A first", "B labels only"], "two", 60)
    boxes.nth(1).uncheck()
    page.get_by_text("Tick two or more runs").wait_for()
    assert not page.locator("#compare-results").is_visible()
    assert watch.faults == []


def test_the_filter_and_the_dialog_show_who_is_right(open_page: Open, watch: Watch) -> None:
    page = open_page()
    go(page, "Compare")
    cards = page.locator("#compare-cards .card")
    wait_for(page, cards.count, "images", 120)
    page.locator("#compare-show input").click()
    page.get_by_role("option", name="Only B is right").click()
    settle(page)
    wait_for(page, lambda: all(c.count("right") == 1 for c in cards.all_inner_texts()), "B's", 60)
    assert "right" in cards.first.locator(".card-run").nth(1).inner_text()

    cards.first.click()
    dialog = page.locator("#compare-dialog dialog[open]")
    dialog.wait_for()
    for text in ("run A", "run B", "Sub-folder", "Best classes"):
        assert text in dialog.inner_text()
    shown = dialog.locator("figcaption").inner_text()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    cards.nth(min(1, cards.count() - 1)).click()
    dialog.wait_for()
    assert cards.count() == 1 or dialog.locator("figcaption").inner_text() != shown
    assert watch.faults == []
