"""A fit at work in a run: its states become checkpoints, it can pause, and go on from one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from studio.coft.events import Event, Finished, FitState, Progress, Warned
from studio.coft.task import Fit, Task
from studio.errors import StudioError
from studio.runs.checkpoints import Checkpoints, Saved
from studio.runs.failures import Paused, explain
from studio.runs.report import Report
from studio.runs.run import Run


class Pausing:
    """Yields the events of a fit, but for its states."""

    def __init__(
        self,
        run: Run,
        report: Report,
        *,
        resumes: bool,
        saved: Saved | None,
        pause: Callable[[], bool],
        made_with: Mapping[str, Any],
        reserve: int,
        arrived: Callable[[], None],
    ) -> None:
        """What a run knows of it.

        Args:
            run: The run.
            report: Its report.
            resumes: Whether the method yields its states.
            saved: What the fit goes on from; None: it begins.
            pause: Asked often; true ends the run at once, as far as the method can go on later.
            made_with: What goes into each checkpoint, see `runs.resume`.
            reserve: Bytes of the disk that are left to the run itself.
            arrived: Called where the fit goes on, before anything new is reported.
        """
        self._run, self._report, self._saved = run, report, saved
        self._pause = pause if resumes else lambda: False
        self._made_with, self._arrived = made_with, arrived
        self._began = time.monotonic() - (0.0 if saved is None else saved.seconds)
        self._checkpoints = Checkpoints(run, reserve=reserve)
        self.state = None if saved is None else saved.state
        self.due = self._checkpoints.due if resumes else None

    def events(self, fit: Fit, task: Task) -> Iterator[Event]:
        """What the fit yields.

        Raises:
            Paused: `pause` said so, and the last checkpoint is on the disk.
            RunError: The checkpoint that it is to go on from does not fit.
        """
        try:
            for event in fit(task):
                if isinstance(event, FitState):
                    yield from self._take(event)
                elif self._pause() and _is_lost(event):
                    raise Paused
                else:
                    yield event
            if task.kept.on_the_way:
                raise RuntimeError("the fit never came to where it was to go on")
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            if isinstance(error, StudioError) or explain(error) or not task.kept.on_the_way:
                raise
            raise self._run.damaged("its last checkpoint does not fit it") from error

    def _take(self, state: FitState) -> Iterator[Event]:
        if state is self.state:
            self._arrived()
            state.parts.clear()  # weights of two models, which nobody needs any more
        else:
            self._report.flush()
            before = self._checkpoints.failed
            seconds = time.monotonic() - self._began
            written = self._checkpoints.write(state, seconds=seconds, made_with=self._made_with)
            if not written and not before:
                yield Warned(
                    "No checkpoint can be kept, so that the run cannot go on from here if it is "
                    f"cut off: {self._checkpoints.failed}."
                )
        if self._pause():
            raise Paused


def _is_lost(event: Event) -> bool:
    """Whether a run that is paused here goes on from the state before: a stage has none of its own,
    or the fit has ended early, because it was to pause, in a method that has none.
    """
    return isinstance(event, Progress) or (isinstance(event, Finished) and event.stopped)
