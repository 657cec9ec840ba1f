from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from studio.runs.files import FileLock, read_json, replace_file, write_json


def test_json_comes_back_with_null_for_what_json_cannot_hold(tmp_path: Path):
    write_json(tmp_path / "a.json", {"a": [1.5, math.nan], "b": {"c": math.inf}, "d": "é"})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": [1.5, None], "b": {"c": None}, "d": "é"}


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path):
    path = tmp_path / "a.txt"
    replace_file(path, lambda temporary: temporary.write_text("old"))

    def fails(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(path, fails)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", '{"state": "run', "\x00\xff"])
def test_what_is_no_json_reads_as_nothing(tmp_path: Path, text: str):
    (tmp_path / "a.json").write_text(text)
    assert read_json(tmp_path / "a.json") is None
    assert read_json(tmp_path / "missing.json") is None


def test_a_lock_is_had_once_and_again_after_its_release(tmp_path: Path):
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire()
    assert not first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()
