from __future__ import annotations

import ast
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import studio
from studio import imports
from studio.cache import Cache
from studio.forking import Lock, condition
from studio.runs.run import Run

MOST_S = 20.0

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks there")


def in_a_fork(work: Callable[[], bool]) -> bool:
    """What `work` says in a forked process; False when it never comes to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    ends = time.monotonic() + MOST_S
    while time.monotonic() < ends:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


@contextmanager
def held_by_another_thread(lock: Lock) -> Iterator[threading.Event]:
    """Until the block ends, or the event is set."""
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            over.wait(MOST_S)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(MOST_S)
    try:
        yield over
    finally:
        over.set()
        thread.join()


def test_a_lock_that_another_thread_holds_is_free_in_a_forked_process() -> None:
    lock = Lock()
    with held_by_another_thread(lock):
        assert not lock.acquire(blocking=False)
        assert in_a_fork(lambda: lock.acquire(timeout=5))
        assert not lock.acquire(blocking=False), "and nothing has changed here"
    with lock:
        pass


def test_a_lock_that_the_forking_thread_holds_stays_its_own() -> None:
    lock = Lock()

    def others_wait() -> bool:
        got: list[bool] = []
        thread = threading.Thread(target=lambda: got.append(lock.acquire(blocking=False)))
        thread.start()
        thread.join()
        lock.release()
        return got == [False]

    with lock:
        assert in_a_fork(others_wait)


def test_a_condition_works_on_in_a_forked_process() -> None:
    changed, said = condition(), []

    def wakes() -> bool:
        def tell() -> None:
            with changed:
                said.append(1)
                changed.notify_all()

        with changed:
            threading.Thread(target=tell).start()
            return changed.wait_for(lambda: bool(said), 5)

    assert wakes()
    said.clear()
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with changed:
            held.set()
            over.wait(MOST_S)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(MOST_S)
    assert in_a_fork(wakes)
    over.set()
    holder.join()


def test_a_value_that_another_thread_makes_is_made_anew_in_a_forked_process() -> None:
    cache: Cache[str, int] = Cache(most=3)
    cache.get("there", lambda: 1)
    entered, over = threading.Event(), threading.Event()

    def slow() -> int:
        entered.set()
        over.wait(MOST_S)
        return 2

    thread = threading.Thread(target=cache.get, args=("slow", slow))
    thread.start()
    assert entered.wait(MOST_S)
    assert in_a_fork(lambda: cache.get("slow", lambda: 3) == 3)
    assert in_a_fork(lambda: cache.get("there", lambda: 3) == 1)
    over.set()
    thread.join()
    assert cache.get("slow", lambda: 3) == 2


def test_a_status_is_written_in_a_forked_process_while_another_thread_writes(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path)

    def writes() -> bool:
        run.set_status(state="running", stage="x")
        return run.status()["stage"] == "x"

    with held_by_another_thread(Run._writing):
        assert in_a_fork(writes)


def test_a_fork_waits_for_imports_that_have_begun() -> None:
    with held_by_another_thread(imports._importing) as over:
        threading.Timer(0.5, over.set).start()
        began = time.monotonic()
        assert in_a_fork(lambda: imports._importing.acquire(timeout=5))
        assert time.monotonic() - began >= 0.4
    with imports._importing:  # a thread that imports may fork
        assert in_a_fork(lambda: True)


def test_all_locks_of_threads_are_made_in_one_place() -> None:
    names = {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Barrier"}
    wrong = []
    for path in Path(studio.__file__).parent.rglob("*.py"):
        if path.name == "forking.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            made = isinstance(node, ast.Attribute) and node.attr in names
            if made and ast.unparse(node).startswith(("threading.", "multiprocessing.")):
                wrong.append(f"{path}:{node.lineno}")
            if isinstance(node, ast.ImportFrom) and node.module == "threading":
                wrong.append(f"{path}:{node.lineno}")
    assert not wrong, f"these locks are not those of studio.forking: {wrong}"
