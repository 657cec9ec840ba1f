"""What the page does as a whole: its address, its title, its words, and the next step in sight."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Server, Watch, go, reload, unfold, wait_for
from tests.browser.test_studio import FIELDS, OTHERS, points, set_settings, start, state

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

Open = Callable[..., Any]
STAND_IN = """() => {
  window.notes = [];
  window.Notification = class {
    constructor(title, options) { window.notes.push(`${title}: ${options.body}`); }
    static permission = "granted";
    static requestPermission = async () => "granted";
  };
}"""
"""In the place of the browser's notifications, which a test cannot see."""

SIZES = [(1440, 900), (1024, 768), (390, 844)]


@pytest.fixture(scope="module")
def server(lived_in: Server) -> Server:
    return lived_in


def chosen(page: Any) -> str:
    return str(page.locator("#tabs [role=tab][aria-selected=true]").first.inner_text())


def in_view(page: Any, selector: str) -> bool:
    """Whether all of an element is in the window, which is not scrolled."""
    box = page.locator(selector).bounding_box()
    size = page.viewport_size
    return bool(box and box["y"] >= 0 and box["y"] + box["height"] <= size["height"])


def labelled(open_page: Open, **options: Any) -> Any:
    """A page that shows the first labels."""
    page = open_page(**options)
    page.locator("#data-preview .class-row").first.wait_for(timeout=120_000)
    page.locator("#start-now").wait_for()
    return page


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_next_step_and_the_fields_of_each_are_in_sight(
    open_page: Open, width: int, height: int
) -> None:
    page = labelled(open_page, viewport={"width": width, "height": height})
    assert page.evaluate("window.scrollY") == 0
    for button in ("#start-now", "#train-on-this"):
        assert in_view(page, button), button
    page.evaluate("window.scrollTo(0, 300)")
    assert in_view(page, "#start-now")
    for step, field in enumerate(("#demo", "#class-names", "#next-step")):
        page.locator(".step").nth(step).click()
        wait_for(page, lambda: in_view(page, field), field, 10)  # noqa: B023
        focused = f"document.activeElement.closest('{field}') !== null"
        wait_for(page, lambda: page.evaluate(focused), f"the focus on {field}", 10)  # noqa: B023


def test_a_table_of_labels_is_dropped_kept_and_taken_away(
    open_page: Open, prepared: Any, watch: Watch
) -> None:
    page = open_page()
    unfold(page, page.locator("#label-table > button"))
    images = sorted(prepared.images.rglob("*.jpg"))[:2]
    rows = [f"{image.relative_to(prepared.images)},{image.parent.name}" for image in images]
    table = "\n".join(["file_name,class", *rows, rows[0]]).encode()
    sent = ["labels.csv", base64.b64encode(table).decode(), "label-table-drop"]
    page.locator("#label-table-drop input[type=file]").wait_for(state="attached")
    assert page.evaluate(DROP, sent)
    about = page.locator("#label-table-about")
    about.locator("strong", has_text="2 labels").wait_for()
    assert "(lines 2, 4); they say the same" in about.inner_text()
    reload(page)
    about.locator("strong", has_text="2 labels").wait_for()
    go(page, "Train")
    page.get_by_label("Check the 2 labels of labels.csv").wait_for()
    go(page, "Data")
    page.locator("#label-table-remove").click()
    about.locator("strong").wait_for(state="detached")
    assert not watch.faults


def test_a_reload_keeps_the_tab_and_the_browser_goes_back(open_page: Open) -> None:
    page = open_page()
    assert chosen(page) == "Data"
    go(page, "Prompts")
    go(page, "Train")
    wait_for(page, lambda: page.url.endswith("#train"), "an address", 10)
    reload(page)
    wait_for(page, lambda: chosen(page) == "Train", "the same tab", 30)
    page.locator("#curves .curve-plot").first.wait_for()
    page.go_back()
    wait_for(page, lambda: chosen(page) == "Prompts", "the tab before", 30)
    page.go_forward()
    wait_for(page, lambda: chosen(page) == "Train", "the tab after it", 30)


def test_words_are_explained_where_they_stand(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="What the words mean").click()
    words = page.get_by_role("dialog", name="Words")
    words.wait_for()
    for word in ("Clean", "Peer", "Seed set", "Estimate"):
        assert words.locator("strong", has_text=re.compile(f"^{word}$")).count() == 1, word
    page.keyboard.press("Escape")
    words.wait_for(state="hidden")
    go(page, "Train")
    page.locator("#runs .word", has_text="share of clean labels").click()
    words.wait_for()
    inside = "#word-share-of-clean-labels"
    wait_for(page, lambda: in_view(page, inside), "the explanation", 10)
    words.get_by_role("button", name="Close").click()
    words.wait_for(state="hidden")


def test_a_finished_run_says_what_came_of_it_on_every_tab(open_page: Open) -> None:
    page = open_page()
    line = re.compile(r"\d+ % → about \d+ % right \(\d+ to \d+ %\), \d+ % of the labels clean")
    header = page.locator("#header-status")
    wait_for(page, lambda: line.search(header.inner_text()), "the result", 120)
    header.get_by_role("button", name="Look at the noisy ones").wait_for()
    go(page, "Train")
    assert line.search(page.inner_text("#run-status"))
    assert re.search(r"Of the clean labels alone, about \d+ %", page.inner_text("#run-status"))
    row = page.locator("#runs tbody tr", has_text="second").inner_text()
    assert re.search(r"about \d+ %\s+\d+ to \d+ %, measured", row)
    assert page.title() == "CoFT Studio", "an old run is no news"


def test_noisy_images_and_the_export_are_one_press_away(open_page: Open, server: Server) -> None:
    page = open_page()
    go(page, "Train")
    page.locator("#runs").get_by_role("button", name="first", exact=True).click()
    status = page.locator("#run-status")
    status.locator("strong", has_text="first").wait_for()
    status.get_by_role("button", name="Export").click()
    wait_for(page, lambda: chosen(page) == "Export", "the Export tab", 30)
    page.locator("#export-about h2, #export-about h3", has_text="first").wait_for()
    go(page, "Train")
    status.get_by_role("button", name="Look at the noisy ones").click()
    wait_for(page, lambda: chosen(page) == "Explore", "the Explore tab", 30)
    run = page.locator("#explore-run-choice input")
    wait_for(page, lambda: run.input_value().startswith("first,"), "that run", 60)
    noisy = page.locator("#gallery-noisy .card")
    noisy.first.wait_for()
    # From the open tab to another run, by the header.
    page.locator("#header-status").get_by_role("button", name="Look at the noisy ones").click()
    wait_for(page, lambda: run.input_value().startswith("second,"), "the newest run", 60)
    noisy.first.wait_for()


def test_a_run_is_renamed_noted_and_repeated(open_page: Open, server: Server) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    go(page, "Train")
    page.locator("#runs").get_by_role("button", name="labels only").click()
    name = page.locator("#run-rename input, #run-rename textarea")
    wait_for(page, lambda: name.input_value() == "labels only", "the name", 30)
    name.fill("before training")
    name.press("Enter")
    page.locator("#runs").get_by_role("button", name="before training").wait_for()
    page.locator("#run-note textarea").fill("to compare with")
    name.focus()  # leaving the field is enough
    page.locator("#runs", has_text="to compare with").wait_for()
    page.locator("#run-facts summary").first.click()
    page.locator("#run-facts [data-copy]").click()
    page.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("python -m studio fit ")
    assert "--method zero-shot" in copied


def test_stop_ends_a_run_and_start_works_again(open_page: Open) -> None:
    page = labelled(open_page)
    go(page, "Train")
    rows = page.locator("#runs tbody tr")
    before = wait_for(page, rows.count, "the runs", 30)
    set_settings(page, {**FIELDS, "phase1_epochs": "500"}, OTHERS)
    page.fill("#run-name input, #run-name textarea", "to be stopped")
    start(page)
    wait_for(page, lambda: state(page) == "Running" and points(page) > 3, "a curve", 600)
    page.click("#stop")
    wait_for(page, lambda: state(page) == "Stopped", "a stopped run", 300)
    wait_for(page, page.locator("#start").is_enabled, "another start", 30)

    # Past runs: another one with its curves, then the stopped one is deleted.
    wait_for(page, lambda: rows.count() == before + 1, "one more run", 30)
    page.locator("#runs").get_by_role("button", name="first").click()
    wait_for(page, lambda: state(page) == "Finished", "the first run", 30)
    page.locator("#runs").get_by_role("button", name="to be stopped").click()
    wait_for(page, lambda: state(page) == "Stopped", "the stopped run", 30)
    page.click("#delete-run")
    page.get_by_role("button", name="Delete “to be stopped”").click()
    wait_for(page, lambda: rows.count() == before, "one run less", 30)


def test_training_starts_in_one_press_and_its_end_is_news(open_page: Open, watch: Watch) -> None:
    page = labelled(open_page)
    go(page, "Train")
    set_settings(page, {**FIELDS, "phase1_epochs": "2"}, OTHERS)
    go(page, "Data")
    page.evaluate(STAND_IN)
    button = page.locator("#start-now")
    wait_for(page, button.is_enabled, "a button to start", 60)
    button.click()
    page.locator("#run-status").wait_for()  # the Train tab has opened
    page.locator(".state-notify").click()
    page.locator(".state-notify", has_text="You will be notified").wait_for()
    header = page.locator("#header-status")
    working = re.compile(r"Training\s+step \d of 6: .*\d+ %", re.DOTALL)
    wait_for(page, lambda: working.search(header.inner_text()), "a bar", 120)
    assert re.match(r"\d+ % – CoFT Studio", page.title())
    # Somebody looks at another page of the browser, and gradio's timers rest.
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    wait_for(page, lambda: page.evaluate("window.notes.length"), "a notification", 900)
    (note,) = page.evaluate("window.notes")
    assert re.match(r"CoFT Studio: demo, finished: .* right .*% of the labels clean$", note)
    assert re.match(r"✓ \d+ % clean – CoFT Studio", page.title())
    assert watch.faults == []


def test_a_folder_is_completed_misspelt_and_found_again(
    open_page: Open, tmp_path: Path, prepared: Any
) -> None:
    for name in ("holiday", "holly"):
        (tmp_path / name).mkdir()
    image = next(prepared.images.rglob("*.jpg"))
    (tmp_path / "holiday" / "one.jpg").write_bytes(image.read_bytes())
    page = open_page()
    field = page.locator("#folder-path input")
    field.fill(f"{tmp_path}/hol")
    offered = "[...document.querySelectorAll('#folder-completions option')].map(o => o.value)"
    both = [f"{tmp_path}/holiday/", f"{tmp_path}/holly/"]
    wait_for(page, lambda: page.evaluate(offered) == both, "two folders", 30)
    assert field.get_attribute("list") == "folder-completions"  # the browser shows and chooses
    field.fill(f"{tmp_path}/holidai")
    page.click("#scan")
    told = page.locator("#data-status .notice-bad")
    told.get_by_text(f"did you mean {tmp_path}/holiday").wait_for()
    field.fill(f"{tmp_path}/holiday")
    field.press("Enter")
    page.locator("#data-folder .path", has_text="holiday").wait_for()
    page.locator("#recent").get_by_role("button", name="holiday").wait_for()
    field.fill(str(prepared.images))
    page.click("#scan")
    page.locator("#data-folder .path", has_text="demo").wait_for(timeout=60_000)
    page.locator("#recent").get_by_role("button", name="holiday").click()
    page.locator("#data-folder .path", has_text="holiday").wait_for(timeout=60_000)


DROP = """async ([name, base64, id]) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type: "image/jpeg" }));
  const event = { bubbles: true, cancelable: true, dataTransfer: carried };
  const zone = document.getElementById(id);
  zone.dispatchEvent(new DragEvent("dragover", event));
  const lit = zone.classList.contains("drop-over");
  zone.dispatchEvent(new DragEvent("drop", event));
  return lit;
}"""


def test_images_are_dropped_on_the_page(open_page: Open, prepared: Any) -> None:
    page = open_page()
    wait_for(page, page.locator("#scan").is_enabled, "a rest", 120)
    image = next(prepared.images.rglob("*.jpg")).read_bytes()
    assert page.evaluate(DROP, ["dropped.jpg", base64.b64encode(image).decode(), "upload"])
    page.locator("#data-folder h2", has_text="Uploaded images").wait_for()
    page.locator('#data-folder img[alt="dropped.jpg"]').wait_for()


def resident(server: Server) -> int:
    """Megabytes of the server's memory that are in use."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024  # type: ignore[index]


def test_page_loads_leave_the_memory_as_it_was(open_page: Open, server: Server) -> None:
    def visit(times: int) -> None:
        for _ in range(times):
            page = open_page()
            go(page, "Train")
            page.locator("#runs tbody tr").first.wait_for()
            page.close()

    visit(4)  # what is made once
    before = resident(server)
    visit(8)
    assert resident(server) < before + 40  # what one page leaves behind would come 8 times


def test_nothing_on_the_page_is_a_key_without_its_text(open_page: Open, watch: Watch) -> None:
    page = open_page()
    seen: list[str] = page.evaluate(
        """() => new Promise((done) => {
          const seen = [];
          const watcher = new MutationObserver(() => seen.push(document.body.innerText));
          watcher.observe(document.body, { childList: true, subtree: true, characterData: true });
          document.querySelector("[data-tab-id=train]").click();
          setTimeout(() => document.querySelector("[data-tab-id=explore]").click(), 800);
          setTimeout(() => done([...seen, document.body.textContent]), 5000);
        })"""
    )
    assert not [text for text in seen if re.search(r"common\.\w+", text)]
    assert watch.faults == []
