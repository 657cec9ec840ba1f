from __future__ import annotations

import errno
import json
import math
from pathlib import Path
from typing import Any

import pytest

from studio import files
from studio.errors import WriteError
from studio.files import (
    append_json,
    keep_spare,
    read_json,
    read_json_lines,
    replace_file,
    write_json,
)


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


def test_lines_are_added_and_read_from_where_one_left_off(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    assert read_json_lines(path) == ([], 0)
    append_json(path, {"n": 1, "x": math.inf})
    found, place = read_json_lines(path)
    assert (found, place) == ([{"n": 1, "x": None}], path.stat().st_size)
    append_json(path, {"n": 2}, keep=True)
    assert read_json_lines(path, place) == ([{"n": 2}], path.stat().st_size)
    whole = path.stat().st_size
    with path.open("a") as file:
        file.write('{"n": 3')  # still being written, or torn
    assert read_json_lines(path, place) == ([{"n": 2}], whole)
    append_json(path, {"n": 4})
    assert [record["n"] for record in read_json_lines(path)[0]] == [1, 2, 4]
    with path.open("a") as file:
        file.write("[5]\n")  # no object
    assert [record["n"] for record in read_json_lines(path)[0]] == [1, 2, 4]


def test_a_file_is_as_open_as_others_are(tmp_path: Path):
    (tmp_path / "plain").write_text("")
    replace_file(tmp_path / "made", lambda temporary: temporary.write_text("x"))
    assert (tmp_path / "made").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_line_that_the_disk_took_only_half_of_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "a.jsonl"
    append_json(path, {"n": 1})
    before = path.read_bytes()

    def full(file: Any, data: bytes) -> None:
        file.write(data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "_write_whole", full)
        with pytest.raises(WriteError, match="disk is full"):
            append_json(path, {"n": 2})
    assert path.read_bytes() == before
    append_json(path, {"n": 3})
    assert [record["n"] for record in read_json_lines(path)[0]] == [1, 3]


def test_a_spare_file_gives_the_last_word_room_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path, spare = tmp_path / "status.json", tmp_path / ".spare"
    write_json(path, {"state": "running"})
    keep_spare(spare)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "replace_file", full)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"state": "failed"})
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"state": "x" * 9000}, spare=spare)  # more than there is room for
    assert read_json(path) == {"state": "running"}
    write_json(path, {"state": "failed"}, spare=spare)
    assert read_json(path) == {"state": "failed"}
    assert not spare.exists()
