"""What the page needs of gradio's addresses; all others answer as if they were not there."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

API = "/gradio_api"
MCP = f"{API}/mcp"
_FILE = f"{API}/file="
_READ = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/robots\.txt|/(assets|static|svelte)/.+"
    # Browsers with a window ask for these; /pwa_icon/SIZE would draw an icon of any size.
    r"|/manifest\.json|/pwa_icon"
    rf"|{API}/(startup-events|app_id|info|theme\.css|queue/data|upload_progress)/?"
    rf"|{API}/heartbeat/[^/]+"
)
_WRITE = re.compile(rf"{API}/(queue/join|run/[^/]+|component_server|upload|cancel|reset)/?")
_CALL = re.compile(rf"{API}/(run|call(?:/v2)?)/([^/]+)(/[^/]+)?/?")


def is_open(method: str, path: str, *, tools: Collection[str] = ()) -> bool:
    """Whether the page uses this address, or whoever calls its tools.

    path: as it was decoded by the server, without root; tools: names of those that are offered.
    """
    if tools and (path == MCP or path == f"{MCP}/" or path == f"{API}/openapi.json"):
        return method == ("GET" if path.endswith(".json") else "POST")
    call = _CALL.fullmatch(path)
    if call is not None and call[1] != "run" and call[2] in tools:
        return method == ("GET" if call[3] else "POST")
    if method in ("GET", "HEAD"):
        return path.startswith(_FILE) or _READ.fullmatch(path) is not None
    return method == "POST" and _WRITE.fullmatch(path) is not None


def may_call(path: str, asked: Mapping[str, Any], *, tools: Collection[str]) -> bool:
    """Whether what a request asks for may be called so: the page names its events by number, and
    nothing but a tool has a name. Gradio's own takes the name of any event.

    path: one that is open; asked: the body.
    """
    call = _CALL.fullmatch(path)
    if call is None or call[2] in tools:
        return True
    number = asked.get("fn_index")
    return isinstance(number, int) and not isinstance(number, bool)


def served_file(path: str) -> Path | None:
    """The file that an address asks for, without looking at the disk; None when it asks for none.

    Addresses of other servers, and whatever is no plain absolute path, are no files.
    """
    if not path.startswith(_FILE):
        return None
    text = path.removeprefix(_FILE)
    plain = os.path.isabs(text) and "\0" not in text and unquote(text) == text
    return Path(text) if plain and os.path.normpath(text) == os.path.abspath(text) == text else None


def within(file: Path, folders: Sequence[Path]) -> bool:
    """Whether it is one of these files, or lies in one of these folders, by its name alone."""
    return any(file == folder or file.is_relative_to(folder) for folder in folders)
