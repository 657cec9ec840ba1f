from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.errors import RunError
from studio.locks import FileLock, is_stopped

HOLDS = """
import sys
from pathlib import Path
from studio.locks import FileLock
assert FileLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock `tmp_path / "lock"`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path / "lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_is_had_once_and_again_after_its_release(tmp_path: Path):
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire()
    assert not first.acquire()
    assert not second.acquire()
    assert second.holder() == os.getpid()
    first.release()
    second.wait(seconds=0)
    second.release()


def test_who_holds_a_lock_is_named_and_how_to_let_it_go_on(
    tmp_path: Path, holder: subprocess.Popen[str]
):
    lock = FileLock(tmp_path / "lock")
    with pytest.raises(RunError, match=f"is held by process {holder.pid}; wait for it or end it"):
        lock.wait(seconds=0.05)
    os.kill(holder.pid, signal.SIGSTOP)
    os.waitpid(holder.pid, os.WUNTRACED)
    assert is_stopped(holder.pid)
    with pytest.raises(RunError, match=rf"which is stopped; .*kill -CONT {holder.pid}\)"):
        lock.wait(seconds=0.05)
    holder.kill()
    holder.wait()
    lock.wait(seconds=5)
    lock.release()


def test_a_lock_without_a_number_is_held_by_another_process(tmp_path: Path):
    (tmp_path / "lock").write_text("x")
    assert FileLock(tmp_path / "lock").holder() is None
    assert "another process" in FileLock(tmp_path / "lock").held_by()
    assert not is_stopped(os.getpid())
    assert not is_stopped(2**22 + 1)
