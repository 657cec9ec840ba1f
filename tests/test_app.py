"""The door to the page, as whoever mistypes something meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.places import check_port

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--root", "/gone/away"], "--root /gone/away: there is no such folder"),
        (["--root", __file__], "there is no such folder"),
        (["--port", "abc"], "argument --port: invalid int value: 'abc'"),
        (["--potr", "1"], "unrecognized arguments: --potr 1"),
    ],
)
def test_what_is_mistyped_is_one_line(arguments: list[str], told: str):
    ended = subprocess.run(
        [sys.executable, "app.py", *arguments], cwd=ROOT, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: ")
    assert told in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_a_number_that_is_no_port_is_told_of(port: int):
    with pytest.raises(StudioError, match=f"from 0 to 65535, not {port}"):
        check_port("127.0.0.1", port)
