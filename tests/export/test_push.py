"""An export sent to a hub on this machine, as the hub's own client sends it."""

from __future__ import annotations

import base64
import csv
import io
import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from studio.errors import StudioError
from studio.export.push import push_run
from studio.export.subject import Subject
from studio.runs.run import Run
from tests.clip.hub_server import use


class Hub:
    """Takes repositories. visible: by name, whether everybody sees them; refuses: a status."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.visible: dict[str, bool] = {}
        self.tokens: set[str] = set()
        self.refuses = 0
        self.endpoint = ""

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        parts = path.partition("?")[0].strip("/").split("/")
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            kind = asked.get("type", "model")
            url = f"{self.endpoint}/{'datasets/' if kind == 'dataset' else ''}{name}"
            if name in self.visible:
                return 409, {"url": url, "error": "you already created this repo"}
            private = asked.get("private", asked.get("visibility") == "private")
            self.visible[name] = not private
            self.files[name] = {}
            return 200, {"url": url}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        name = "/".join(parts[2:4])
        if parts[4:5] == ["preupload"]:
            asked = json.loads(body)["files"]
            modes = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in asked
            ]
            return 200, {"files": modes}
        if parts[4:5] == ["commit"]:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.files[name][line["value"]["path"]] = content
            commit = f"{self.endpoint}/{parts[1]}/{name}/commit/{'0' * 40}"
            return 200, {"commitUrl": commit, "commitOid": "0" * 40, "success": True}
        if len(parts) in (4, 6):
            return 200, {"id": name, "private": not self.visible[name], "siblings": []}
        return 404, {}


@pytest.fixture
def hub(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Generator[Hub, None, None]:
    made = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.tokens.add(self.headers.get("Authorization") or "")
            status, value = made.answer(self.path, body)
            if made.refuses:
                status, value = made.refuses, {"error": "no"}
            sent = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    made.endpoint = f"http://127.0.0.1:{server.server_port}"
    use(monkeypatch, made.endpoint, str(tmp_path / "hub-cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_anna")
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def test_images_and_labels_go_to_a_private_data_set(run: Run, hub: Hub) -> None:
    assert push_run(run, "huggingface", "anna/pets") == f"{hub.endpoint}/datasets/anna/pets"
    assert hub.visible == {"anna/pets": False}
    assert hub.tokens - {""} == {"Bearer hf_of_anna"}
    files = hub.files["anna/pets"]
    rows = list(csv.DictReader(io.StringIO(files["train/metadata.csv"].decode())))
    subject = Subject.of(run)
    assert len(rows) == len(subject.indices) == 35
    for row in rows:
        original = subject.root / row["original_path"]
        assert files[f"train/{row['file_name']}"] == original.read_bytes()
    assert b"task_categories" in files["README.md"]


def test_a_model_is_a_model_and_can_be_public(run: Run, hub: Hub) -> None:
    address = push_run(run, "timm", "anna/pets-model", public=True)
    assert address == f"{hub.endpoint}/anna/pets-model"
    assert hub.visible == {"anna/pets-model": True}
    names = {"README.md", "config.json", "model.safetensors"}
    assert names <= set(hub.files["anna/pets-model"])


def test_nothing_is_sent_to_a_public_repository_unless_told(run: Run, hub: Hub) -> None:
    hub.visible["anna/open"], hub.files["anna/open"] = True, {}
    with pytest.raises(StudioError, match=r"anna/open is public .* say --public"):
        push_run(run, "huggingface", "anna/open")
    assert hub.files["anna/open"] == {}
    push_run(run, "huggingface", "anna/open", only="clean", public=True)
    assert hub.files["anna/open"]


@pytest.mark.parametrize(
    ("status", "line"),
    [(401, "hf auth login"), (403, "does not let you write"), (500, "answers 500")],
)
def test_what_the_hub_says_is_one_line(run: Run, hub: Hub, status: int, line: str) -> None:
    hub.refuses = status
    with pytest.raises(StudioError, match=line) as caught:
        push_run(run, "huggingface", "anna/pets")
    assert "\n" not in str(caught.value)
    assert hub.files.get("anna/pets", {}) == {}


def test_a_hub_that_is_not_there_is_said(
    run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StudioError, match=r"anna/pets could not be sent to 127\.0\.0\.1:9"):
        push_run(run, "huggingface", "anna/pets")


def test_only_what_the_hub_knows_is_sent_and_only_under_a_name(
    run: Run, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    from studio.cli import main

    with pytest.raises(StudioError, match="push huggingface or timm"):
        push_run(run, "cvat", "anna/pets")
    for name in ("pets", "anna/pets/x", "../pets", "anna/", "https://hf.co/anna/pets"):
        with pytest.raises(StudioError, match="OWNER/NAME"):
            push_run(run, "huggingface", name)
    runs = ["--runs", str(run.path.parent)]
    both = ["export", run.id, "--to", "huggingface", "--push", "a/b", "--out", "x", *runs]
    assert main(both) == 2
    assert main([*both[:6], *runs]) == 0
    assert f"{hub.endpoint}/datasets/a/b" in capsys.readouterr().out
    assert set(hub.visible) == {"a/b"}
