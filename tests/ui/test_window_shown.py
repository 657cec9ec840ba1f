"""The real window, on a screen of its own: needs Xvfb and xdotool, and the extra `desktop`.

apt-get install xvfb xdotool && pip install 'pywebview[qt]'
python -m pytest tests/ui/test_window_shown.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageGrab

from studio.imports import installed
from studio.ui.window import NO_SANDBOX, TITLE, Window

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("Xvfb") and shutil.which("xdotool") and installed("webview")),
        reason="needs Xvfb, xdotool and pywebview",
    ),
]
GREEN = (0x0F, 0x76, 0x6E)
PAGE = b"<!doctype html><title>page</title><body style='margin:0;background:#0f766e'>"


def waited(ask: Callable[[], Any], *, seconds: float = 40) -> Any:
    """What `ask` answers once that is something."""
    until = time.monotonic() + seconds
    while not (answer := ask()) and time.monotonic() < until:
        time.sleep(0.1)
    assert answer
    return answer


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an X display that nobody else uses."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"],
        pass_fds=[write], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read) as told:
        name = f":{told.readline().strip()}"
    monkeypatch.setenv("DISPLAY", name)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if os.geteuid() == 0:
        monkeypatch.setenv(NO_SANDBOX, "1")
    yield name
    server.terminate()
    server.wait()


@pytest.fixture
def url() -> Iterator[str]:
    """Of a page that is all of one colour."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def xdotool(*arguments: str) -> str:
    return subprocess.run(
        ["xdotool", *arguments], capture_output=True, text=True, check=False, timeout=20
    ).stdout


def test_the_page_is_drawn_and_the_dialog_answers(screen: str, url: str, tmp_path: Path) -> None:
    def green() -> bool:
        at_the_middle = ImageGrab.grab(xdisplay=screen).getpixel((700, 500))
        return at_the_middle == GREEN

    photos = tmp_path / "my photos"
    photos.mkdir()
    chosen: list[Path | None] = []
    ended: list[bool] = []
    with Window(kept=tmp_path / "kept") as window:
        threading.Thread(target=lambda: ended.append(window.show(url)), daemon=True).start()
        waited(lambda: TITLE in xdotool("search", "--name", TITLE, "getwindowname"))
        waited(green)
        for typed, key in ((str(photos), "alt+c"), ("", "Escape")):
            asking = threading.Thread(target=lambda: chosen.append(window.choose()), daemon=True)
            asking.start()
            dialog = waited(lambda: xdotool("search", "--onlyvisible", "--name", "Open folder"))
            xdotool("windowfocus", "--sync", dialog.split()[-1])
            time.sleep(0.5)  # until its field takes keys
            xdotool("type", "--delay", "5", typed)
            xdotool("key", key)
            asking.join(5)
            assert not asking.is_alive()
        assert chosen == [photos, None]
        xdotool("search", "--name", TITLE, "windowkill")
        waited(lambda: ended)  # True or False, as Qt takes the loss: `show` comes back
        assert window.choose() is None
