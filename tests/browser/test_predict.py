"""Images dropped on a finished run, in a real Chromium."""

from __future__ import annotations

import base64
import csv
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Server, Watch, go, wait_for
from tests.browser.prepared import Prepared

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

Open = Callable[..., Any]

DROP = """async ([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const carrier = new DataTransfer();
  carrier.items.add(new File([bytes], name, { type: "image/jpeg" }));
  const zone = document.querySelector("#predict-upload");
  for (const kind of ["dragover", "drop"])
    zone.dispatchEvent(
      new DragEvent(kind, { dataTransfer: carrier, bubbles: true, cancelable: true }),
    );
}"""


@pytest.fixture(scope="module")
def server(lived_in: Server) -> Server:
    return lived_in


def test_dropped_images_are_labelled_beside_the_nearest_training_images(
    open_page: Open, prepared: Prepared, watch: Watch, server: Server
) -> None:
    page = open_page()
    go(page, "Predict")
    button = page.locator("#predict-upload input[type=file]")
    shown = page.locator("#predict-answers")
    wait_for(page, lambda: "this run labels them" in shown.inner_text(), "runs", 60)
    bananas, lemons = (sorted(prepared.images.glob(f"{name}/*")) for name in ("banana", "lemon"))
    files = bananas[:2] + lemons[:1]
    button.set_input_files([str(file) for file in files])
    cards = page.locator(".predicted > li")
    wait_for(page, lambda: cards.count() == 3, "three answers", 180)
    assert "3 images labelled" in shown.inner_text()
    first = cards.first
    assert files[0].name in first.inner_text()
    assert first.locator(".near-card").count() == 4
    assert "100 % similar" in first.locator(".near-card").first.inner_text()  # itself
    for image in page.locator("#predict-answers img").all():
        image.scroll_into_view_if_needed()
        drawn = partial(image.evaluate, "i => i.naturalWidth")
        wait_for(page, drawn, "a picture", 30)
    with page.expect_download() as table:
        page.click("#predict-table")
    with open(table.value.path(), encoding="utf-8", newline="") as read:
        rows = list(csv.DictReader(read))
    assert [row["path"] for row in rows] == sorted(file.name for file in files)
    _look(page)
    # The same by a drop, and not into the upload of the Data tab.
    data = base64.b64encode(files[0].read_bytes()).decode()
    page.evaluate(DROP, ["dropped.jpg", data])
    wait_for(page, lambda: "dropped.jpg" in shown.inner_text(), "an answer", 180)
    assert cards.count() == 1
    assert not list((server.cache / "uploads").glob("*"))
    assert watch.faults == []


def _look(page: Any) -> None:
    """Nothing sticks out of the page; STUDIO_LOOK names a folder for pictures of it."""
    for width, theme in ((1440, "light"), (390, "light"), (390, "dark"), (1440, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
        page.wait_for_timeout(300)
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, (width, wide)
        if folder := os.environ.get("STUDIO_LOOK"):
            page.evaluate("window.scrollTo(0, 0)")
            page.screenshot(path=Path(folder) / f"predict-{width}-{theme}.png", full_page=True)
    page.evaluate("document.body.classList.remove('dark')")
    page.set_viewport_size({"width": 1280, "height": 900})
