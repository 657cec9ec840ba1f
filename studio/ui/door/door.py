"""The door: an ASGI application in front of gradio's, which every request has to pass."""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson

from studio.texts import all_writable
from studio.ui.door.arrivals import Arrivals
from studio.ui.door.crowd import Crowd, Crowded
from studio.ui.door.hosts import Hosts
from studio.ui.door.routes import API, MCP, is_open, may_call, served_file, within
from studio.ui.door.visitors import Visitors

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = dict[str, list[str]]

VISITOR = "studio.visitor"
"""Where a request's scope says whose it is, for the handlers; absent where nobody shares."""

MOST_JSON = 64 << 20
"""Of one event: a lasso around a million points has 20 MB."""

ROOM_TO_SPARE = 512 << 20
"""Bytes that stay free on the disk whatever is uploaded."""

_NOT_HERE = "There is nothing here."
_SAFE = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]
_OWN_FRAMES = (b"content-security-policy", b"frame-ancestors 'self'")


@dataclass(frozen=True)
class Rules:
    """What the door goes by.

    hosts: see `Hosts`; files: what of the disk a visitor may fetch, files or folders; visitors:
    None where nobody shares the page; uploads: the folder that gradio puts uploads in; most_upload:
    bytes of one request; root: path under which a proxy shows the page, without a slash at its end;
    tools: what may be called by name, see `studio.ui.tools`; events: how many the page has.
    """

    hosts: Hosts
    files: Callable[[str], Sequence[Path]]
    uploads: Path
    most_upload: int
    endings: tuple[str, ...]
    visitors: Visitors | None = None
    root: str = ""
    tools: Collection[str] = ()
    events: int = 10_000


class Door:
    """See the module. queued: how many events of a page are in gradio's queue."""

    def __init__(self, app: Application, *, rules: Rules, queued: Callable[[str], int]) -> None:
        self._app, self._rules = app, rules
        self._crowd = Crowd(queued)
        self._arrivals = Arrivals(rules.uploads, rules.endings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand over to gradio."""
        if scope["type"] == "websocket":  # gradio's page uses none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        refused = self._rules.hosts.refusal(headers)
        if refused:
            await _say(send, 403, refused)
            return
        if scope["path"] == self._rules.root != "":  # addresses on the page are relative to it
            await _say(send, 307, "", (b"location", f"{self._rules.root}/".encode()))
            return
        path = self._local_path(scope["path"])
        scope = {**scope, "path": path}
        if not is_open(scope["method"], path, tools=self._rules.tools):
            mcp = self._rules.tools and path.rstrip("/") == MCP
            # In answer to 404 a client would begin anew: nothing is sent but answers.
            await _say(send, 405 if mcp else 404, _NOT_HERE)
            return
        if path == MCP:
            path += "/"
            scope["path"] = path
        token = Visitors.known(headers["cookie"]) if self._rules.visitors else ""
        send = self._polite(send, scope, headers, token)
        if path.startswith(f"{API}/file="):
            await self._file(scope, receive, send, token)
        elif scope["method"] == "POST" and path.rstrip("/") == f"{API}/upload":
            await self._upload(scope, receive, send, headers)
        elif scope["method"] == "POST":
            await self._event(scope, receive, send, headers, token)
        else:
            page = _page_of(scope)
            if not self._let_in(scope, token, page):
                await _say(send, 403, "This page is somebody else's.")
                return
            await self._app(scope, receive, send)

    # Kinds of requests ------------------------------------------------------------------------

    async def _file(self, scope: Scope, receive: Receive, send: Send, token: str) -> None:
        """A file that is not for this visitor is answered like one that is not there."""
        file = served_file(scope["path"])
        allowed = file is not None and within(file, self._rules.files(token))
        if not allowed or file is None or not file.is_file():
            await _say(send, 404, _NOT_HERE)
            return
        await self._app(scope, receive, send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        """Files: no more than fits, and none that nobody reads."""
        sizes = headers["content-length"]
        if len(sizes) != 1 or not sizes[0].isdigit():
            await _say(send, 411, "An upload has to say how large it is.")
            return
        most, size = self._rules.most_upload, int(sizes[0])
        if size > most:
            await _say(send, 413, f"At most {most >> 20:,} MB can be uploaded at once.")
            return
        folder = next(p for p in (self._rules.uploads, *self._rules.uploads.parents) if p.is_dir())
        if shutil.disk_usage(folder).free < 2 * size + ROOM_TO_SPARE:
            await _say(send, 507, "There is not enough room on the studio's disk for this upload.")
            return
        await self._arrivals.take(self._app, scope, receive, send)

    async def _event(
        self, scope: Scope, receive: Receive, send: Send, headers: Headers, token: str
    ) -> None:
        """Something that a page asks for, as JSON."""
        kinds = headers["content-type"]
        if not kinds or not kinds[0].lower().startswith("application/json"):
            await _say(send, 415, "The studio takes JSON here.")
            return
        body = await _body(receive, MOST_JSON)
        if body is None:
            await _say(send, 413, "That is more than the studio takes at once.")
            return
        body, asked = _parsed(body)
        if asked is None:
            await _say(send, 400, "That is not what the studio's page sends.")
            return
        if not may_call(scope["path"], asked, tools=self._rules.tools):
            await _say(send, 404, _NOT_HERE)
            return
        event, page = asked.get("fn_index"), asked.get("session_hash")
        known = event is None or (type(event) is int and 0 <= event < self._rules.events)
        marked = page is None or (isinstance(page, str) and page.isascii() and len(page) <= 64)
        if not known or not marked:
            await _say(send, 400, "That is not what the studio's page sends.")
            return
        if not self._let_in(scope, token, page or ""):
            await _say(send, 403, "This page is somebody else's.")
            return
        scope["headers"] = [
            *((k, v) for k, v in scope["headers"] if k.lower() != b"content-length"),
            (b"content-length", str(len(body)).encode()),
        ]
        join = scope["path"].rstrip("/").endswith("/queue/join")
        try:
            async with self._crowd.turn(page or "", joins=join):
                await self._app(scope, _again(body, receive), send)
        except Crowded:
            await _say(send, 429, "This page has asked for too much at once; wait a moment.")

    # Plumbing ---------------------------------------------------------------------------------

    def _let_in(self, scope: Scope, token: str, page: str) -> bool:
        """Note in the scope whose request it is; False when the page is another visitor's."""
        if self._rules.visitors is None:
            return True
        scope[VISITOR] = self._rules.visitors.of(token, page)
        return bool(scope[VISITOR]) or not page

    def _local_path(self, path: str) -> str:
        """The path as gradio knows it, whether or not the proxy has taken the root away."""
        root = self._rules.root
        return path.removeprefix(root) if root and path.startswith(f"{root}/") else path

    def _polite(self, send: Send, scope: Scope, headers: Headers, token: str) -> Send:
        """A `send` that adds headers: what the browser may do with it, and a cookie if need be."""
        more, shared = list(_SAFE), self._rules.visitors is not None
        if not shared:
            more.append(_OWN_FRAMES)
        elif not token and scope["method"] == "GET" and scope["path"] == "/":
            proto = headers["x-forwarded-proto"] or [scope.get("scheme", "http")]
            cookie = Visitors.welcome(https=proto[0].split(",")[0].strip() == "https")
            more.append((b"set-cookie", cookie.encode()))

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        return sent


def _headers(scope: Scope) -> Headers:
    found: Headers = defaultdict(list)
    for name, value in scope["headers"]:
        found[name.decode("latin-1").lower()].append(value.decode("latin-1"))
    return found


def _page_of(scope: Scope) -> str:
    """The mark of the open page that a request to listen names, if it does."""
    if scope["path"].startswith(f"{API}/heartbeat/"):
        return str(scope["path"]).removeprefix(f"{API}/heartbeat/").strip("/")[:64]
    named = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("session_hash", [""])
    return named[0][:64]


def _parsed(body: bytes) -> tuple[bytes, dict[str, Any] | None]:
    """A body and the object in it, without lone surrogates; None when there is no object."""
    try:
        asked = orjson.loads(body)  # strict: a lone surrogate is a fault
    except ValueError:
        try:
            asked = all_writable(json.loads(body))
            body = json.dumps(asked).encode()
        except (ValueError, RecursionError):
            return body, None
    return body, asked if isinstance(asked, dict) else None


async def _body(receive: Receive, most: int) -> bytes | None:
    """All of a request's body; None when it is too long, or breaks off."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            return None
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already."""
    given = False

    async def more() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return more


async def _say(send: Send, status: int, line: str, *more: tuple[bytes, bytes]) -> None:
    text = line.encode("utf-8", "replace")
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        *_SAFE,
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def sweep(folder: Path, *, older_than: float) -> None:
    """Delete what uploads have left behind. older_than: a time; what is younger stays."""
    for root, folders, files in os.walk(folder, topdown=False):
        for name in files:
            path = os.path.join(root, name)
            try:
                if os.lstat(path).st_mtime < older_than:
                    os.unlink(path)
            except OSError:
                continue
        for name in folders:
            try:
                os.rmdir(os.path.join(root, name))
            except OSError:  # not empty
                continue
