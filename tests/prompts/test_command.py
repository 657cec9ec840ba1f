"""`python -m studio prompts` in a process of its own, against the local server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.prompts.prompt_set import PromptSet
from studio.prompts.templates import TEMPLATES
from tests.prompts.chat_server import KEY, ChatServer, asked, error, well

ROOT = Path(__file__).resolve().parents[2]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as served:
        yield served


@pytest.fixture
def command(server: ChatServer, tmp_path: Path) -> Command:
    (tmp_path / "names.txt").write_text("n01\tcat\ndog\nbird\n")

    def run(*more: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
        known = {k: v for k, v in os.environ.items() if not k.startswith("OPENAI_")}
        environ = {**known, "OPENAI_BASE_URL": server.url, "OPENAI_MODEL": "local"}
        environ.update({"OPENAI_API_KEY": key} if key else {})
        done = subprocess.run(
            [sys.executable, "-m", "studio", "prompts", "--names", str(tmp_path / "names.txt"),
             "--out", str(tmp_path / "prompts.json"), "--cache", str(tmp_path / "cache"), *more],
            cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert KEY not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def test_names_become_a_prompts_file(server: ChatServer, command: Command, tmp_path: Path):
    done = command("--description", "pets at home", "--sentences", "2", "--templates", "1")
    assert done.returncode == 0, done.stderr
    made = PromptSet.load(tmp_path / "prompts.json")
    assert set(made.sentences) == {"cat", "dog", "bird"}
    assert made.templates == ("picture 0 of a {}.",)
    lines = done.stderr.splitlines()
    assert "2 requests (at most " in lines[0]
    assert f"to 127.0.0.1:{server.url.split(':')[2][:-3]}, model local" in lines[0]
    assert lines[1] == (
        "that server is on this machine, and nothing leaves it; it gets 3 class names and the "
        "description, nothing else"
    )
    assert asked(server.requests[0])["description_of_the_set"] == "pets at home"
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert KEY.encode() not in path.read_bytes()


def test_a_dry_run_and_hand_written_templates_send_nothing(
    server: ChatServer, command: Command, tmp_path: Path
):
    done = command("--dry-run", key="")
    assert done.returncode == 0
    assert "1 request (at most" in done.stderr
    assert not (tmp_path / "prompts.json").exists()
    assert command("--hand-written", "ensemble", key="").returncode == 0
    made = json.loads((tmp_path / "prompts.json").read_text())
    assert tuple(made["templates"]) == TEMPLATES["ensemble"]
    assert server.requests == []


def test_without_a_key_nothing_is_sent(server: ChatServer, command: Command):
    done = command(key="")
    assert done.returncode == 2
    assert "nothing was sent" in done.stderr
    assert server.requests == []


def test_what_fails_is_one_line_and_code_2(server: ChatServer, command: Command, tmp_path: Path):
    server.key = "another"
    done = command()
    assert done.returncode == 2
    assert "does not accept the key" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "prompts.json").exists()


@pytest.mark.slow
def test_a_file_with_gaps_is_written_and_code_1(
    server: ChatServer, command: Command, tmp_path: Path
):
    (tmp_path / "names.txt").write_text("\n".join(f"class {i}" for i in range(30)))
    server.then = lambda request: (
        error(400, "no") if "class 25" in asked(request)["classes"] else well(request)
    )
    done = command()
    assert done.returncode == 1, done.stderr
    assert len(PromptSet.load(tmp_path / "prompts.json").sentences) == 20
    assert "without sentences: class 20" in done.stderr
