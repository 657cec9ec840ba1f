"""Names that do not fit the folder, and images of none of the classes, in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import Server, Watch
from tests.browser.test_asked import look
from tests.browser.test_explore import explore

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def server(lived_in: Server) -> Server:
    return lived_in


def test_names_that_do_not_fit_are_told_and_images_of_no_class_found(
    open_page: Open, watch: Watch
) -> None:
    page = open_page()
    told = page.locator("#data-preview")
    told.locator(".class-row").first.wait_for(timeout=240_000)  # the set is taken up again
    names = page.locator("#class-names textarea")
    kept = [name for name in names.input_value().splitlines() if name not in ("pizza", "umbrella")]
    names.fill("\n".join([*kept, "lemons", "zebra", "violin", "castle"]))
    names.blur()
    page.click("#label")
    seldom = told.locator("details", has_text="They seem to be absent")
    # What is folded away is not visible, and few names are not.
    seldom.get_by_text("zebra").wait_for(timeout=120_000)
    assert "lemon / lemons" in told.get_by_text("hardly tells apart").locator("..").inner_text()
    look(page, "names")
    seldom.locator("summary").click()
    names.fill("\n".join([*kept, "lemons", "zebra", "violin", "castle", "giraffe"]))
    names.blur()
    page.click("#label")
    told.locator(".class-name", has_text="giraffe").wait_for(timeout=120_000)
    assert not seldom.get_by_text("zebra").is_visible(), "what was folded has not stayed so"
    explore(page, "Duplicates and outliers", run="The images at hand")
    page.get_by_label("Of no class").check()
    head = page.locator("#duplicates-head b")
    head.get_by_text("of none of the classes").wait_for(timeout=120_000)
    first = page.locator("#gallery-duplicates .card").first
    first.wait_for()
    look(page, "none")
    assert watch.faults == []
