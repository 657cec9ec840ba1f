from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.leftovers import held, sweep

WRITES = """
import sys, time
from pathlib import Path
from studio.files import replace_file
def write(temporary):
    temporary.write_text("half")
    print(temporary, flush=True)
    time.sleep(600)
replace_file(Path(sys.argv[1]), write)
"""


def old(path: Path) -> Path:
    os.utime(path, (time.time() - 60,) * 2)
    return path


def test_what_a_killed_process_was_writing_goes_and_what_one_is_writing_stays(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(tmp_path / "a.json")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    temporary = old(Path(process.stdout.readline().strip()))
    try:
        assert sweep(tmp_path, [".*.tmp"]) == 0
        assert temporary.exists()
    finally:
        process.kill()
        process.communicate()
    assert sweep(tmp_path, [".*.tmp"]) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", [False, True])
def test_files_and_folders_go_once_nobody_holds_them(tmp_path: Path, folder: bool):
    path = tmp_path / ".new-a"
    if folder:
        path.mkdir()
        (path / "inside").write_text("x")
    else:
        path.write_text("x")
    old(path)
    with held(path):
        assert sweep(tmp_path, [".new-*"]) == 0
    assert sweep(tmp_path, [".other-*"]) == 0
    assert sweep(tmp_path, [".new-*"]) == 1
    assert not path.exists()


def test_what_was_made_this_moment_stays_and_links_do(tmp_path: Path):
    (tmp_path / "a.tmp").write_text("x")
    (tmp_path / "target").mkdir()
    (tmp_path / "b.tmp").symlink_to(tmp_path / "target")
    assert sweep(tmp_path, ["*.tmp"]) == 0
    assert sweep(tmp_path / "missing", ["*.tmp"]) == 0
