"""Waiting until a page rests: everything it asked for has been answered, and nothing moves."""

from __future__ import annotations

import re
import time
from typing import Any
from weakref import WeakKeyDictionary

_QUIET = """(quiet) => new Promise((done) => {
  const rest = () => { watcher.disconnect(); clearTimeout(timer); clearTimeout(end); done(); };
  let timer = setTimeout(rest, quiet);
  const end = setTimeout(rest, 15000);
  const watcher = new MutationObserver(() => {
    clearTimeout(timer);
    timer = setTimeout(rest, quiet);
  });
  watcher.observe(document.body, { childList: true, characterData: true, subtree: true });
})"""
_LONGEST = 30.0

_under_way: WeakKeyDictionary[Any, set[Any]] = WeakKeyDictionary()


def follow(page: Any) -> None:
    """Know from now on which of a page's events have no answer yet.

    The stream by which gradio's page hears of events is open while there is anything to come.
    """
    asked: set[Any] = set()
    _under_way[page] = asked

    def add(request: Any) -> None:
        if re.search("/gradio_api/(queue|run)/", request.url):
            asked.add(request)

    page.on("request", add)
    page.on("requestfinished", lambda request: asked.discard(request))
    page.on("requestfailed", lambda request: asked.discard(request))


def settle(page: Any, *, quiet_ms: int = 600) -> None:
    """Wait until a page that is followed rests; at most 30 s, as some keep on asking."""
    ends = time.monotonic() + _LONGEST
    page.evaluate(_QUIET, quiet_ms)
    while _under_way[page] and time.monotonic() < ends:
        page.evaluate(_QUIET, quiet_ms)
