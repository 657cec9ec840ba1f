"""A real server of the studio, and a real browser that watches what the page does."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from studio.locks import FileLock
from tests.browser.prepared import Prepared, prepare
from tests.browser.rest import follow

playwright_api = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "assets" / "screenshots"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

CUT_OFF = re.compile("^AbortError|Connection errored out")
_watches: WeakKeyDictionary[Any, Watch] = WeakKeyDictionary()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`python -m pytest tests/browser --screenshots` makes the pictures of the README."""
    parser.addoption(
        "--screenshots",
        action="store_true",
        help="train with the default settings and write assets/screenshots/*.png (minutes)",
    )


@pytest.fixture(scope="session")
def screenshots(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--screenshots", default=False))


@dataclass
class Server:
    """A studio in a process of its own."""

    url: str
    cache: Path
    runs: Path
    log: Path
    process: subprocess.Popen[bytes]


@dataclass
class Watch:
    """What pages did that they must not: errors in the console, requests to other servers.

    leaving: a page is being loaded again, and may complain of what that cuts off.
    """

    url: str
    faults: list[str] = field(default_factory=list)
    leaving: bool = False

    def attach(self, page: Any) -> None:
        _watches[page] = self
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._add(True, f"exception: {error}"))
        page.on("response", lambda r: self._add(r.status >= 400, f"{r.status}: {r.url}"))
        page.on("request", lambda r: self._add(self._foreign(r.url), f"foreign: {r.url}"))
        page.on("websocket", lambda w: self._add(self._foreign(w.url), f"foreign: {w.url}"))

    def _hear(self, message: Any) -> None:
        cut_off = self.leaving and CUT_OFF.search(message.text)
        self._add(message.type == "error" and not cut_off, f"console: {message.text}")

    def _foreign(self, url: str) -> bool:
        return not url.startswith((self.url, "data:", "blob:"))

    def _add(self, bad: bool, text: str) -> None:
        if bad:
            self.faults.append(text)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, screenshots: bool) -> Iterator[Server]:
    """A studio that nobody has used yet."""
    folder = tmp_path_factory.mktemp("studio")
    if screenshots:  # a path that looks well
        folder = Path(tempfile.gettempdir()) / "coft-studio"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    with serving(folder / "runs", folder / "cache", log=folder / "log.txt") as started:
        yield started


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Three finished runs on a small demo set, see `tests.browser.prepared`; about half a minute.

    Made once for all modules and pytest workers: look, do not change. STUDIO_PREPARED names a
    folder to keep them in between test runs, while tests are being written.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = Path(os.environ.get("STUDIO_PREPARED") or shared / "prepared")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    while not lock.acquire():  # another worker is at it
        time.sleep(0.2)
    try:
        return prepare(folder)
    finally:
        lock.release()


@pytest.fixture(scope="module")
def lived_in(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio with the prepared runs and the demo at hand; the module may change its own copy.

    A module that starts from here says so once; `open_page` and `watch` then follow:

        @pytest.fixture(scope="module")
        def server(lived_in: Server) -> Server:
            return lived_in
    """
    folder = tmp_path_factory.mktemp("lived-in")
    shutil.copytree(prepared.runs, folder / "runs")
    shutil.copytree(prepared.cache, folder / "cache")
    with serving(folder / "runs", folder / "cache", log=folder / "log.txt") as started:
        yield started
    with suppress(OSError):  # another module's studio need not make the same map again
        shutil.copytree(folder / "cache" / "maps", prepared.cache / "maps", dirs_exist_ok=True)


@contextmanager
def serving(runs: Path, cache: Path, *, log: Path) -> Iterator[Server]:
    """A studio in a process of its own, until the block ends."""
    port = _port()
    command = [sys.executable, "app.py", "--no-browser", "--port", str(port)]
    command += ["--runs", str(runs), "--cache"]
    environment = {k: v for k, v in os.environ.items() if k != "SPACE_ID"}
    began = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, str(cache)], cwd=ROOT, env=environment, stdout=out, stderr=out
        )
    url = f"http://127.0.0.1:{port}"
    try:
        while not _answers(url):
            if process.poll() is not None or time.monotonic() - began > 90:
                raise RuntimeError(f"the studio did not start:\n{log.read_text()}")
            time.sleep(0.1)
        yield Server(url, cache, runs, log, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@cache
def _port() -> int:
    """A free port. One for all servers of a process: browsers keep scripts by their address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def chrome(chromium: str) -> Iterator[Any]:
    """Playwright's way to start a Chromium."""
    with playwright_api.sync_playwright() as api:
        yield api.chromium


@pytest.fixture(scope="module")
def profile(
    server: Server, chrome: Any, chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A browser that keeps its compiled scripts, also for the modules that follow.

    Compiling them takes two of the seven seconds of processor time of a page with a map. Nothing
    else of another module is left in it.
    """
    folder = tmp_path_factory.getbasetemp() / "profile"
    opened = chrome.launch_persistent_context(folder, executable_path=chromium, args=FLAGS)
    stored = {"origin": server.url, "storageTypes": "cookies,local_storage"}
    blank = opened.pages[0]
    opened.new_cdp_session(blank).send("Storage.clearDataForOrigin", stored)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def watch(server: Server) -> Watch:
    return Watch(server.url)


@contextmanager
def _opening(server: Server, profile: Any, watch: Watch) -> Iterator[Callable[..., Any]]:
    """What opens pages, until the block ends."""
    pages: list[Any] = []

    def open_(
        query: str = "?__theme=light",
        *,
        viewport: dict[str, int] | None = None,
        permissions: list[str] | None = None,
    ) -> Any:
        page = profile.new_page()
        pages.append(page)
        page.set_viewport_size(viewport or {"width": 1280, "height": 900})
        if permissions:
            profile.grant_permissions(permissions, origin=server.url)
        page.set_default_timeout(60_000)
        watch.attach(page)
        follow(page)
        page.goto(f"{server.url}/{query}")
        page.wait_for_selector("#tabs")
        page.wait_for_selector("#data-folder .welcome, #data-folder .panel")
        return page

    yield open_
    for page in pages:
        page.close()
    profile.clear_permissions()


@pytest.fixture
def open_page(server: Server, profile: Any, watch: Watch) -> Iterator[Callable[..., Any]]:
    """Open the studio in a new tab of the browser that the module's tests share.

    viewport: in pixels; permissions: what pages may do until the test ends.
    """
    with _opening(server, profile, watch) as open_:
        yield open_


@pytest.fixture(scope="module")
def page(server: Server, profile: Any, watch: Watch) -> Iterator[Any]:
    """One page for all tests of a module that only look: opening one takes longer than they do.

    Who changes what it shows puts it back.
    """
    with _opening(server, profile, watch) as open_:
        yield open_()


def reload(page: Any) -> None:
    """Load a page again, whatever it is at."""
    watch = _watches[page]
    watch.leaving = True
    page.reload()
    watch.leaving = False
    page.wait_for_selector("#tabs")


def go(page: Any, tab: str) -> None:
    """Open a tab of the page.

    A press that comes while gradio's page is being put together may be lost, as a person's would
    be, who presses again.
    """
    button = page.get_by_role("tab", name=tab, exact=True)
    unfold(page, button)
    if button.get_attribute("aria-selected") != "true":
        page.wait_for_timeout(1000)
        unfold(page, button)


def unfold(page: Any, button: Any) -> None:
    """Press what opens a tab or a box, and wait as long as a person needs to see it.

    When one opens for the first time, Gradio's page makes its fields and sets their values once
    more a frame later. What a script typed in between would be gone.
    """
    button.click()
    page.evaluate(
        """async () => {
          for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
        }"""
    )


def picture(page: Any, name: str, *, height: int = 900) -> None:
    """A picture of the page's upper part for the README. height: in pixels."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.set_viewport_size({"width": 1280, "height": height})
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_timeout(2500)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    page.set_viewport_size({"width": 1280, "height": 900})


def wait_for(page: Any, condition: Callable[[], Any], what: str, seconds: float) -> Any:
    """Wait until the condition holds, while the page goes on."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := condition():
            return found
        page.wait_for_timeout(250)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s:\n{tell(page)}")


def tell(page: Any) -> str:
    """What the page shows, for a failed test."""
    return re.sub(r"\n+", "\n", str(page.inner_text("body")))[:1500]
