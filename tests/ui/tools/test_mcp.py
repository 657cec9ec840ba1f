"""A real MCP client, over HTTP, and the addresses for programs without one."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from studio import demo
from studio.ui.tools.offered import NAMES

mcp = pytest.importorskip("mcp")
from mcp.client.streamable_http import streamable_http_client  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[3]
PER_CLASS = 3
QUICK: dict[str, Any] = {
    "seed_selection": "leaderboard", "filter": "none", "k": 2, "n_ctx": 4, "phase1_epochs": 1,
    "phase1_min_steps": 0, "phase1_batch": 16, "phase2_epochs": 1, "first_label_weight": 0,
    "train_near_chance": True,
}  # fmt: skip
"""With a model of random weights: seconds on one core."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo set with fewer pictures: 33 in 11 sub-folders."""
    folder = tmp_path_factory.mktemp("small") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "PER_CLASS", PER_CLASS)
        demo.draw(folder)
    return folder


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a studio with tools, in a process of its own."""
    folder = tmp_path_factory.mktemp("mcp")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "app.py", "--mcp", "--no-browser", "--port", str(port)]
    command += ["--runs", str(folder / "runs"), "--cache", str(folder / "cache")]
    environment = {k: v for k, v in os.environ.items() if k != "SPACE_ID"}
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    address, ends = f"http://127.0.0.1:{port}", time.monotonic() + 120
    try:
        while True:
            with suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    break
            assert process.poll() is None, (folder / "log.txt").read_text()
            assert time.monotonic() < ends, (folder / "log.txt").read_text()
            time.sleep(0.2)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def post(url: str, path: str, body: Any) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{url}/gradio_api/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=100) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return bytes(answer.read())


class Agent:
    """What an agent does with its tools."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def content(self, tool: str, **arguments: Any) -> list[Any]:
        answer = await self._session.call_tool(tool, arguments)
        assert not answer.isError, answer.content[0].text
        return list(answer.content)

    async def ask(self, tool: str, **arguments: Any) -> Any:
        return json.loads((await self.content(tool, **arguments))[0].text)

    async def refused(self, tool: str, **arguments: Any) -> str:
        answer = await self._session.call_tool(tool, arguments)
        assert answer.isError
        return str(answer.content[0].text)

    async def end_of(self, run: str) -> dict[str, Any]:
        said: dict[str, Any] = {"state": "queued"}
        while said["state"] in ("queued", "running", "stopping"):
            said = await self.ask("status", run=run, wait_seconds=100)
        return said


async def label_correct_and_export(agent: Agent, images: Path, url: str, model: str) -> None:
    """From a folder to labels that take two corrections into account."""
    said = await agent.ask("open_folder", folder=str(images), model=model)
    while said["busy"]:
        said = await agent.ask("status", wait_seconds=100)
    assert (said["images"], len(said["class_names"])) == (11 * PER_CLASS, 11)
    first = (await agent.ask("fit", settings=QUICK, name="first"))["run"]
    assert "still at work" in await agent.refused("fit")
    ended = await agent.end_of(first)
    assert ended["state"] == "finished", ended
    listed, picture = (await agent.content("noisy", run=first, number=6))[:2]
    worst = json.loads(listed.text)
    assert [row["number"] for row in worst] == [1, 2, 3, 4, 5, 6]
    assert (picture.type, picture.mimeType) == ("image", "image/jpeg")
    Image.open(io.BytesIO(base64.b64decode(picture.data))).verify()
    # The sub-folder is what the picture shows; an agent that sees would read it off the picture.
    right = {row["path"]: row["path"].partition("/")[0].replace("_", " ") for row in worst[:2]}
    said = await agent.ask("correct", run=first, corrections=right, said_by="person")
    assert said["said_by_person"] == 2
    again = (await agent.ask("fit", like=first))["run"]
    ended = await agent.end_of(again)
    assert (ended["state"], ended["given_labels"]) == ("finished", 2)
    assert ended["warnings"] is not None
    made = await agent.ask("export", run=again, format="csv")
    rows = list(csv.DictReader(io.StringIO(get(url + made["address"]).decode())))
    assert len(rows) == 11 * PER_CLASS
    assert {row["path"]: row["label"] for row in rows if row["path"] in right} == right
    assert {row["path"] for row in rows if row["correction"]} == set(right)
    assert [run["run"] for run in await agent.ask("list_runs")] == [again, first]
    assert "no image" in (await agent.refused("picture", run=first, path="/etc/passwd")).lower()
    assert "Unknown tool" in await agent.refused("use_path", text="/etc")


def test_an_agent_labels_corrects_two_images_trains_again_and_exports(
    url: str, images: Path, tiny_model: Path
) -> None:
    async def work() -> None:
        async with (
            streamable_http_client(f"{url}/gradio_api/mcp") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            assert set(tools) == set(NAMES)
            assert all(tool.description for tool in tools.values())
            assert tools["noisy"].inputSchema["required"] == ["run"]
            await label_correct_and_export(Agent(session), images, url, str(tiny_model))

    asyncio.run(work())


def test_programs_without_mcp_use_addresses(url: str) -> None:
    status, answer = post(url, "run/list_models", {"data": []})
    assert status == 200
    assert answer["data"][0][0]["name"] == "embedded"
    status, answer = post(url, "call/v2/status", {"run": "gone"})
    assert status == 200
    text = get(f"{url}/gradio_api/call/v2/status/{answer['event_id']}").decode()
    assert "event: error" in text
    assert "no run 'gone'" in text
    described = json.loads(get(f"{url}/gradio_api/openapi.json"))["paths"]
    assert {path for path in described if path.count("{") == 0} == {
        "/gradio_api/upload", *(f"/gradio_api/call/v2/{name}" for name in NAMES),
    }  # fmt: skip


def test_no_event_of_the_page_answers_to_its_name(url: str) -> None:
    events = json.loads(get(f"{url}/config"))["dependencies"]
    names = {event["api_name"] for event in events} - set(NAMES)
    assert {"use_path", "begin_with", "predict_1", "search_1"} <= names
    for name in map(str, names):
        for path in (f"run/{name}", f"call/{name}", f"call/v2/{name}"):
            assert post(url, path, {"data": []})[0] == 404, path
