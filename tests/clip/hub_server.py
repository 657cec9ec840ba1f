"""A server on this machine that speaks the hub's protocol, as far as its client asks."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
EARLIER = "89abcdef0123456789abcdef0123456789abcdef"
"""The commit of all that is not the newest."""


class FakeHub:
    """Repositories by name, each with files by name; and what goes wrong.

    revisions: files of a repository at another revision than `main`, by (repository, revision);
    errors: (status, X-Error-Code) for every question about a repository; silent: it takes a
    question and never answers; break_at: a body ends after so many bytes, `breaks` times;
    pause: seconds between pieces of a body; corrupt: bodies have a wrong byte; tag: in the place of
    a file's own ETag.
    """

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.revisions: dict[tuple[str, str], dict[str, bytes]] = {}
        self.errors: dict[str, tuple[int, str]] = {}
        self.asked: list[tuple[str, str, str]] = []  # method, path, Range
        self.sent = 0
        self.silent = self.corrupt = False
        self.break_at, self.breaks, self.pause = 0, 0, 0.0
        self.endpoint = self.tag = ""

    def bodies(self) -> list[str]:
        """Names of the files whose bodies were asked for."""
        return [path.rpartition("/")[2] for method, path, _ in self.asked if method == "GET"]


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = unquote(self.path.partition("?")[0])
            hub.asked.append((self.command, path, self.headers.get("Range") or ""))
            if hub.silent:
                time.sleep(30)
                return None
            parts = path.strip("/").split("/")
            api = parts[:2] == ["api", "models"]
            repo = "/".join(parts[2:4] if api else parts[:2])
            if repo in hub.errors:
                return self.refuse(*hub.errors[repo], body=body)
            if repo not in hub.repos:
                return self.refuse(401, "RepoNotFound", body=body)
            files, revision, commit = hub.repos[repo], "main", COMMIT
            if len(parts) > 4 and (api or parts[2] == "resolve"):
                revision = parts[5] if api else parts[3]
            if revision not in ("main", COMMIT):
                if (repo, revision) not in hub.revisions:
                    return self.refuse(404, "RevisionNotFound", body=body)
                files, commit = hub.revisions[repo, revision], EARLIER
            if api:
                listed = [{"rfilename": name} for name in files]
                about = {"id": repo, "modelId": repo, "sha": commit, "siblings": listed}
                return self.send(json.dumps(about).encode(), body=body)
            name = "/".join(parts[4:])
            if parts[2] != "resolve" or name not in files:
                return self.refuse(404, "EntryNotFound", body=body)
            return self.send_file(files[name], commit, body=body)

        def refuse(self, status: int, code: str, *, body: bool) -> None:
            text = b"" if not body else b"{}"
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def send(self, content: bytes, *, body: bool) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def send_file(self, content: bytes, commit: str, *, body: bool) -> None:
            start = int((self.headers.get("Range") or "bytes=0-")[6:].rstrip("-"))
            self.send_response(206 if start else 200)
            tag = hub.tag or hashlib.sha256(content).hexdigest()
            self.send_header("ETag", f'"{tag}"')
            self.send_header("X-Repo-Commit", commit)
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                place = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", place)
            self.end_headers()
            if not body:
                return
            if hub.corrupt:
                content = content[:-1] + bytes([content[-1] ^ 1])
            end = len(content)
            if hub.breaks and start < hub.break_at:
                hub.breaks -= 1
                end = hub.break_at
            for at in range(start, end, 65536):
                piece = content[at : min(at + 65536, end)]
                self.wfile.write(piece)
                hub.sent += len(piece)
                time.sleep(hub.pause)
            if end < len(content):
                self.close_connection = True
                self.connection.shutdown(2)

    return Handler


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """The hub on a port of its own."""

    class Server(ThreadingHTTPServer):
        daemon_threads, block_on_close = True, False

        def handle_error(self, *_: object) -> None:
            pass  # a client that went away

    server = Server(("127.0.0.1", 0), _handler(hub))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def use(patch: pytest.MonkeyPatch, endpoint: str, cache: str) -> None:
    """Let the hub's client of this process ask there, and keep what it gets in `cache`."""
    from huggingface_hub import constants

    patch.setattr(constants, "ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    patch.setattr(constants, "HF_HUB_CACHE", cache)
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HF_TOKEN"):
        patch.delenv(name, raising=False)
        patch.delenv(name.lower(), raising=False)
