"""A newcomer's way through the studio, in a real Chromium: the tests follow one another."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import Server, Watch, go, picture, reload, unfold, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(3000)]

Open = Callable[..., Any]

# Small enough for two cores, large enough for curves that can be seen to grow.
FIELDS = {"phase1_epochs": "3", "phase2_epochs": "1", "k": "4"}
OTHERS = (
    "phase1_min_steps=0\nphase1_views=1\nphase1_batch=16\nphase1_resolution=0.4\n"
    "phase2_batch=32\nphase2_resolution=0.4\nmonitor_images=16\nn_ctx=4"
)


def set_settings(page: Any, fields: dict[str, str], others: str) -> None:
    box = page.get_by_role("button", name="Settings", exact=False).first
    unfold(page, box)
    for name, value in fields.items():
        page.fill(f"#setting-{name} input", value)
    page.fill("#overrides textarea", others)
    box.click()


def points(page: Any) -> int:
    """How many points the curves have, as plotly holds them."""
    return int(
        page.evaluate(
            "[...document.querySelectorAll('.curve-plot')].flatMap(p => p.data || [])"
            ".reduce((n, trace) => n + trace.x.length, 0)"
        )
    )


def state(page: Any) -> str:
    return str(page.inner_text("#run-status .chip"))


def start(page: Any) -> None:
    button = page.locator("#start")
    wait_for(page, button.is_enabled, "a start button", 60)
    button.click()


def test_the_page_says_what_to_do(open_page: Open) -> None:
    page = open_page()
    assert page.title() == "CoFT Studio"
    assert page.locator(".step").count() == 3
    assert page.locator('[aria-current="step"]').inner_text().startswith("1")
    go(page, "Train")
    assert not page.locator("#start").is_enabled()
    go(page, "Explore")
    page.get_by_text("Nothing to explore yet").wait_for()
    go(page, "Export")
    page.get_by_text("Nothing to export yet").wait_for()


def test_a_wrong_path_is_told_in_one_line_and_nothing_is_lost(open_page: Open) -> None:
    page = open_page()
    page.fill("#class-names textarea", "my names\nstay here")
    page.fill("#folder-path input, #folder-path textarea", "/no/such/folder")
    page.click("#scan")
    page.locator("#data-status .notice-bad").get_by_text("There is no folder").wait_for()
    assert page.input_value("#class-names textarea") == "my names\nstay here"
    assert "Traceback" not in page.inner_text("body")


def test_one_press_labels_the_demo(open_page: Open, screenshots: bool) -> None:
    page = open_page()
    page.click("#demo")
    whole = re.compile(r"step \d of 5: drawing the demo set")
    header = page.locator("#header-status")
    wait_for(page, lambda: whole.search(header.inner_text()), "the header's bar", 60)
    wait_for(page, lambda: re.match(r"\d+ % – CoFT Studio", page.title()), "a title", 60)
    rows = page.locator("#data-preview .class-row")
    wait_for(page, rows.count, "labels of the demo", 600)
    assert rows.count() >= 8
    assert rows.first.locator("img").count() > 0
    verdict = page.locator("#data-preview .notice").first
    assert re.search(r"About \d+ % of these labels are right", verdict.inner_text())
    assert "deviations" not in verdict.inner_text()
    images = page.inner_text("#data-folder .stat-value >> nth=0")
    assert int(re.sub(r"\D", "", images)) >= 400
    assert len(page.input_value("#class-names textarea").splitlines()) >= 8
    if screenshots:
        picture(page, "data")
        go(page, "Prompts")
        page.locator("#prompts-effect .stat").first.wait_for()
        picture(page, "prompts")
        go(page, "Data")
    # A second browser, and a reload, find the same.
    other = open_page()
    other.locator("#data-preview .class-row").first.wait_for()
    assert other.input_value("#class-names textarea") == page.input_value("#class-names textarea")
    page.click("#train-on-this")
    page.locator("#start").wait_for(state="visible")


def test_a_run_lives_through_a_reload_and_fills_the_curves(
    server: Server, open_page: Open, screenshots: bool
) -> None:
    page = open_page()
    go(page, "Train")
    if not screenshots:
        set_settings(page, FIELDS, OTHERS)
    late = open_page()  # a page that does not hear of the run: its questions get no answer
    go(late, "Train")
    wait_for(late, late.locator("#start").is_enabled, "a start button", 60)
    late.route("**/gradio_api/run/**", lambda route: None)
    start(page)
    wait_for(page, lambda: state(page) == "Running", "a running run", 60)
    assert not page.locator("#start").is_enabled()
    first = wait_for(page, lambda: points(page), "a first point", 600)

    late.click("#start")
    (run,) = [p.name for p in server.runs.iterdir() if not p.name.startswith(".")]
    late.get_by_text(f"The run {run} is still at work").wait_for()
    late.close()

    reload(page)
    go(page, "Train")
    assert wait_for(page, lambda: state(page) in ("Running", "Finished"), "the run again", 30)
    grown = wait_for(page, lambda: points(page) > first and points(page), "a longer curve", 600)
    working = re.compile(r"Training\s+step \d of 6: .*\d+ %", re.DOTALL)
    header = page.locator("#header-status")
    assert working.search(header.inner_text()) or state(page) == "Finished"
    second = open_page()
    go(second, "Train")
    wait_for(second, lambda: points(second) >= grown, "the curve in a second browser", 60)
    second.close()

    wait_for(page, lambda: state(page) == "Finished", "the end of the run", 1800)
    wait_for(page, lambda: re.match(r"✓ \d+ % clean – CoFT Studio", page.title()), "the title", 30)
    keys = page.eval_on_selector_all(".curve-card", "all => all.map(c => c.dataset.figure)")
    assert keys == ["loss1", "loss2", "shares", "scores"]
    wait_for(page, page.locator("#start").is_enabled, "another start", 30)
    assert not page.locator("#stop").is_enabled()
    page.locator("#curve-numbers summary").click()
    assert page.locator("#curve-numbers table tr").count() > 5
    page.locator("#curve-numbers summary").click()
    if screenshots:
        picture(page, "train")


def test_the_galleries_show_clean_and_noisy_images(open_page: Open, screenshots: bool) -> None:
    page = open_page()
    go(page, "Explore")
    page.locator("#map").wait_for()
    if screenshots:
        page.locator("#map[data-drawn^=umap], #map [data-drawn^=umap]").wait_for(state="attached")
        picture(page, "map", height=1240)
    go(page, "Galleries")
    clean, noisy = page.locator("#gallery-clean .card"), page.locator("#gallery-noisy .card")
    wait_for(page, lambda: clean.count() + noisy.count(), "cards", 60)
    assert clean.count() <= 24
    assert noisy.count() <= 24
    card = (clean if clean.count() else noisy).first
    wait_for(page, lambda: card.locator("img").evaluate("i => i.naturalWidth") > 0, "a picture", 30)
    assert re.search(r"\d+ % clean", card.inner_text())

    shares = [
        int(re.search(r"(\d+) % clean", text).group(1))  # type: ignore[union-attr]
        for text in clean.all_inner_texts()
    ]
    assert shares == sorted(shares, reverse=True)
    if screenshots:
        picture(page, "galleries", height=1240)

    card.click()
    dialog = page.locator("dialog[open]")
    dialog.wait_for()
    for text in ("Model 1 says", "Model 2 says", "The classifier's best classes"):
        assert text in dialog.inner_text()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    card.click()  # the same image opens again
    dialog.wait_for()
    page.get_by_role("button", name="Close").click()

    name = page.locator(".class-pick .name").nth(1).inner_text()
    page.locator(".class-pick").nth(1).click()
    page.locator('.class-pick[aria-pressed="true"]').get_by_text(name, exact=True).wait_for()
    labels = page.locator("#gallery-clean .card-label, #gallery-noisy .card-label")
    wait_for(page, lambda: set(labels.all_inner_texts()) <= {name}, "images of that class", 30)


def test_labels_and_model_are_downloaded(open_page: Open, screenshots: bool) -> None:
    page = open_page()
    go(page, "Export")
    wait_for(page, page.locator("#download-labels").is_enabled, "something to export", 60)
    if screenshots:
        picture(page, "export")
    with page.expect_download() as labels:
        page.click("#download-labels")
    assert labels.value.suggested_filename.endswith("labels.csv")
    with open(labels.value.path(), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 400
    for row in rows:
        assert row["clean"] in ("true", "false")
        assert 0 <= float(row["clean_probability"]) <= 1
        assert row["label"]
    assert len({row["path"] for row in rows}) == len(rows)
    with page.expect_download() as model:
        page.click("#download-model")
    with zipfile.ZipFile(model.value.path()) as packed:
        (described,) = [n for n in packed.namelist() if n.endswith("model.json")]
        assert json.loads(packed.read(described))["class_names"]
        assert not [n for n in packed.namelist() if n.endswith((".pt", ".pkl", ".bin"))]


def test_settings_that_do_not_exist_are_told(open_page: Open) -> None:
    page = open_page()
    go(page, "Train")
    wait_for(page, page.locator("#start").is_enabled, "a start button", 60)
    set_settings(page, {}, "colour=red")
    page.click("#start")
    page.get_by_text("there is no setting 'colour'").wait_for()
    assert page.locator("#runs tbody tr").count() == 1


def test_nothing_is_kept_in_the_browser_and_nobody_else_is_asked(
    open_page: Open, watch: Watch, server: Server
) -> None:
    page = open_page()
    page.wait_for_timeout(1500)
    kept = page.evaluate("JSON.stringify(Object.entries(localStorage))")
    assert "run-history" not in kept
    assert watch.faults == []
    log = server.log.read_text()
    assert "Traceback" not in log, log
    for path in (
        "/etc/passwd",
        "app.py",
        f"{server.cache}/secret",
        f"{server.cache}/workspace.json",
    ):
        answer = page.request.get(f"{server.url}/gradio_api/file={path}")
        assert answer.status in (403, 404), path
