"""How a job looks in a terminal: bars where there is one, a few plain lines where there is none."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from studio.errors import INTERRUPTED

if TYPE_CHECKING:
    from studio.coft.events import Event

STOP_S, GRACE_S = 8.0, 0.6  # after SIGTERM, as of `runs.worker`
_QUIET_EVERY_S = 30.0  # between two plain lines of one stage


class Terminal:
    """Shows events on stderr. Use it in a `with`."""

    def __init__(
        self, stream: TextIO | None = None, *, models: int = 2, quiet: bool = False
    ) -> None:
        """stream: None is stderr; models: how many are trained, one perhaps after the other; quiet:
        show nothing at all.
        """
        if quiet:
            stream = io.StringIO()
        self._models = models
        # There is no stderr at all when whoever started this closed it.
        self._stream: TextIO = stream or sys.stderr or io.StringIO()
        self._live = self._stream.isatty()
        self._bar: Any = None
        self._stage: str | None = None
        self._told = 0.0
        self._steps: dict[int, tuple[int, int]] = {}
        self._step_text = self._left = self._last = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def watch(self, status: Mapping[str, Any]) -> None:
        """Take notice of how far the run is, see `studio.runs.pace`."""
        from studio.numbers import duration
        from studio.runs.pace import step_text

        eta = status.get("eta_seconds")
        self._step_text = step_text(status)
        self._left = "" if eta is None else f"about {duration(eta)} left in all"

    def show(self, event: Event) -> None:
        """Take notice of an event of the fit."""
        from studio.coft import events

        if isinstance(event, events.Progress):
            self.progress(event.stage, event.done, event.total)
        elif isinstance(event, events.Step):
            self._step(event)
        elif isinstance(event, events.Warned):
            self.line(f"note: {event.message}")
        elif isinstance(event, events.Judged):
            share = float(event.clean.any(0).float().mean())
            self.line(f"{100 * share:.1f} % of the labels clean after Phase I")

    def progress(self, stage: str, done: int, total: int, note: str = "") -> None:
        """A stage is `done` of `total` far; what is known of the whole run is shown with it."""
        title = self._step_text or stage
        note = ", ".join(part for part in (note, self._left) if part)
        if stage != self._stage:
            self._close()
            self._stage, self._told = stage, time.monotonic()
            if self._live:
                from tqdm import tqdm

                self._bar = tqdm(total=total, desc=title, file=self._stream, leave=True)
        if self._bar is not None:
            self._bar.total = total
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._bar.n)
        elif done >= total or time.monotonic() - self._told >= _QUIET_EVERY_S:
            self._told = time.monotonic()
            line = f"{title}: {done}/{total} {note}".rstrip()
            if line != self._last:  # a step of a run has stages of which only bars tell apart
                self._print(line)
            self._last = line
        if done >= total:
            self._close()
            self._stage = stage  # a repeated last event opens no second bar

    def line(self, text: str) -> None:
        """A line of its own, without tearing a bar."""
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            self._print(text)

    def _print(self, text: str) -> None:
        try:
            print(text, file=self._stream, flush=True)
        except BrokenPipeError:  # whoever read it is gone; the run goes on without
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def _step(self, event: Any) -> None:
        stage = f"phase {event.phase}"
        if stage != self._stage:
            self._steps.clear()
        self._steps[event.model] = (event.step, event.steps)
        done = sum(done for done, _ in self._steps.values())
        total = sum(total for _, total in self._steps.values())
        # A model that has not begun takes about as many.
        total += max(self._models - len(self._steps), 0) * event.steps
        self.progress(
            stage, done, total, f"epoch {event.epoch}/{event.epochs}, loss {event.loss:.3f}"
        )

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._stage = None


@contextmanager
def stop_on_ctrl_c(
    *, said: str = "stopping; Ctrl-C again ends it at once", hurried: bool = False
) -> Iterator[threading.Event]:
    """The first Ctrl-C (or SIGTERM) asks to end in order; the second just ends.

    After SIGTERM there is so much time for it: whoever sends it sends SIGKILL soon.

    said: after the first; hurried: after Ctrl-C there is no more time than after SIGTERM.
    """
    stop, over = threading.Event(), threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only it is told of signals
        yield stop
        return

    def hurry() -> None:
        """A stage that does not end in time is given up, and then the process itself."""
        if not over.wait(STOP_S):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(GRACE_S)  # the interpreter's own end counts too: it takes seconds under load
            os._exit(INTERRUPTED)

    def ask(number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        # Not `print`: a signal may arrive in the middle of one.
        with suppress(OSError):
            os.write(2, f"\n{said}\n".encode())
        if (hurried or number == signal.SIGTERM) and sys.platform != "win32":
            threading.Thread(target=hurry, name="hurry", daemon=True).start()

    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, ask) for number in signals}
    try:
        yield stop
    finally:
        over.set()
        for number, handler in before.items():
            signal.signal(number, handler)
