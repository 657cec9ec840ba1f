"""The door itself, before an application that tells what reached it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.ui.door import door as module
from studio.ui.door.crowd import AT_ONCE, WAITING, next_event
from studio.ui.door.door import VISITOR, Door, Rules, sweep
from studio.ui.door.hosts import Hosts
from studio.ui.door.routes import is_open, served_file, within
from studio.ui.door.visitors import COOKIE, Visitors


class Server:
    """A door, and what came through it."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.came: list[dict[str, Any]] = []
        self.body = b""
        self.answer = b"[]"
        self.queued: dict[str, int] = {}
        self.folder = folder
        rules: dict[str, Any] = {
            "hosts": Hosts.of("127.0.0.1"), "files": lambda _: [folder / "thumbs"],
            "uploads": folder / "up", "most_upload": 1000, "endings": (".jpg",),
        }  # fmt: skip
        self.door = Door(
            self._app, rules=Rules(**{**rules, **changes}), queued=lambda p: self.queued.get(p, 0)
        )

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.came.append(scope)
        if scope["type"] == "http" and scope["method"] == "POST":
            self.body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self.answer})

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, kind: str = "http", **headers: str
    ) -> SimpleNamespace:
        path, _, query = path.partition("?")
        sent = {"host": "127.0.0.1:7860", "content-length": str(len(body))} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        scope = {
            "type": kind, "method": method, "path": path, "query_string": query.encode(),
            "headers": [(k.encode(), v.encode()) for k, v in sent.items()],
        }  # fmt: skip
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        await self.door(scope, receive, send)
        told = {k.decode(): v.decode() for k, v in said[0].get("headers", [])}
        text = b"".join(m.get("body", b"") for m in said[1:])
        return SimpleNamespace(status=said[0].get("status"), said=said, headers=told, body=text)

    def get(self, path: str, **headers: str) -> SimpleNamespace:
        return asyncio.run(self.ask("GET", path, **headers))

    def post(self, path: str, value: Any, **headers: str) -> SimpleNamespace:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        sent = {"content_type": "application/json", **headers}
        return asyncio.run(self.ask("POST", path, body, **sent))


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/config"), ("GET", "/gradio_api/queue/data"),
     ("POST", "/gradio_api/upload"), ("POST", "/gradio_api/run/predict"),
     ("POST", "/gradio_api/queue/join"), ("GET", "/gradio_api/file=/etc/passwd"),
     ("POST", "/gradio_api/component_server"), ("OPTIONS", "/"), ("DELETE", "/x")],
)  # fmt: skip
@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "http://evil.example"}])
def test_nothing_is_answered_to_others(
    server: Server, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = asyncio.run(server.ask(method, path, b"{}", **headers))
    assert answer.status == 403
    assert not server.came


def test_websockets_are_closed(server: Server) -> None:
    answer = asyncio.run(server.ask("GET", "/gradio_api/queue/join", kind="websocket"))
    assert answer.said == [{"type": "websocket.close", "code": 1008}]
    assert not server.came


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/monitoring"), ("GET", "/gradio_api/proxy=http://x"), ("POST", "/login"),
     ("POST", "/gradio_api/process_recording"), ("POST", "/gradio_api/vibe-edit"),
     ("GET", "/pwa_icon/99999"), ("GET", "/gradio_api/stream/a/b/c/playlist.m3u8"),
     ("GET", "/gradio_api/deep_link"), ("POST", "/gradio_api/call/use_path"),
     ("POST", "/gradio_api/api/use_path"), ("PUT", "/"), ("POST", "/")],
)  # fmt: skip
def test_addresses_that_the_page_does_not_use_are_not_there(
    server: Server, method: str, path: str
) -> None:
    assert asyncio.run(server.ask(method, path, b"{}")).status == 404
    assert not server.came
    assert not is_open(method, path)


@pytest.mark.parametrize("path", ["/", "/config", "/favicon.ico", "/manifest.json", "/pwa_icon"])
def test_addresses_that_the_page_uses_are_there(server: Server, path: str) -> None:
    """A browser with a window asks for the last two, and complains on its console without them."""
    assert server.get(path).status == 200


def test_a_file_is_served_from_its_folders_and_all_others_are_alike(
    server: Server, tmp_path: Path
) -> None:
    for name in ("thumbs/a.jpg", "secret", "thumbs-old/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert server.get(f"/gradio_api/file={tmp_path}/thumbs/a.jpg").status == 200
    refused = [
        server.get(f"/gradio_api/file={name}")
        for name in (
            f"{tmp_path}/thumbs/none.jpg",
            f"{tmp_path}/secret",
            f"{tmp_path}/none",
            f"{tmp_path}/thumbs/../secret",
            f"{tmp_path}/thumbs/%2e%2e/secret",
            "secret",
            f"{tmp_path}/thumbs-old/a.jpg",
            "/etc/passwd",
            "http://127.0.0.1/x",
            "",
            f"{tmp_path}//thumbs/a.jpg",
            f"{tmp_path}/thumbs",
            f"{tmp_path}/thumbs/a.jpg\0",
        )
    ]
    assert {(answer.status, answer.body) for answer in refused} == {(404, refused[0].body)}
    assert served_file("/gradio_api/file=a/b") is None
    assert not within(tmp_path / "x", [])


def test_an_event_that_holds_a_lone_surrogate_is_made_writable(server: Server) -> None:
    body = (
        b'{"data": ["cat\\ud800", {"\\udfff": ["\\ud83d\\ude00"]}], "session_hash": "a1", '
        b'"fn_index": 1}'
    )
    assert server.post("/gradio_api/run/predict", body).status == 200
    sent = json.loads(server.body)
    assert sent["data"] == ["cat\ufffd", {"\ufffd": ["\U0001f600"]}]
    length = next(v for k, v in server.came[0]["headers"] if k == b"content-length")
    assert int(length) == len(server.body)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"[" * 100_000, b'{"session_hash": 5}', b"\xff",
             b'{"session_hash": "\\u00e9"}', b'{"session_hash": "' + b"x" * 65 + b'"}',
             b'{"fn_index": 1e999}', b'{"fn_index": -1}', b'{"fn_index": 10000}',
             b'{"fn_index": "0"}', b'{"fn_index": true}']
)  # fmt: skip
def test_what_is_no_event_is_refused(server: Server, body: bytes) -> None:
    assert server.post("/gradio_api/queue/join", body).status == 400
    assert not server.came


TOOLS = ("labels", "fit")


def test_events_of_the_page_have_numbers_and_no_names(server: Server, tmp_path: Path) -> None:
    offering = Server(tmp_path, tools=TOOLS)
    for each in (server, offering):
        for name in ("predict", "use_path", "begin", "labels/", "labels%2f", ""):
            for body in ({}, {"data": []}, {"fn_index": None}, {"fn_index": True}):
                path = f"/gradio_api/run/{name}"
                offered = each is offering and name == "labels/"
                wanted = (400 if body.get("fn_index") else 200) if offered else 404
                assert each.post(path, body).status == wanted, (path, body)
        assert each.post("/gradio_api/run/predict", {"fn_index": 7}).status == 200


def test_tools_are_there_where_they_are_offered(server: Server, tmp_path: Path) -> None:
    offering = Server(tmp_path, tools=TOOLS)
    for method, path in (
        ("POST", "run/fit"), ("POST", "call/fit"), ("POST", "call/v2/fit"), ("POST", "mcp"),
        ("POST", "mcp/"), ("GET", "call/fit/0a1b"), ("GET", "call/v2/fit/0a1b"),
        ("GET", "openapi.json"),
    ):  # fmt: skip
        ask = {"GET": Server.get, "POST": lambda at, to: at.post(to, {})}[method]
        assert ask(server, f"/gradio_api/{path}").status == 404, path
        assert ask(offering, f"/gradio_api/{path}").status == 200, path
    assert offering.came[3]["path"] == "/gradio_api/mcp/"  # where gradio has it
    for method, path in (
        ("POST", "call/begin"), ("POST", "call/v2/begin"), ("GET", "call/begin/0a1b"),
        ("GET", "mcp/schema"), ("GET", "mcp/sse"), ("POST", "mcp/messages/"),
        ("POST", "openapi.json"), ("GET", "call/fit"), ("POST", "call/fit/0a1b"),
    ):  # fmt: skip
        ask = {"GET": Server.get, "POST": lambda at, to: at.post(to, {})}[method]
        assert ask(offering, f"/gradio_api/{path}").status == 404, path
    assert offering.get("/gradio_api/mcp/").status == 405
    assert offering.get("/gradio_api/mcp/", origin="http://evil.example").status == 403
    assert offering.post("/gradio_api/mcp/", {}, host="evil.example").status == 403
    assert offering.post("/gradio_api/mcp/", {}, content_type="text/plain").status == 415


def test_forms_of_other_sites_are_no_events(server: Server) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert server.post("/gradio_api/run/predict", {}, content_type=kind).status == 415
    assert not server.came


def test_an_event_has_a_size(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_JSON", 100)
    assert server.post("/gradio_api/run/predict", {"data": "x" * 100}).status == 413
    assert not server.came


def test_uploads_are_weighed_before_they_are_taken(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upload(**headers: str) -> int:
        return int(server.post("/gradio_api/upload", b"x", **headers).status)

    assert upload() == 200
    assert upload(content_length="1001") == 413
    assert upload(content_length="") == 411
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    assert upload() == 507
    assert len(server.came) == 1


def test_an_uploaded_file_gets_a_place_of_its_own_or_goes(server: Server, tmp_path: Path) -> None:
    def arrive(name: str) -> str:
        place = tmp_path / "up" / "hash" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x")
        return str(place)

    def upload(*paths: str) -> SimpleNamespace:
        server.answer = json.dumps(paths).encode()
        return server.post("/gradio_api/upload", b"x")

    # Two people who upload the same file get the same place from gradio, in the same moment.
    same = arrive("a.jpg")
    first, second = (json.loads(upload(same).body)[0] for _ in range(2))
    assert first != second
    assert {Path(path).read_bytes() for path in (first, second)} == {b"x"}
    assert Path(first).name == "a.jpg"
    bad = upload(arrive("c.exe"), arrive("d.sh"))
    assert bad.status == 415
    assert b"c.exe: the studio reads no such files" in bad.body
    # A folder has more in it than images; that holds none of them up.
    (third,) = json.loads(upload(arrive("Thumbs.db"), arrive("b.jpg"), arrive(".DS_Store")).body)
    assert Path(third).name == "b.jpg"
    left = [p for p in (tmp_path / "up").rglob("*") if p.is_file()]
    assert sorted(map(str, left)) == sorted([first, second, third])


def test_what_nobody_took_is_swept_away(tmp_path: Path) -> None:
    old, new = tmp_path / "a" / "old.jpg", tmp_path / "b" / "new.jpg"
    for file in (old, new):
        file.parent.mkdir()
        file.write_bytes(b"x")
    os.utime(old, (1, 1))
    sweep(tmp_path, older_than=100)
    assert not old.parent.exists()
    assert new.exists()


def test_a_visitor_has_a_cookie_and_pages_of_their_own(tmp_path: Path) -> None:
    server = Server(tmp_path, visitors=Visitors())
    cookies = [server.get("/").headers["set-cookie"] for _ in range(2)]
    assert all("HttpOnly" in c and "SameSite=Lax" in c for c in cookies)
    assert (
        "SameSite=None; Secure; Partitioned"
        in server.get("/", x_forwarded_proto="https").headers["set-cookie"]
    )
    mine, other = (c.partition(";")[0] for c in cookies)
    assert mine != other
    event: dict[str, Any] = {"session_hash": "page1", "fn_index": 1}
    assert server.post("/gradio_api/run/predict", event, cookie=mine).status == 200
    visitor = server.came[-1][VISITOR]
    assert visitor == mine.removeprefix(f"{COOKIE}=")
    for stranger in ({"cookie": other}, {}, {"cookie": f"{COOKIE}=short"}):
        assert server.post("/gradio_api/queue/join", event, **stranger).status == 403
        assert server.get("/gradio_api/queue/data?session_hash=page1", **stranger).status == 403
        assert server.get("/gradio_api/heartbeat/page1", **stranger).status == 403
    # A browser that keeps no cookies has a room for each page.
    event["session_hash"] = "page2"
    assert server.post("/gradio_api/run/predict", event).status == 200
    assert server.came[-1][VISITOR] == "page page2"
    assert "set-cookie" not in server.get("/", cookie=mine).headers


def test_where_nobody_shares_there_is_no_cookie_and_no_frame(server: Server) -> None:
    headers = server.get("/").headers
    assert "set-cookie" not in headers
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    assert headers["x-content-type-options"] == "nosniff"


def test_under_a_root_path_gradio_is_asked_as_if_there_were_none(tmp_path: Path) -> None:
    server = Server(tmp_path, root="/studio")
    assert server.get("/studio").headers["location"] == "/studio/"
    for path in ("/studio/", "/"):  # some proxies take it away, some do not
        assert server.get(path).status == 200
        assert server.came[-1]["path"] == "/"
    assert server.get("/studio/config").status == 200
    assert server.get("/studios/config").status == 404


def test_a_flood_of_one_page_waits_and_another_is_answered(server: Server) -> None:
    server.queued["flood"] = AT_ONCE  # so many of its events are in gradio's queue, and none ends

    async def join(page: str) -> int:
        body = json.dumps({"session_hash": page}).encode()
        kind = "application/json"
        answer = await server.ask("POST", "/gradio_api/queue/join", body, content_type=kind)
        return int(answer.status)

    async def go() -> None:
        flood = [asyncio.ensure_future(join("flood")) for _ in range(AT_ONCE + WAITING + 50)]
        await asyncio.sleep(0.01)
        assert await join("other") == 200
        assert len(server.came) == 1  # that one, and none of the flood
        refused = await asyncio.gather(*flood[AT_ONCE + WAITING :])
        assert set(refused) == {429}
        server.queued["flood"] = 0
        assert set(await asyncio.gather(*flood[: AT_ONCE + WAITING])) == {200}

    asyncio.run(go())


def event_of(page: str, handler: str, at: float) -> SimpleNamespace:
    """at: seconds after now, as it were; none of them is late."""
    return SimpleNamespace(
        session_hash=page, concurrency_id=handler, enqueue_time=time.monotonic() + at
    )


def test_of_one_page_one_handler_at_a_time_and_the_idle_page_first() -> None:
    first, second, other, third = (
        event_of("flood", "edit", 1), event_of("flood", "edit", 2), event_of("calm", "edit", 3),
        event_of("flood", "open", 0),
    )  # fmt: skip
    queue = SimpleNamespace(
        active_jobs=[None, [first]],
        event_queue_per_concurrency_id={
            "edit": SimpleNamespace(
                queue=[second, other], concurrency_limit=8, current_concurrency=1
            ),
            "open": SimpleNamespace(queue=[third], concurrency_limit=1, current_concurrency=0),
            "full": SimpleNamespace(
                queue=[event_of("x", "y", 0)], concurrency_limit=1, current_concurrency=1
            ),
        },
    )
    assert next_event(queue) == ([other], False, "edit")
    assert next_event(queue) == ([third], False, "open")
    assert next_event(queue) is None  # the second edit comes when the first has ended
    queue.active_jobs = [None, None]
    assert next_event(queue) == ([second], False, "edit")
    # Of those that wait, the one of a page that asked for little; but nobody waits for ever.
    many = [event_of("flood", f"f{i}", i) for i in range(5)]
    single, late = event_of("calm", "edit", 9), event_of("flood", "late", -60)
    queue.event_queue_per_concurrency_id["edit"].queue = [*many, single, late]
    assert [next_event(queue)[0][0] for _ in range(3)] == [late, single, many[0]]  # type: ignore[index]
