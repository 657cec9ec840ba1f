"""The thread that works on runs while pages come and go."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path

from studio.errors import INTERRUPTED
from studio.forking import Lock
from studio.runs.job import run_job
from studio.runs.request import JobRequest, create_run
from studio.runs.resume import take_up
from studio.runs.run import Run
from studio.runs.slices import Slices, ask_to_stop
from studio.runs.store import RunStore
from studio.runs.turns import Turns


class Worker:
    """Works on one run at a time, in a daemon thread; whoever looks on reads the run's folder.

    turns: of the device, where other workers share it; a run that waits for its turn is "queued".
    """

    def __init__(self, store: RunStore, *, cache_dir: Path) -> None:
        """Runs that a process left behind when it died are "interrupted" from here on."""
        self.store = store
        self.turns = Turns()
        self.slices: Slices | None = None  # where this process has no GPU of its own
        self.cache_dir = cache_dir
        self._lock = Lock()
        self._stop, self._pause = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._id: str | None = None
        store.list()

    def start(self, request: JobRequest) -> str:
        """Begin a run and return its id at once.

        Raises:
            RunError: A run is still at work, here or in another process; the message names it.
            StudioError: The request cannot work, as far as that can be told at once.
        """
        with self._lock:
            self.turns.check()
            run = create_run(request, self.store)
            return self._begin(request, run)

    def resume(self, id: str, *, check: Callable[[JobRequest], None] = lambda _: None) -> str:
        """Go on with a run that was stopped or cut off, and return its id at once.

        check: raises where what it was asked to do is not allowed.

        Raises:
            RunError: It cannot go on, or another run is at work.
            StudioError: As of `runs.resume.take_up`.
        """
        with self._lock:
            self.turns.check()
            request, run = take_up(self.store, id, check=check)
            return self._begin(request, run, resumed=True)

    def _begin(self, request: JobRequest, run: Run, *, resumed: bool = False) -> str:
        stop, pause = self._stop, self._pause = threading.Event(), threading.Event()
        self._id = run.id

        def ended() -> bool:
            return stop.is_set() or pause.is_set()

        def work() -> None:
            try:
                with self.turns.taken(ended) as stopping:
                    if self.slices is not None:
                        self.slices.work(
                            run, cache=self.cache_dir, stop=stopping, pause=pause.is_set,
                            resumed=resumed,
                        )  # fmt: skip
                        return
                    run_job(
                        request, run, cache_dir=self.cache_dir, stop=stopping,
                        pause=pause.is_set, resumed=resumed,
                    )  # fmt: skip
            except Exception:
                # The run's status.json and log.txt say what was wrong; this thread's caller has
                # long gone.
                return

        # In the context of whoever starts it: a GPU is lent to the visitor whose request this is.
        body = partial(copy_context().run, work)
        self._thread = threading.Thread(target=body, name=f"run {run.id}", daemon=True)
        self._thread.start()
        return run.id

    def stop(self) -> None:
        """Ask the run at work to end early and label all images with what it has learned; returns
        at once.
        """
        self._ask(self._stop)
        if self.slices is not None and (id := self.current()) is not None:
            ask_to_stop(self.store.get(id))

    def pause(self) -> None:
        """Ask the run at work to end at once, and to go on later; returns at once."""
        self._ask(self._pause)

    def _ask(self, what: threading.Event) -> None:
        id = self.current()
        if id is not None:
            what.set()
            self.store.get(id).ask_to_stop()

    def current(self) -> str | None:
        """Id of the run that this worker works on, or None."""
        thread = self._thread
        return self._id if thread is not None and thread.is_alive() else None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is at work, at most `timeout` seconds; True when nothing is."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return self.current() is None


_workers: dict[tuple[Path, Path], Worker] = {}
_workers_lock = Lock()
_ends: float | None = None  # when a shutdown that has begun waits no longer
STOP_S, GRACE_S = 8.0, 0.6
"""How long a run has to end in order: the process ends within 10 seconds of being asked to."""


def employ(worker: Worker) -> None:
    """Have a worker stopped in order when the process ends."""
    with _workers_lock:
        if not _workers:
            atexit.register(shutdown)
            stop_on_sigterm()
        _workers[worker.store.root, worker.cache_dir] = worker


def let_go(worker: Worker) -> None:
    """A worker that is not needed any more, at rest."""
    with _workers_lock:
        _workers.pop((worker.store.root, worker.cache_dir), None)


def get_worker(*, runs_dir: Path | str, cache_dir: Path | str) -> Worker:
    """The one worker of this process for a folder of runs; SIGTERM stops it in order."""
    store = RunStore(runs_dir)
    key = (store.root, Path(cache_dir).expanduser().absolute())
    with _workers_lock:
        known = _workers.get(key)
    if known is None:
        known = Worker(store, cache_dir=key[1])
        employ(known)
    return known


def shutdown() -> None:
    """Pause all workers' runs, which then can go on later, for at most `STOP_S` seconds.

    Runs whose method cannot go on are stopped: they label all images with what they have learned.

    Call it before the interpreter shuts down: `atexit` calls it too, but by then threads can no
    longer start threads nor import everything, so that a run may fail there instead of ending.
    Called again it does not wait any longer: a signal, the end of the page and `atexit` all do.
    """
    global _ends
    _ends = time.monotonic() + STOP_S if _ends is None else _ends
    for worker in list(_workers.values()):
        worker.pause()
    for worker in list(_workers.values()):
        worker.wait(max(0.0, _ends - time.monotonic()))


def stop_on_sigterm(*, ctrl_c: bool = False) -> None:
    """Make SIGTERM stop the workers in order and then end the process as `sys.exit` does.

    ctrl_c: Ctrl-C too, where it would raise KeyboardInterrupt; pressed again it ends it at once.
    """

    def leave(number: int, _frame: object) -> None:
        if number == signal.SIGINT:
            if _ends is not None:
                os._exit(INTERRUPTED)
            with suppress(OSError):  # not `print`: a signal may arrive in the middle of one
                os.write(2, b"\nending; Ctrl-C again ends it at once\n")
        # Whatever else does not come to its end: servers, libraries.
        last = threading.Timer(STOP_S + GRACE_S, os._exit, [128 + number])
        last.daemon = True
        last.start()
        shutdown()
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, leave)
    if ctrl_c and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)
