"""Twenty images worth a look by keys alone, in a real browser, with a reload in the middle."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.runs.corrections import corrections_of
from studio.runs.given import Correction
from studio.runs.store import Run, RunStore
from tests.browser.conftest import Server, Watch, go, reload, wait_for
from tests.browser.prepared import Prepared
from tests.browser.test_correct import close, path_of
from tests.browser.test_explore import explore

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]

Open = Callable[..., Any]
LOOKS = os.environ.get("STUDIO_LOOKS")  # a folder for pictures, while the page is being written


@pytest.fixture(scope="module")
def server(lived_in: Server) -> Server:
    return lived_in


@pytest.fixture
def run(server: Server, prepared: Prepared) -> Run:
    return RunStore(server.runs).get(prepared.ids["first"])


def look(page: Any, name: str) -> None:
    if LOOKS:
        page.screenshot(path=Path(LOOKS) / f"{name}.png")


def begin(page: Any) -> Any:
    """Press W; the dialog."""
    page.keyboard.press("w")
    dialog = page.locator("#explore-dialog dialog[open]")
    dialog.locator(".asked").wait_for()
    return dialog


def typed(dialog: Any, *, key: str, code: str) -> None:
    """Press a key of a keyboard with another layout."""
    dialog.dispatch_event("keydown", {"key": key, "code": code, "bubbles": True})


def next_after(page: Any, dialog: Any, path: str) -> None:
    shown = dialog.locator("figcaption, .asked-end h3").first
    wait_for(page, lambda: shown.inner_text().strip() != path, "the next image", 240)


def shown_stage(page: Any) -> str:
    return str(page.locator("#map .map-stage-name").inner_text())


def test_twenty_answers_by_keys_and_the_labels_that_follow(
    open_page: Open, run: Run, watch: Watch
) -> None:
    page = open_page()
    explore(page)
    dialog, wanted = begin(page), {}
    for number in range(20):
        path = path_of(dialog)
        assert f"{number + 1} of 20" in dialog.locator(".detail-where").inner_text()
        if number == 7:
            reload(page)
            explore(page)
            dialog = begin(page)
            assert path_of(dialog) == path, "another image than before the reload"
        if number == 3:  # on a Russian keyboard
            typed(dialog, key="т", code="KeyN")
            wanted[path] = Correction("rejected")
        elif number == 5:
            page.keyboard.press("Space")
        elif number == 9:  # another name, by its first letters
            page.keyboard.type("piz")
            dialog.locator("#answer-found [aria-selected='true']").get_by_text("pizza").wait_for()
            look(page, "find")
            page.keyboard.press("Enter")
            wanted[path] = Correction("relabelled", "pizza")
        else:
            first = dialog.locator("[data-answer='named'][aria-keyshortcuts='1']")
            name = first.inner_text().split(maxsplit=1)[1]
            if number == 1:  # on a French keyboard
                typed(dialog, key="&", code="Digit1")
            else:
                page.keyboard.press("1")
            wanted[path] = Correction("accepted", name)
        next_after(page, dialog, path)
        if number == 4:
            look(page, "asked")
    end = dialog.locator(".asked-end")
    end.get_by_text("20 images seen, 19 answered").wait_for()
    dialog.locator(".asked-state").get_by_text("All labels follow your answers").wait_for()
    look(page, "end")
    said = corrections_of(run)
    assert set(said) == set(wanted)
    for path, correction in wanted.items():
        # The first name is the label, unless labels have followed since it was chosen.
        assert said[path].label == correction.label
        assert (said[path].verdict == "rejected") == (correction.verdict == "rejected")
    page.keyboard.press("ArrowLeft")
    wait_for(page, lambda: dialog.locator("figcaption").count() == 1, "the last image", 60)
    close(page)
    wait_for(page, lambda: shown_stage(page) == "With your answers", "the map that follows", 60)
    page.locator("#ask-line").get_by_text("19 of 20 answered").wait_for()
    look(page, "explore")
    assert not watch.faults


def test_a_class_that_nobody_listed_before_any_run(open_page: Open, watch: Watch) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    explore(page, run="The images at hand")
    dialog = begin(page)
    look(page, "narrow")
    path = path_of(dialog)
    page.keyboard.type("gecko")
    dialog.get_by_text("Add “gecko” as a new class").wait_for()
    page.keyboard.press("Enter")  # a slip of the keys adds nothing
    dialog.get_by_text("There is no such class").wait_for()
    assert path_of(dialog) == path
    page.keyboard.press("ArrowDown")
    look(page, "narrow-add")
    page.keyboard.press("Enter")
    next_after(page, dialog, path)
    dialog.get_by_text("“gecko” is a class now").wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    go(page, "Data")
    names = page.locator("#class-names textarea")
    wait_for(page, lambda: "gecko" in names.input_value(), "the new class among the names", 30)
    assert not watch.faults
