"""Uploaded files as a page names them in an event.

Gradio's own reading of them leaves an empty file behind for each, and answers a path that was never
uploaded without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

RAW: dict[str, Any] = {"preprocess": False}
"""Arguments of an event whose handler is made by `several` or `single`."""


def paths_of(sent: Any) -> list[str]:
    """The files that arrived; whatever else a page may name is passed over, there or not."""
    folder = Path(get_upload_folder()).absolute()
    paths = []
    for item in sent if isinstance(sent, list) else [sent]:
        path = item.get("path") if isinstance(item, dict) else None
        if not isinstance(path, str) or "\0" in path or ".." in Path(path).parts:
            continue
        if Path(path).is_relative_to(folder) and Path(path).is_file():
            paths.append(path)
    return paths


def several(handler: Callable[[list[str]], Any]) -> Callable[[Any], Any]:
    """A handler of several files, given what a page sends."""

    @wraps(handler)
    def take(sent: Any) -> Any:
        return handler(paths_of(sent))

    take.__annotations__ = {}
    return take


def single(handler: Callable[[str | None], Any]) -> Callable[[Any], Any]:
    """A handler of one file, given what a page sends."""

    @wraps(handler)
    def take(sent: Any) -> Any:
        return handler(next(iter(paths_of(sent)), None))

    take.__annotations__ = {}
    return take
