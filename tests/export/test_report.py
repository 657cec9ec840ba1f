"""One file to send: it needs no other, says what is known, and tells nothing about the machine."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.export.charts import MOST_ON_MAP, MOST_POINTS, chart, plane
from studio.export.formats import format_of
from studio.export.subject import Subject
from studio.export.write import write_folder
from studio.runs.run import Run
from tests.conftest import find_chromium


@pytest.fixture(scope="module")
def html(run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studio.export.report.MOST_FOR_UMAP", 0)  # a process of its own, and slow
        out = tmp_path_factory.mktemp("report") / "out"
        assert write_folder(format_of("html").entries(some_noisy(run)), out) == ["report.html"]
    return (out / "report.html").read_text()


def some_noisy(run: Run) -> Subject:
    """The run as if a third of its labels were noisy."""
    subject = Subject.of(run)
    clean = np.arange(len(subject.outcome)) % 3 > 0
    return replace(subject, outcome=replace(subject.outcome, clean=clean))


def test_it_needs_no_other_file_and_runs_nothing(html: str) -> None:
    seen: list[tuple[str, dict[str, str | None]]] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append((tag, dict(attrs)))

    Tags().feed(html)
    names = {tag for tag, _ in seen}
    assert not names & {"script", "link", "iframe", "object", "a", "form"}
    for tag, attributes in seen:
        source = attributes.get("src") or attributes.get("href") or ""
        assert source.startswith("data:") or not source, tag
        assert not any(name.startswith("on") for name in attributes)
        if tag == "img":
            assert attributes["alt"]
    assert "url(" not in html
    assert "default-src 'none'" in html


def test_it_shows_the_noisiest_and_the_cleanest_with_names_escaped(html: str, run: Run) -> None:
    subject = some_noisy(run)
    assert "Ünïted &lt;b&gt;" in html
    assert "Ünïted <b>" not in html
    shown = [unescape(path) for path in re.findall(r"<small>(.*?)</small>", html)]
    outcome = subject.outcome
    score = outcome.combined
    assert score is not None
    noisy = [i for i in subject.indices if not outcome.final_clean[i]]
    first = min(noisy, key=lambda i: float(score[i]))
    noisy_paths = [path for path in shown if path in {outcome.paths[i] for i in noisy}]
    assert noisy_paths[0] == outcome.paths[first]
    assert len(noisy_paths) == min(24, len(noisy))
    assert "blue_line/3.png" not in shown, "rejected"
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    assert len(pictures) == min(24, len(noisy)) + min(24, len(subject.indices) - len(noisy))
    with Image.open(io.BytesIO(base64.b64decode(pictures[0]))) as picture:
        assert picture.size == (128, 128)
        assert not picture.getexif()


def test_it_says_figures_limits_corrections_and_settings(html: str, run: Run) -> None:
    text = unescape(re.sub(r"<[^>]+>", " ", html))
    assert "right, estimated" in text
    assert "Clean means that the other model agrees" in text
    assert "changed 1 and rejected 1 image" in text
    assert "judged 2 labels" in text
    assert "phase2_epochs" in text
    assert "red_square/broken.png" in text
    assert "Loss in Phase I" in text


def test_it_does_not_say_where_the_images_lie(html: str, run: Run) -> None:
    assert run.info.folder not in html
    assert str(run.path.parent) not in html
    assert f"“{Path(run.info.folder).name}”" in html


def test_a_line_of_many_points_is_thinned_and_keeps_its_ends() -> None:
    points = [(float(x), x / 5000) for x in range(5000)]
    made = chart("T", [("a", points), ("b", points[:1])], x_title="step", shares=True)
    assert made is not None
    (line,) = made.lines
    drawn = line.points.split()
    assert len(drawn) == MOST_POINTS
    assert drawn[0].startswith("60.0,")
    assert drawn[-1].startswith("626.0,")
    assert line.last == "100 %"
    assert chart("T", [("b", points[:1])], x_title="step", shares=True) is None


def test_the_map_draws_clean_and_noisy_apart_and_not_too_many() -> None:
    places = np.array([[-1, -1], [1, 1]], np.float32)
    made = plane(places, np.array([True, False]))
    assert made.clean == "M8 552h0"
    assert made.noisy.startswith("M548 8l4-4")
    many = plane(np.zeros((3 * MOST_ON_MAP + 1, 2), np.float32), np.ones(3 * MOST_ON_MAP + 1, bool))
    assert many.drawn <= MOST_ON_MAP


@pytest.mark.slow
@pytest.mark.browser
def test_it_opens_in_light_and_dark_and_is_printed(html: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    file = tmp_path / "report.html"
    file.write_text(html)
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        colours = {}
        for scheme in ("light", "dark"):
            page = browser.new_page(color_scheme=scheme)
            page.on("request", lambda request: asked.append(request.url))
            page.goto(file.as_uri())
            look = "getComputedStyle(document.body).backgroundColor"
            colours[scheme] = page.evaluate(look)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0
            page.emulate_media(media="print", color_scheme=scheme)
            assert page.evaluate(look) == "rgb(255, 255, 255)"
        printed = page.pdf(format="A4", print_background=True)
        browser.close()
    assert colours["light"] != colours["dark"]
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") >= 2
    assert all(url.startswith(("file:", "data:")) for url in asked)
