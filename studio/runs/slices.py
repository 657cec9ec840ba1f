"""A run in slices: for hosts that lend a GPU for less than a minute at a time.

Each slice is worked on in a process that has the GPU and may be ended at any moment. Nothing is
handed over but the run's folder: a slice begins where the last checkpoint in it says, and the next
one does whatever a slice was cut off in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from studio.runs.failures import first_line
from studio.runs.run import Run

MOST_IN_VAIN = 3
"""Slices one after the other that leave no new checkpoint, after which the run is let be."""

STOP_FILE = ".stop"
"""In a run's folder while it is to end early: whoever has the GPU sees nothing but the disk."""

WAITING = "waiting for the next slice of the GPU"

Ended = Literal["over", "paused"]


@dataclass(frozen=True)
class Slice:
    """What is done with a GPU at one go.

    run: the run's folder; cache: where decoded images and features are kept; seconds: after which
    it pauses; resumed: whether it goes on from an earlier slice.
    """

    run: Path
    cache: Path
    seconds: float
    resumed: bool = False


@dataclass
class Slices:
    """Works on runs, a slice after the other.

    Args:
        lend: does one slice, where there is a GPU; raises whatever when it is cut off or when there
            is none to be had.
        seconds: of a slice, its beginning included.
        mark: what changes with each new checkpoint of a run.
    """

    lend: Callable[[Slice], Ended]
    seconds: float = 40.0
    mark: Callable[[Run], object] = field(default=lambda run: checkpoint_mark(run))

    def work(
        self,
        run: Run,
        *,
        cache: Path,
        stop: Callable[[], bool],
        pause: Callable[[], bool],
        resumed: bool = False,
    ) -> None:
        """Work on a run until it has ended; its status says how.

        Args:
            run: Of this process.
            cache: Where decoded images and features are kept.
            stop: Whether it is to end early, with what it has learned: that takes a last slice.
            pause: Whether there is to be no further slice.
            resumed: Whether it was begun earlier.
        """
        in_vain, before = 0, self.mark(run)
        while True:
            said = ""
            if stop():
                ask_to_stop(run)
            try:
                ended = self.lend(Slice(run.path, cache, self.seconds, resumed))
            except Exception as error:  # of whatever library lends it
                ended, said = "paused", first_line(error)
            if ended == "over":
                break
            resumed, after = True, self.mark(run)
            in_vain = in_vain + 1 if after == before else 0
            before = after
            if pause() or in_vain >= MOST_IN_VAIN:
                run.set_status(state="stopped", reason="it can go on" if pause() else _why(said))
                break
            run.set_status(state="running", stage=WAITING, reason=None)
        run.disown()
        with contextlib.suppress(OSError):
            (run.path / STOP_FILE).unlink(missing_ok=True)


def _why(said: str) -> str:
    """Why a run got no further. said: by whoever lends the GPU."""
    return f"the GPU was not lent for long enough{f' ({said})' if said else ''}; it can go on"


def ask_to_stop(run: Run) -> None:
    """Have the slice at work, or the next one, end the run early with what it has learned."""
    with contextlib.suppress(OSError):
        (run.path / STOP_FILE).touch()


def checkpoint_mark(run: Run) -> object:
    """Changes with each new checkpoint of a run."""
    marks = []
    for file in (run.path / "checkpoints").glob("*"):
        with contextlib.suppress(OSError):
            found = file.stat()
            marks.append((file.name, found.st_mtime_ns, found.st_size))
    return sorted(marks)
