"""The map in a real Chromium: drawn, hovered over, drawn around, followed from stage to stage."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import FLAGS, Server, Watch, go, wait_for
from tests.browser.rest import follow

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]

Open = Callable[..., Any]

# Where plotly has put the images, in pixels of the window: [[x, y, trace], ...].
PLACES = """() => {
  const plot = document.querySelector("#map .map-plot"), { xaxis, yaxis, _size } = plot._fullLayout;
  const at = plot.getBoundingClientRect();
  const shown = plot.data.filter((t) => t.hoverinfo !== "skip");
  return shown.flatMap((t, n) => Array.from(t.x, (x, i) => [
    at.left + _size.l + xaxis.l2p(x), at.top + _size.t + yaxis.l2p(t.y[i]), n]));
}"""
# [[colour, whether it is bright, number of points], ...]
COLOURS = """() => document.querySelector("#map .map-plot").data
  .filter((t) => t.hoverinfo !== "skip")
  .map((t) => [t.marker.color, t.marker.opacity > 0.2, t.x.length])"""

# A word of the legend by what the map is coloured by.
LEGENDS = {"combined": "clean", "disagree": "agree", "confidence": "confidence", "right": "right"}


@pytest.fixture(scope="module")
def server(lived_in: Server) -> Server:
    shutil.rmtree(lived_in.cache / "maps", ignore_errors=True)  # UMAP is to be made here
    return lived_in


def drawn(page: Any) -> str:
    """What the map shows: layout, stage, colours and selection; empty while it shows nothing."""
    return str(page.evaluate("document.querySelector('#map [data-drawn]')?.dataset.drawn || "
                             "document.querySelector('#map')?.dataset.drawn || ''"))  # fmt: skip


def open_map(page: Any, layout: str = "") -> Any:
    """The map; layout: wait for this one, "umap" is the last, after which nothing moves by itself.

    The first image of the studio waits for the imports of what lays it out.
    """
    go(page, "Explore")
    wait_for(page, lambda: drawn(page).startswith(layout) and drawn(page), "a map", 900)
    plot = page.locator("#map .map-plot")
    plot.scroll_into_view_if_needed()
    return plot


def choose(page: Any, stage: int) -> None:
    """Move the slider as a hand or the arrow keys would."""
    page.evaluate(
        "n => { const s = document.querySelector('#map .map-slider'); s.value = n;"
        " s.dispatchEvent(new Event('input', { bubbles: true })); }",
        stage,
    )


def lasso(page: Any, plot: Any, *, shift: bool = False) -> int:
    """Draw around the middle of the map; how many images lie within, as the browser counts."""
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    radius = 0.3 * min(box["width"], box["height"])
    turns = [2 * math.pi * k / 40 for k in range(41)]
    line = [(x + radius * math.cos(t), y + radius * math.sin(t)) for t in turns]
    inside = sum(math.hypot(a - x, b - y) < radius * 0.98 for a, b, _ in page.evaluate(PLACES))
    if shift:
        page.keyboard.down("Shift")
    page.mouse.move(*line[0])
    page.mouse.down()
    for place in line[1:]:
        page.mouse.move(*place)
    page.mouse.up()
    if shift:
        page.keyboard.up("Shift")
    return inside


def selected(page: Any) -> int:
    """How many images the gallery beside the map says are selected; 0 for none."""
    found = re.match(r"Selected\s+([\d\s]+) images? on the map", page.inner_text("#selection-head"))
    return int(re.sub(r"\D", "", found[1])) if found else 0


def test_the_map_shows_all_images_and_what_lies_under_the_pointer(page: Any, watch: Watch) -> None:
    plot = open_map(page, "umap ")
    places = page.evaluate(PLACES)
    assert len(places) == 110
    assert page.locator("#map .map-legend li").count() >= 3
    alone = max(
        places, key=lambda p: min(math.hypot(p[0] - q[0], p[1] - q[1]) for q in places if q != p)
    )
    plot.hover(position={"x": 3, "y": 3})
    page.mouse.move(alone[0] + 1, alone[1] + 1)
    page.mouse.move(alone[0], alone[1])
    tip = page.locator("#map .map-tip")
    tip.wait_for(state="visible")
    assert "clean" in tip.inner_text()
    image = tip.locator("img")
    wait_for(page, lambda: image.evaluate("i => i.complete && i.naturalWidth"), "a thumbnail", 30)
    plot.hover(position={"x": 3, "y": 3})
    tip.wait_for(state="hidden")
    assert not watch.faults


def test_a_lasso_fills_the_gallery_and_lights_its_images(page: Any, watch: Watch) -> None:
    plot = open_map(page, "umap ")
    inside = lasso(page, plot)
    assert 3 < inside < 105
    wait_for(page, lambda: selected(page), "a selection", 60)
    assert abs(selected(page) - inside) <= 4  # on the line itself the browser and we may differ
    cards = page.locator("#gallery-selection .card")
    wait_for(page, lambda: cards.count() == min(24, selected(page)), "its images", 30)
    number = selected(page)
    wait_for(
        page,
        lambda: sum(n for _, strong, n in page.evaluate(COLOURS) if strong) == number,
        "the selected images to be lit",
        30,
    )
    # A page that is turned over by a reload begins anew, and the table selects as well.
    page.locator("#map .map-twin summary").click()
    cell = page.locator('#map .map-table [data-pick="all:all"]')
    cell.click()
    wait_for(page, lambda: "110 images" in page.inner_text("#selection-head"), "all", 30)
    page.locator("#selection-clear").click()
    wait_for(page, lambda: all(s for _, s, _ in page.evaluate(COLOURS)), "no selection", 30)
    assert not watch.faults


def test_a_press_selects_one_image_and_shift_adds_a_lasso(page: Any) -> None:
    plot = open_map(page, "umap ")
    box = plot.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    places = page.evaluate(PLACES)
    first = max(places, key=lambda p: math.hypot(p[0] - middle[0], p[1] - middle[1]))
    page.mouse.move(first[0] + 1, first[1])
    page.mouse.move(first[0], first[1])
    page.wait_for_timeout(300)
    page.mouse.click(first[0], first[1])
    cards = page.locator("#gallery-selection .card")
    wait_for(page, lambda: cards.count() == 1, "one image", 30)
    inside = lasso(page, plot, shift=True)
    wait_for(page, lambda: selected(page), "a larger selection", 60)
    assert abs(selected(page) - inside - 1) <= 4
    page.locator("#selection-clear").click()
    wait_for(page, lambda: all(s for _, s, _ in page.evaluate(COLOURS)), "no selection", 30)


def test_the_slider_goes_through_the_stages_and_no_point_moves(page: Any) -> None:
    open_map(page, "umap ")
    assert page.inner_text("#map .map-status") == ""
    order = """() => document.querySelector("#map .map-plot").data
      .flatMap((t) => Array.from(t.x, (x, i) => `${x} ${t.y[i]}`)).sort().join()"""
    seen, where = set(), set()
    for stage in (0, 1, 2):
        choose(page, stage)
        name = ["zero-shot", "phase1", "final"][stage]
        wait_for(page, lambda name=name: f" {name} " in drawn(page), name, 30)
        seen.add(str(page.evaluate(COLOURS)))
        where.add(page.evaluate(order))
    assert len(seen) == 3
    assert len(where) == 1
    choose(page, 0)  # the other panels follow
    page.locator("#explore-summary").get_by_text("before training").wait_for()
    assert page.inner_text("#map .map-stage-name") == "Before training"
    choose(page, 2)
    wait_for(page, lambda: " final " in drawn(page), "the end of the run", 30)


def test_each_way_of_colouring_has_a_legend(page: Any) -> None:
    open_map(page)
    legends, at_first = {}, page.input_value("#map .map-colour")
    for mode in (*LEGENDS, "label", "truth"):
        page.select_option("#map .map-colour", mode)
        wait_for(page, lambda mode=mode: f" {mode} " in drawn(page), mode, 30)
        legends[mode] = page.inner_text("#map .map-legend")
    for mode, word in LEGENDS.items():
        assert word in legends[mode]
    classes = page.input_value("#class-names textarea").splitlines()
    for mode in ("label", "truth"):
        assert sum(name in legends[mode] for name in classes) > 2
    page.select_option("#map .map-colour", at_first)


def test_dark_mode_has_colours_of_its_own(page: Any) -> None:
    open_map(page)
    light = page.evaluate(COLOURS)
    page.evaluate("document.body.classList.add('dark')")
    wait_for(page, lambda: page.evaluate(COLOURS) != light, "other colours", 30)
    page.evaluate("document.body.classList.remove('dark')")
    wait_for(page, lambda: page.evaluate(COLOURS) == light, "the same colours again", 30)


def test_the_map_takes_the_width_of_a_telephone(open_page: Open) -> None:
    page = open_page(viewport={"width": 375, "height": 800})
    plot = open_map(page)
    assert 250 < plot.bounding_box()["width"] <= 375
    assert page.evaluate("document.documentElement.scrollWidth") <= 376


def zoom(page: Any, by: float) -> None:
    """Come nearer to where most images are, as the wheel would."""
    page.evaluate(
        """(by) => {
          const plot = document.querySelector("#map .map-plot"), t = plot.data[0];
          const around = (v) => [v - 1.06 / by, v + 1.06 / by];
          const near = { "xaxis.range": around(t.x[0]), "yaxis.range": around(t.y[0]) };
          return window.Plotly.relayout(plot, near);
        }""",
        by,
    )


def test_pictures_appear_when_near_and_names_stand_at_their_classes(
    page: Any, watch: Watch
) -> None:
    asked: list[str] = []
    page.on(
        "request",
        lambda r: asked.append(r.post_data or "") if "component_server" in r.url else None,
    )
    open_map(page, "umap ")
    pictures = page.locator("#map .map-pictures img")
    assert pictures.count() == 0
    names = page.locator("#map .annotation-text")
    wait_for(page, names.count, "names", 30)
    classes = page.input_value("#class-names textarea").splitlines()
    assert set(names.all_text_contents()) <= set(classes)
    assert names.count() > 3
    zoom(page, 4)
    wait_for(page, pictures.count, "pictures", 60)
    assert pictures.count() <= 60
    wait_for(page, lambda: pictures.first.evaluate("i => i.complete && i.naturalWidth"), "one", 30)
    assert sum("map_thumbnails" in text for text in asked) == 1, "all are asked for at once"
    shown = {int(n) for n in pictures.evaluate_all("all => all.map((i) => i.dataset.index)")}
    assert len(shown) == pictures.count()
    page.locator("#map .map-home").click()
    wait_for(page, lambda: pictures.count() == 0, "no picture from afar", 30)
    page.locator("#map .map-names").uncheck()
    wait_for(page, lambda: names.count() == 0, "no name", 30)
    page.locator("#map .map-names").check()
    wait_for(page, names.count, "names again", 30)
    assert not watch.faults


def test_density_lies_behind_the_points_when_asked_for(page: Any) -> None:
    open_map(page, "umap ")
    kinds = "document.querySelector('#map .map-plot').data.map((t) => t.type)"
    assert "contour" not in page.evaluate(kinds), "110 images are few"
    before = len(page.evaluate(PLACES))
    page.locator("#map .map-density").check()
    wait_for(page, lambda: "contour" in page.evaluate(kinds), "the density", 30)
    assert len(page.evaluate(PLACES)) == before
    page.locator("#map .map-density").uncheck()
    wait_for(page, lambda: "contour" not in page.evaluate(kinds), "no density", 30)


def is_a_picture(download: Any) -> None:
    data = Path(download.path()).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    assert width >= 900
    assert height >= 560
    assert len(data) > 20_000, "an empty picture"


def test_the_map_is_saved_as_a_picture(page: Any, watch: Watch) -> None:
    open_map(page, "umap ")
    with page.expect_download() as saved:
        page.locator("#map .map-save").click()
    assert saved.value.suggested_filename.startswith("map-")
    is_a_picture(saved.value)
    assert not watch.faults


@contextmanager
def _launched(chrome: Any, chromium: str, flags: list[str]) -> Iterator[Any]:
    """A second browser with other flags."""
    other = chrome.launch(executable_path=chromium, args=flags)
    yield other
    other.close()


def test_without_webgl_the_map_is_drawn_as_svg(server: Server, chrome: Any, chromium: str) -> None:
    flags = [*FLAGS, "--disable-webgl", "--disable-webgl2", "--disable-3d-apis"]
    with _launched(chrome, chromium, flags) as other:
        page = other.new_page(viewport={"width": 1280, "height": 900})
        watch = Watch(server.url)
        watch.attach(page)
        follow(page)
        page.goto(f"{server.url}/?__theme=light")
        page.wait_for_selector("#data-folder .panel")
        plot = open_map(page, "umap ")
        assert page.evaluate("!document.createElement('canvas').getContext('webgl')")
        kinds = page.evaluate("document.querySelector('#map .map-plot').data.map((t) => t.type)")
        assert set(kinds) == {"scatter"}
        note = page.inner_text("#map .map-note")
        assert "All 110 images are drawn" in note
        assert "5,000" in note
        assert plot.locator(".scatterlayer .point").count() >= 110
        assert "webgl" not in plot.inner_text().lower()
        inside = lasso(page, plot)
        wait_for(page, lambda: selected(page), "a selection", 60)
        assert abs(selected(page) - inside) <= 4
        with page.expect_download() as saved:
            page.locator("#map .map-save").click()
        is_a_picture(saved.value)
        assert not watch.faults
