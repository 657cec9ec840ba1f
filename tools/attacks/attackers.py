"""Pages of other sites, strangers who share the page, uploads, texts that cannot be written."""

from __future__ import annotations

import io
import json
import os
import random
import re
import secrets
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attacks.client import Answer, Page, serving
from attacks.kind import Kind, Outcome

EVIL = "evil.example"
SURROGATES = ("cat\ud800", "\udfff", "a\udce9b", "\ud83d x \ude00")


def foreign(folder: Path) -> Iterator[Outcome]:
    """Hosts and origins, on every kind of address."""
    with serving(folder / "studio") as server:
        page, port = Page(server.port), server.port
        own = [{}, {"Host": f"localhost:{port}"}, {"Host": "[::1]:1"},
               {"Origin": f"http://127.0.0.1:{port}"}]  # fmt: skip
        bad = [
            {"Host": f"{EVIL}:{port}"}, {"Host": ""}, {"Host": f"127.0.0.1.{EVIL}"},
            {"Host": f"a@{EVIL}"}, {"X-Forwarded-Host": EVIL}, {"Origin": f"http://{EVIL}"},
            {"Origin": "null"}, {"Origin": f"http://127.0.0.1:{port + 1}"},
            {"Origin": f"http://localhost:{port}"}, {"Sec-Fetch-Site": "cross-site"},
            {"Host": f"{EVIL}:{port}", "Origin": f"http://{EVIL}:{port}",
             "Sec-Fetch-Site": "same-origin"},
        ]  # fmt: skip
        tries: list[tuple[str, str, Callable[[dict[str, str]], Answer]]] = [
            ("GET", path, lambda h, p=path: page.get(p, headers=h))  # type: ignore[misc]
            for path in ("/", "/config", "/theme.css", "/gradio_api/info", "/static/x",
                         "/gradio_api/queue/data?session_hash=x", "/gradio_api/heartbeat/x",
                         "/gradio_api/file=/etc/passwd", "/gradio_api/startup-events")
        ]  # fmt: skip
        tries += [
            ("POST", path, lambda h, p=path: page.post(p, {}, headers=h))  # type: ignore[misc]
            for path in ("/gradio_api/run/predict", "/gradio_api/queue/join",
                         "/gradio_api/component_server", "/gradio_api/cancel",
                         "/gradio_api/reset", "/login")
        ]  # fmt: skip
        for method, path, ask in [*tries, ("POST", "upload", None)]:
            if ask is None:
                codes = {str(h): _upload_as(page, h) for h in bad}
            else:
                codes = {str(h): ask(h).status for h in bad}
            let_in = [h for h, code in codes.items() if code not in (400, 403)]
            yield Outcome(
                f"{method} {path}, {len(bad)} kinds", not let_in, str(let_in or "refused")
            )
        for headers in own:
            code = page.get("/config", headers=headers).status
            yield Outcome(f"its own page, {headers}", code == 200, str(code))
        for headers in ({}, {"Origin": f"http://{EVIL}"}):
            answer = _websocket(port, headers)
            yield Outcome(f"websocket {headers}", " 101 " not in answer, answer.strip())
        left = [p for p in (server.cache / "gradio").rglob("*") if p.is_file()]
        yield Outcome("nothing was kept of it", not left, f"{len(left)} files")


def _upload_as(page: Page, headers: dict[str, str]) -> int:
    kept, page.headers = page.headers, headers
    try:
        return page.upload({"a.jpg": b"x"}).status
    finally:
        page.headers = kept


def _websocket(port: int, headers: dict[str, str]) -> str:
    lines = [
        "GET /gradio_api/queue/join HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket",
        "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13", *(f"{k}: {v}" for k, v in headers.items()), "", "",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", port), 10) as link:
        link.sendall("\r\n".join(lines).encode())
        return link.recv(200).decode("latin-1").splitlines()[0]


def rooms(folder: Path) -> Iterator[Outcome]:
    """What one visitor of a shared page sees of another, and of the machine."""
    with serving(folder / "studio", "--public") as server:
        mine, other, bare = Page(server.port), Page(server.port), Page(server.port, cookies=False)
        secret = "zebra-secret"
        took = mine.call("use_upload", [_given(mine.upload({"set.zip": pictures(8)}).out)])
        yield Outcome("a visitor uploads", took.ok, took.line or "taken")
        mine.call("remember_names", [f"{secret}\ndog"])
        wait(lambda: b"gradio_api/file=" in _all_of(mine))
        seen = _all_of(mine)
        urls = re.findall(r'gradio_api/file=([^"\\ ]+)', seen.decode())
        yield Outcome(
            "sees their own", secret.encode() in seen and bool(urls), f"{len(urls)} pictures"
        )
        run = _run(mine)
        yield Outcome("and trains", run.ok, run.line or str(run.out))
        made = list((server.runs / "rooms").glob("*/2*/run.json"))
        run_id = made[0].parent.name if made else ""
        wait(lambda: _state(made[0]) in ("finished", "failed"))
        for name, page in (("another visitor", other), ("one without cookies", bare)):
            told = _all_of(page)
            hidden = secret.encode() not in told and run_id.encode() not in told
            yield Outcome(f"{name} sees nothing of it", hidden and b"<img" not in told)
            got = [page.get(f"/gradio_api/file={url}").status for url in urls[:3]]
            yield Outcome(f"{name} fetches its pictures", set(got) == {404}, str(got))
            stolen = page.call("poll", session=mine.session)
            yield Outcome(f"{name} uses its page's mark", stolen.status == 403, stolen.line)
            yield from _every_event(name, page, run_id, secret)
        own = [mine.get(f"/gradio_api/file={url}").status for url in urls[:3]]
        yield Outcome("the visitor still fetches them", set(own) == {200}, str(own))
        there = list((server.runs / "rooms").glob(f"*/{run_id}/run.json"))
        yield Outcome("and the run is still there", bool(run_id) and len(there) == 1)
        yield from _paths(mine, other)


def _every_event(name: str, page: Page, run_id: str, secret: str) -> Iterator[Outcome]:
    """Each event by its name, with another's run in every field and in the event data."""
    told, files = [], 0
    for event in page.events:
        if not event.get("backend_fn", True):
            continue
        data = [run_id] * len(event["inputs"])
        sent = {"pick": run_id, "checks": [run_id], "name": secret, "text": "x", "images": [0],
                "image": 0, "verdict": "rejected"}  # fmt: skip
        answer = page.call(event, data, sent=sent, timeout=60)
        plain = answer.body.replace(b"\\u201c", b"")
        if secret.encode() in plain or b"thumbs/" in plain:
            told.append(event["api_name"])
        files += 1
    yield Outcome(
        f"{name} calls all {files} events with its run", not told, str(told or "nothing told")
    )


def _paths(mine: Page, other: Page) -> Iterator[Outcome]:
    """No answer tells whether a path exists."""
    there, gone = "/etc/passwd", "/etc/no-such-file"
    for what, ask in (
        ("a file's address", lambda p: other.get(f"/gradio_api/file={p}")),
        ("a folder", lambda p: other.call("use_path", [p])),
        ("a model for labels", lambda p: mine.call("label_now", ["cat\ndog", p])),
        ("a model in a file", lambda p: mine.call("label_now", ["cat\ndog", f"ViT-B-32={p}"])),
        ("a model of a run", lambda p: _run(mine, model=p)),
        ("a second model", lambda p: _run(mine, others=f"phase2_model={p}")),
        ("an upload", lambda p: other.call("use_upload", [_given([p])])),
        ("names", lambda p: other.call("names_from_file", [_given([p])[0]])),
        ("prompts", lambda p: other.call("take_file", [_given([p])[0]])),
    ):
        first, second = ask(there), ask(gone)
        same = (first.status, first.line.replace(there, "")) == (
            second.status, second.line.replace(gone, ""),
        )  # fmt: skip
        refused = not first.ok and not second.ok
        yield Outcome(
            f"{what}: there or not", same and refused, f"{first.status} {first.line[:80]}"
        )


def limits(folder: Path) -> Iterator[Outcome]:
    """What a visitor may not ask for."""
    with serving(folder / "studio", "--public") as server:
        page = Page(server.port)
        page.call("use_upload", [_given(page.upload({"set.zip": pictures(6)}).out)])
        wait(lambda: b"<img" in _all_of(page))
        for setting in (
            "phase1_epochs=1000000", "phase2_epochs=31", "micro_batch=999999999", "k=1000000000",
            "phase1_batch=1000000000", "contrast_queue=99999999999999", "phase2_model=/etc",
            "rounds=100", "phase1_lr=nan", "zzz=1", "=", "phase1_epochs=" + "9" * 5000,
        ):  # fmt: skip
            answer = _run(page, others=setting)
            yield Outcome(
                f"a run with {setting[:40]}", not answer.ok and bool(answer.line), answer.line[:90]
            )
        names = page.call("label_now", ["\n".join(f"n{i}" for i in range(300)), "embedded"])
        yield Outcome("300 classes", not names.ok, names.line)
        many = page.call("use_upload", [_given(page.upload({"set.zip": stones(2100)}).out)])
        yield Outcome("2,100 images", not many.ok, many.line)
        huge = page.upload({"a.jpg": bytes(310 << 20)})
        yield Outcome("310 MB", huge.status == 413, f"{huge.status} {huge.body[:60]!r}")
        wide = io.BytesIO()
        from PIL import Image

        Image.new("1", (9000, 9000)).save(wide, "PNG")
        pixels = page.call("use_upload", [_given(page.upload({"a.png": wide.getvalue()}).out)])
        yield Outcome("81 megapixels", not pixels.ok, pixels.line)
        shown = page.get("/").body.decode() + page.get("/config").body.decode()
        words = ("2,000 images", "300 MB", "50 megapixels", "30 epochs", "20 minutes", "6 runs")
        yield Outcome("all said on the page", all(word in shown for word in words))


def uploads(folder: Path) -> Iterator[Outcome]:
    """Files that nobody reads, names, archives; what is left behind."""
    with serving(folder / "studio") as server:
        page, kept = Page(server.port), server.cache / "gradio"
        for name in ("a.bin", "a.svg", "a.html", "a.py", "a", "a.jpg.exe", ".jpg\u0000.sh"):
            answer = page.upload({name: b"<script>"})
            yield Outcome(f"upload of {name!r}", answer.status in (400, 415), f"{answer.status}")
        for name in ("../../evil.jpg", "/etc/cron.d/x.jpg", "a\\..\\b.jpg", "x" * 4000 + ".jpg"):
            answer = page.upload({name: b"x"})
            inside = all(Path(p).is_relative_to(kept) for p in answer.out or ())
            yield Outcome(f"upload as {name[:20]!r}", inside, f"{answer.status}")
            for path in answer.out or ():
                served = page.get(f"/gradio_api/file={path}").status
                yield Outcome("  is not served", served == 404, str(served))
        noise, whole = random.Random(0), pictures(5)
        lines = set()
        for _ in range(60):
            data = bytearray(whole)
            for _ in range(noise.randint(1, 40)):
                data[noise.randrange(len(data))] = noise.randrange(256)
            answer = page.call("use_upload", [_given(page.upload({"s.zip": bytes(data)}).out)])
            lines.add("" if answer.ok else answer.line or "NO LINE")
            page.call("stop_work")
        yield Outcome("60 damaged zips", "NO LINE" not in lines, f"{len(lines)} different lines")
        for event, name, content in (
            ("names_from_file", "n.txt", b"\xff\xfe\x00"), ("take_file", "p.json", b"[" * 100_000),
            ("take_file", "p.json", b'{"templates": 7}'), ("names_from_file", "n.txt", b""),
            ("take_file", "p.json", b'{"sentences": {"\\ud800": ["\\udfff"]}}'),
        ):  # fmt: skip
            answer = page.call(event, [_given(page.upload({name: content}).out)[0]])
            yield Outcome(
                f"{event} {content[:20]!r}", answer.ok or bool(answer.line), answer.line[:80]
            )
        page.call("use_upload", [_given([])])
        for path in kept.rglob("*.jpg"):
            path.unlink()  # those that were sent above and never used: deleted after a day
        left = [p.name for p in kept.rglob("*") if p.is_file()]
        yield Outcome("nothing is left behind", not left, str(left[:3]))


def texts(folder: Path) -> Iterator[Outcome]:
    """A lone surrogate in every field of every event, then every tab."""
    with serving(folder / "studio") as server:
        page = Page(server.port)
        page.call("use_upload", [_given(page.upload({"set.zip": pictures(6)}).out)])
        wait(lambda: b"<img" in _all_of(page))
        told = []
        for event in page.events:
            if not event.get("backend_fn", True) or event["api_name"] in ("begin_with", "use_demo"):
                continue
            for text in SURROGATES:
                sent = {"pick": text, "name": text, "text": text, "checks": [text]}
                answer = page.call(event, [text] * len(event["inputs"]), sent=sent, timeout=60)
                if answer.status not in (200, 400, 422, 500) or answer.status == 0:
                    told.append((event["api_name"], answer.status))
        yield Outcome(f"{len(SURROGATES)} texts in all events", not told, str(told or "answered"))
        fresh = Page(server.port)
        few = [e for e in fresh.named("poll") + fresh.named("ask") if e.get("backend_fn", True)]
        answers = {e["api_name"]: fresh.call(e) for e in few if not e["queue"]}
        broken = [name for name, answer in answers.items() if not answer.ok]
        yield Outcome("every tab is drawn for a page that is opened then", not broken, str(broken))
        state = json.loads((server.cache / "workspace.json").read_text(encoding="utf-8"))
        yield Outcome("and the next start finds it", isinstance(state, dict))


# What the attacks are made of -----------------------------------------------------------------


def pictures(number: int) -> bytes:
    """A zip of small pictures in two sub-folders."""
    from PIL import Image

    out, noise = io.BytesIO(), random.Random(number)
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(number):
            picture = io.BytesIO()
            Image.frombytes("RGB", (24, 24), noise.randbytes(24 * 24 * 3)).save(picture, "PNG")
            archive.writestr(f"{'dog' if i % 2 else 'cat'}/{i}.png", picture.getvalue())
    return out.getvalue()


def stones(number: int) -> bytes:
    """A zip of so many files that are called like images."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(number):
            archive.writestr(f"{i}.jpg", b"x")
    return out.getvalue()


def wait(condition: Callable[[], bool], seconds: float = 120, *, every: float = 0.5) -> bool:
    """Whether it came true."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if condition():
            return True
        time.sleep(every)
    return False


def _state(run: Path) -> str:
    return str(json.loads(run.with_name("status.json").read_text(encoding="utf-8"))["state"])


def _given(paths: list[str] | None) -> list[dict[str, Any]]:
    """Files as a page sends them with an event."""
    return [
        {"path": path, "orig_name": os.path.basename(path), "meta": {"_type": "gradio.FileData"}}
        for path in paths or ()
    ]


def _all_of(page: Page) -> bytes:
    """What all tabs show a page that knows nothing yet."""
    # A page that was opened just now, by the same visitor: what it was told is kept for each page.
    mark = secrets.token_hex(6) if page.cookie else page.session
    polls = page.named("poll")
    return b"".join(page.call(e, [None] * len(e["inputs"]), session=mark).body for e in polls)


def _run(
    page: Page, *, model: str = "embedded", others: str = "", names: str = "cat\ndog"
) -> Answer:
    """Press Start."""
    values = {
        "class-names": names, "train-model": model, "method": "coft", "run-name": "x",
        "seed": 0, "use-given": True, "setting-phase1_epochs": 1, "setting-phase2_epochs": 1,
        "setting-k": 2, "setting-inference": "ensemble",
        "overrides": f"train_near_chance=true\n{others}",  # the pictures are noise
    }  # fmt: skip
    ids = {c["id"]: c["props"].get("elem_id", "") for c in page.components}
    event = page.named("begin_with")[-1]
    for event in page.named("begin_with"):
        if all(ids.get(i) in values for i in event["inputs"]):
            break
    return page.call(event, [values.get(ids.get(i, "")) for i in event["inputs"]])


KINDS = [
    Kind("foreign", "pages of other sites: Host, Origin, websockets, on every address", foreign),
    Kind("rooms", "one visitor of a shared page against another", rooms),
    Kind("limits", "what a visitor of a shared page may not ask for", limits),
    Kind("uploads", "files that nobody reads, damaged archives, what is left behind", uploads),
    Kind("texts", "lone surrogates in every field", texts),
]
