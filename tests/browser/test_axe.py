"""Every tab, narrow and wide, light and dark: no accessibility fault, nothing cut off, no error."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest

from tests.browser.axe import COLOURS, faults_of, overflowing, set_theme, too_wide
from tests.browser.conftest import Server, Watch, go, wait_for
from tests.browser.rest import settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

Open = Callable[..., Any]

# What a tab shows once the prepared runs are on it; a tab that is not here is looked at at rest.
FILLED = {
    "Data": "#data-preview .class-row",
    "Train": "#curves .curve-plot .xtick",
    "Compare": "#compare-cards .card",
    "Export": "#export-about .stat",
}


@pytest.fixture(scope="module")
def server(lived_in: Server) -> Server:
    return lived_in


def states(page: Any, wanted: Collection[str] | None = None) -> Iterator[str]:
    """Bring the page into each of its states, tab by tab, the tabs within tabs included.

    wanted: the tabs to look at; None: all that there are.
    """
    outer = page.locator("#tabs > .tab-wrapper [role=tab]:visible, #tabs > * > [role=tablist] > "
                         "[role=tab]:visible").all_inner_texts()  # fmt: skip
    assert {"Data", "Train", "Explore", "Compare", "Export"} <= set(outer)
    for tab in dict.fromkeys(outer if wanted is None else wanted):
        go(page, tab)
        if tab in FILLED:
            page.locator(FILLED[tab]).first.wait_for(timeout=120_000)
        settle(page)
        yield tab
        inner = page.locator("#tabs [role=tabpanel]:visible [role=tab]:visible").all_inner_texts()
        for name in dict.fromkeys(inner[1:]):
            page.locator("#tabs [role=tabpanel]:visible").get_by_role(
                "tab", name=name, exact=True
            ).click()
            settle(page)
            yield f"{tab}, {name}"


WIDTHS = (1920, 800, 375)
"""In pixels. At the second columns stand side by side and are narrowest; axe looks at the last one,
at which least fits.
"""


def test_no_tab_has_a_fault(open_page: Open, watch: Watch) -> None:
    page = open_page(viewport={"width": WIDTHS[0], "height": 900})
    faults = []
    for state in states(page):
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            settle(page, quiet_ms=200)
            if wide := too_wide(page):
                faults.append(f"{state} is {wide} px too wide at {width}")
            faults += [f"{state}: {name!r} is cut at {width}" for name in overflowing(page)]
        faults += [f"{state}: {fault}" for fault in faults_of(page)]
        set_theme(page, "dark")
        faults += [f"{state} in the dark: {fault}" for fault in faults_of(page, only=COLOURS)]
        set_theme(page, "light")
    assert not faults, "\n".join(faults)
    assert watch.faults == []


def test_an_open_image_has_no_fault(open_page: Open, watch: Watch) -> None:
    page = open_page()
    for tab, card in (("Explore", "#tabs .card"), ("Compare", "#compare-cards .card")):
        go(page, tab)
        page.locator(card).locator("visible=true").first.click()
        page.locator("dialog[open] img").first.wait_for()
        settle(page)
        assert faults_of(page) == [], tab
        set_theme(page, "dark")
        assert faults_of(page, only=COLOURS) == [], tab
        set_theme(page, "light")
        page.keyboard.press("Escape")
        page.locator("dialog[open]").wait_for(state="detached")
    assert watch.faults == []


def test_the_words_have_no_fault(open_page: Open, watch: Watch) -> None:
    page = open_page()
    page.get_by_role("button", name="What the words mean").click()
    page.get_by_role("dialog", name="Words").wait_for()
    settle(page)
    assert faults_of(page) == []
    set_theme(page, "dark")
    assert faults_of(page, only=COLOURS) == []
    set_theme(page, "light")
    assert watch.faults == []


def test_curves_take_on_the_theme(open_page: Open) -> None:
    page = open_page("?__theme=dark")
    settle(page)
    assert faults_of(page, only=COLOURS) == []
    go(page, "Train")
    page.locator(FILLED["Train"]).first.wait_for(timeout=120_000)

    def is_bright() -> bool:
        """Whether the figures' text is bright, as it has to be on a dark page."""
        colour = page.evaluate(
            "getComputedStyle(document.querySelector('#curves .xtick text')).fill"
        )
        return sum(int(n) for n in re.findall(r"\d+", colour)[:3]) / 3 > 128

    assert is_bright()
    for theme in ("light", "dark"):
        set_theme(page, theme)
        wait_for(page, lambda dark=theme == "dark": is_bright() is dark, f"{theme} colours", 30)
