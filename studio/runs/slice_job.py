"""One slice of a run, in the process that a GPU is lent to; `runs.slices` has the whole."""

from __future__ import annotations

import time

from studio.runs.job import JobStopped, run_job
from studio.runs.resume import asked_of
from studio.runs.run import Run
from studio.runs.slices import STOP_FILE, Ended, Slice


def work_slice(slice: Slice) -> Ended:
    """Begin a run or go on with it, until it has ended or the slice is over.

    What goes wrong stands in the run's status, as of any run.
    """
    run = Run(slice.run)
    ends, to_end = time.monotonic() + slice.seconds, run.path / STOP_FILE
    try:
        run_job(
            asked_of(run), run, cache_dir=slice.cache, stop=to_end.exists,
            pause=lambda: time.monotonic() > ends, resumed=slice.resumed,
        )  # fmt: skip
    except JobStopped:  # paused, or not begun to learn when the slice was over
        return "over" if to_end.exists() else "paused"
    except Exception:  # its status and log.txt say what was wrong
        return "over"
    return "over"
