"""A studio in a process of its own, and a raw client of its page: no browser, no manners.

The client calls any event by the name of its handler, those that the page hides included.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Answer:
    """What came back. status: of HTTP, 0 = no answer; out: what an event returned; line: what the
    page would show as an error.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    out: Any = None
    line: str = ""
    ok: bool = True
    seconds: float = 0.0

    def header(self, name: str) -> str:
        """A header of the answer; empty when it is not there."""
        return next((v for k, v in self.headers if k.lower() == name), "")


@dataclass(frozen=True)
class Server:
    """A studio. pid: of its process."""

    port: int
    pid: int
    runs: Path
    cache: Path
    log: Path

    def memory_mb(self) -> int:
        """Resident memory, in MiB; of Linux only."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) >> 10
        return 0


@contextmanager
def serving(folder: Path, *flags: str, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A studio that keeps everything in `folder`, ended when the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    runs, cache, log = folder / "runs", folder / "cache", folder / "log.txt"
    command = [sys.executable, "app.py", "--no-browser", "--port", str(port), "--runs", str(runs),
               "--cache", str(cache), *flags]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            # What a shell starts in the background ignores Ctrl-C, and so would this.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        ends = time.monotonic() + 300
        while b"is ready" not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"the studio did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield Server(port, process.pid, runs, cache, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Page:
    """An open page. headers: sent with every request; cookies: whether it keeps them."""

    def __init__(
        self, port: int, *, headers: Mapping[str, str] | None = None, cookies: bool = True
    ) -> None:
        self.port, self.headers, self.cookie = port, dict(headers or {}), ""
        self.session = secrets.token_hex(6)
        first = self.get("/")
        if cookies:
            self.cookie = first.header("set-cookie").partition(";")[0]
        config = json.loads(self.get("/config").body)
        self.components = config["components"]
        self.events = config["dependencies"]

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Answer:
        """One request, with these headers besides its own."""
        sent = {
            **self.headers,
            **({"Cookie": self.cookie} if self.cookie else {}),
            **(headers or {}),
        }
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            content = answer.read()
            return Answer(
                answer.status, content, tuple(answer.getheaders()), ok=answer.status == 200,
                seconds=time.monotonic() - began,
            )  # fmt: skip
        except OSError as error:
            return Answer(0, repr(error).encode(), ok=False, seconds=time.monotonic() - began)
        finally:
            connection.close()

    def get(self, path: str, **more: Any) -> Answer:
        """What is there."""
        return self.request("GET", path, **more)

    def post(self, path: str, value: Any, **more: Any) -> Answer:
        """Send JSON; lone surrogates go as escapes."""
        headers = {"Content-Type": "application/json", **more.pop("headers", {})}
        return self.request("POST", path, json.dumps(value).encode(), headers, **more)

    def upload(self, files: Mapping[str, bytes], **more: Any) -> Answer:
        """Upload files; `out` are the places that the server tells."""
        mark = secrets.token_hex(16)
        body = b"".join(
            f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode()
            + content
            + b"\r\n"
            for name, content in files.items()
        )
        body += f"--{mark}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        answer = self.request("POST", "/gradio_api/upload", body, headers, timeout=120, **more)
        if answer.status != 200:
            return answer
        return Answer(200, answer.body, answer.headers, out=json.loads(answer.body))

    def named(self, name: str) -> list[dict[str, Any]]:
        """The events of a handler's name; of several alike the later ones end in _1, _2."""
        found = [e for e in self.events if str(e["api_name"]).rstrip("_0123456789") == name]
        return [e for e in found if e.get("backend_fn", True)]

    def call(
        self, event: str | dict[str, Any], data: list[Any] | None = None, *, sent: Any = None,
        timeout: float = 120, session: str = "",
    ) -> Answer:  # fmt: skip
        """Call an event, waiting for its answer. sent: event data; data: None takes None for all
        inputs.
        """
        event = self.named(event)[0] if isinstance(event, str) else event
        session = session or self.session
        body = {
            "data": [None] * len(event["inputs"]) if data is None else data, "event_data": sent,
            "fn_index": event["id"], "trigger_id": None, "session_hash": session,
        }  # fmt: skip
        began = time.monotonic()
        if not event["queue"]:
            answer = self.post("/gradio_api/run/predict", body, timeout=timeout)
            return _told(answer, began)
        answer = self.post("/gradio_api/queue/join", body, timeout=timeout)
        if answer.status != 200:
            return _told(answer, began)
        wanted = json.loads(answer.body)["event_id"]
        return self._hear(wanted, session, began, timeout)

    def _hear(self, wanted: str, session: str, began: float, timeout: float) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = {**self.headers, **({"Cookie": self.cookie} if self.cookie else {})}
        try:
            connection.request(
                "GET", f"/gradio_api/queue/data?session_hash={session}", headers=sent
            )
            answer = connection.getresponse()
            while line := answer.readline():
                if not line.startswith(b"data:"):
                    continue
                told = json.loads(line[5:])
                if told["msg"] == "process_completed" and told.get("event_id") == wanted:
                    output, took = told["output"], time.monotonic() - began
                    if told["success"]:
                        return Answer(200, line, out=output.get("data"), seconds=took)
                    line_ = str(output.get("error") or "")
                    return Answer(200, line, line=line_, ok=False, seconds=took)
            return Answer(answer.status, b"the stream ended", ok=False)
        except OSError as error:
            return Answer(0, repr(error).encode(), ok=False, seconds=time.monotonic() - began)
        finally:
            connection.close()


def _told(answer: Answer, began: float) -> Answer:
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = answer.body.decode("utf-8", "replace")
    took, ok = time.monotonic() - began, answer.status == 200
    told = value if isinstance(value, dict) else {"error": value}
    line = "" if ok else str(told.get("error") or told.get("detail") or "")
    return Answer(answer.status, answer.body, answer.headers, told.get("data"), line, ok, took)
