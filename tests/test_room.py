from __future__ import annotations

import errno
import re
import sqlite3
from pathlib import Path

import pytest
from safetensors import SafetensorError

from studio import room
from studio.errors import RunError, StudioError, WriteError
from studio.room import CACHE, RUNS, check_room, disk_is_full, unwritable, within, writing

FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    SafetensorError("Error while serializing: I/O error: Disk quota exceeded (os error 122)"),
    OSError("25600 requested and 4096 written"),  # numpy's, without a number
    sqlite3.OperationalError("database or disk is full"),
]


@pytest.mark.parametrize("error", FULL, ids=str)
def test_a_full_disk_is_known_by_what_each_library_says(error: Exception, tmp_path: Path):
    assert disk_is_full(error)
    with pytest.raises(WriteError) as caught, writing(tmp_path, what=RUNS):
        raise error
    assert str(caught.value).startswith(
        f"the disk is full: no room is left in the folder for runs {tmp_path}; "
    )
    assert caught.value.errno == errno.ENOSPC
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, StudioError)
    assert isinstance(caught.value, OSError), "whoever can do without the file catches it as such"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EPERM])
def test_a_folder_that_takes_nothing_is_named(number: int, tmp_path: Path):
    with pytest.raises(WriteError, match=f"cannot write to {tmp_path}: "), writing(tmp_path):
        raise OSError(number, "No")


def test_what_is_about_something_else_is_left_alone(tmp_path: Path):
    for error in (ValueError("no space"), FileNotFoundError(errno.ENOENT, "x"), KeyError("a")):
        with pytest.raises(type(error)) as caught, writing(tmp_path):
            raise error
        assert caught.value is error
    with pytest.raises(WriteError, match="no such file"), writing(tmp_path / "gone"):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")


def test_errors_are_told_by_the_folder_that_people_know(tmp_path: Path):
    runs, cache = tmp_path / "runs", tmp_path / "cache"
    with pytest.raises(WriteError) as caught, writing(runs / "a" / "arrays"):
        raise OSError(errno.EROFS, "Read-only file system")
    told = str(within(caught.value, {CACHE: cache, RUNS: runs}))
    assert told.startswith(f"cannot write to the folder for runs {runs}: read-only file system;")
    assert within(caught.value, {CACHE: cache}) is caught.value


def test_a_folder_is_tried_by_writing_into_it(tmp_path: Path):
    assert unwritable(tmp_path / "new" / "cache") == ""
    assert list((tmp_path / "new" / "cache").iterdir()) == []
    (tmp_path / "file").write_text("in the way")
    assert f"{tmp_path / 'file'} is a file" in unwritable(tmp_path / "file" / "cache")
    assert f"{tmp_path / 'file'} is a file" in unwritable(tmp_path / "file")


def test_both_sizes_are_said_where_there_is_too_little_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(room, "free_bytes", lambda _: 20_000_000)
    check_room(tmp_path, 20_000_000, what="a run")
    with pytest.raises(RunError, match=r"a run needs about 350\.0 MB in .*, and 20\.0 MB are free"):
        check_room(tmp_path, 350_000_000, what="a run")


def test_room_is_asked_of_the_disk_also_where_the_folder_is_not_there_yet(tmp_path: Path):
    assert room.free_bytes(tmp_path / "a" / "b") > 0


def test_advice_names_the_option_of_the_place_and_of_no_other(tmp_path: Path):
    for what, named in ((RUNS, ["--runs"]), (CACHE, ["--cache"]), ("", [])):
        for number in (errno.ENOSPC, errno.EROFS):
            error = room.cannot_write(OSError(number, "No"), tmp_path, what=what)
            assert re.findall(r"--\w+", str(error)) == named
    with pytest.raises(WriteError) as caught, writing(Path("runs") / "a"):
        raise OSError(errno.EROFS, "Read-only file system")
    told = str(within(caught.value, {RUNS: Path("runs")}))
    assert "--runs" in told, "a path as it was typed lies in itself"
