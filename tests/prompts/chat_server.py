"""A small server that speaks the chat-completions protocol, and fails in all the usual ways.

It serves the tests, and as a process of its own whoever wants to try the page without a key:
`python tests/prompts/chat_server.py 8081`, then http://127.0.0.1:8081/v1 with any word as the key.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-test-4f9a1c77d2e84b6bb0a3c5d9"


@dataclass
class Reply:
    """What the server answers. text: the message's content; body: the whole body instead."""

    text: str = ""
    status: int = 200
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    refusal: str | None = None
    finish: str = "stop"
    wait: float = 0.0


def error(status: int, message: str, *, code: str = "", **headers: str) -> Reply:
    """An error in OpenAI's form."""
    body = json.dumps({"error": {"message": message, "type": code or "error", "code": code}})
    return Reply(
        status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def asked(request: dict[str, Any]) -> dict[str, Any]:
    """The data in the user's message of a request."""
    return dict(json.loads(request["messages"][-1]["content"]))


def well(request: dict[str, Any]) -> Reply:
    """A good answer to whatever is asked."""
    data = asked(request)
    number = data["number"]
    if "classes" not in data:
        return Reply(json.dumps({"templates": [f"picture {i} of a {{}}." for i in range(number)]}))
    classes = [
        {"name": name, "sentences": [f"a {name}, kind {i}" for i in range(number)]}
        for name in data["classes"]
    ]
    return Reply(json.dumps({"classes": classes}))


Script = Callable[[dict[str, Any]], Reply]


class ChatServer:
    """Answers each request with the next of `replies`, and with `then` when they are used up."""

    def __init__(self, port: int = 0, *, key: str | None = KEY) -> None:
        self.replies: list[Reply | Script] = []
        self.then: Reply | Script = well
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.key = key
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> ChatServer:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def serve(self) -> None:
        """Serve until the process ends."""
        self._http.serve_forever()

    def answer(self, path: str, headers: dict[str, str], request: dict[str, Any]) -> Reply:
        with self._lock:
            self.requests.append(request)
            self.headers.append(headers)
            script = self.replies.pop(0) if self.replies else self.then
        if path != "/v1/chat/completions":
            return error(404, f"no such path {path}")
        given = headers.get("authorization", "")
        if self.key is not None and given != f"Bearer {self.key}":
            return error(401, f"Incorrect API key provided: {given[7:]}.", code="invalid_api_key")
        return script if isinstance(script, Reply) else script(request)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = server.answer(self.path, headers, json.loads(data))
                time.sleep(reply.wait)
                body = (reply.body if reply.body is not None else _body(reply)).encode()
                try:
                    self.send_response(reply.status)
                    self.send_header("content-type", "application/json")
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the client hung up

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _body(reply: Reply) -> str:
    message = {"role": "assistant", "content": reply.text or None, "refusal": reply.refusal}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "test",
            "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }
    )


if __name__ == "__main__":
    made = ChatServer(int(sys.argv[1]) if len(sys.argv) > 1 else 8081, key=None)
    print(made.url, flush=True)
    made.serve()
