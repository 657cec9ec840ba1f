"""Uploaded files as gradio puts them down: each gets a place of its own, or goes at once."""

from __future__ import annotations

import json
import os
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from studio.images.kinds import not_taken

_KEPT = 4096


class Arrivals:
    """See the module. folder: gradio's own; endings: of the files that the studio reads.

    Gradio names a file's folder after its content: two people who upload the same file would take
    it away from each other.
    """

    def __init__(self, folder: Path, endings: tuple[str, ...]) -> None:
        self._folder, self._endings = folder, endings
        self._moved: OrderedDict[str, str] = OrderedDict()

    async def take(
        self,
        app: Callable[..., Awaitable[None]],
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Let gradio take the upload, then see to the files."""
        start: dict[str, Any] = {}
        body = b""

        async def hear(message: dict[str, Any]) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            status, answer = self._settled(start["status"], body)
            kind = b"application/json" if status == 200 else b"text/plain; charset=utf-8"
            headers = [(b"content-type", kind), (b"content-length", str(len(answer)).encode())]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": answer})

        await app(scope, receive, hear)

    def _settled(self, status: int, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer, when the files are where they belong."""
        if status != 200:
            return status, body
        paths = [path for path in json.loads(body) if isinstance(path, str)]
        wanted = [path for path in paths if path.lower().endswith(self._endings)]
        strange = [path for path in paths if path not in wanted]
        for path in strange:
            _remove(Path(path))
        if strange and not wanted:
            line = not_taken(os.path.basename(strange[0])[-80:])
            return 415, line.encode("utf-8", "replace")
        # A whole folder has Thumbs.db, .DS_Store and labels of other tools beside its images.
        return 200, json.dumps([self._own_place(path) for path in wanted]).encode()

    def _own_place(self, path: str) -> str:
        place = self._folder / secrets.token_hex(16) / os.path.basename(path)
        place.parent.mkdir(parents=True)
        try:
            os.replace(path, place)
        except FileNotFoundError:
            # The same file arrived twice at once, and has gone with the first of them.
            os.link(self._moved[path], place)
        with suppress(OSError):
            os.rmdir(os.path.dirname(path))
        self._moved[path] = str(place)
        while len(self._moved) > _KEPT:
            self._moved.popitem(last=False)
        return str(place)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()
