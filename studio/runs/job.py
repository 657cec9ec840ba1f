"""One job from a folder of images to a result, the same for the command line and the page.

Here is how it begins and ends, whatever becomes of it; what it does is in `runs.work`.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import RunError, StudioError
from studio.files import write_json
from studio.methods import METHODS, resumes
from studio.ranks import ALONE, Ranks
from studio.room import CACHE, RUNS
from studio.runs import checkpoints
from studio.runs.failures import Paused, explain, first_line, release_memory, was_stopped
from studio.runs.report import Report
from studio.runs.request import JobRequest
from studio.runs.result import RunResult
from studio.runs.resume import GO_ON
from studio.runs.store import Run

# What brings torch is imported where it is used: the page and the command line start without it.
if TYPE_CHECKING:
    from studio.coft.events import Event


class JobStopped(RunError):  # noqa: N818 (nothing went wrong)
    """The user stopped the run before anything was learned."""


class JobPaused(JobStopped):
    """The user paused the run: it can go on from where it was."""


def run_job(
    request: JobRequest,
    run: Run,
    *,
    cache_dir: Path,
    stop: Callable[[], bool],
    pause: Callable[[], bool] = lambda: False,
    resumed: bool = False,
    listen: Callable[[Event], None] | None = None,
    watch: Callable[[Mapping[str, Any]], None] | None = None,
    ranks: Ranks = ALONE,
) -> RunResult:
    """Work on the run from beginning to end; the run's folder tells how it goes.

    Args:
        request: What to do.
        run: From `create_run`, by this process.
        cache_dir: Where decoded images and features are kept between runs.
        stop: Asked often; true ends the run early: it labels all images with what it has learned.
        pause: Asked often; true ends the run at once, to go on later. A method that cannot is
            stopped instead.
        resumed: The run was taken up again (`runs.resume`): it goes on from its last checkpoint.
        listen: Told every event, besides the run's folder.
        watch: Told before each event how far the run is: the fields of `runs.pace.Pace`.
        ranks: The processes that share the work, of which this is the writer; the others are at
            `runs.helping`.

    Returns:
        The result, as in the run's result.json.

    Raises:
        JobStopped: Stopped before anything was learned.
        JobPaused: Paused.
        StudioError: What the user can put right; the run is "failed" with the same line.
    """
    saved = checkpoints.latest(run) if resumed else None
    method = METHODS[request.method]
    report = Report(
        run, listen=listen, watch=watch, last_phase=_last_phase(request), models=method.models,
        trains=method.trains, settings=request.settings, silent=saved is not None,
    )  # fmt: skip
    asked = False

    def stop_and_show() -> bool:
        nonlocal asked
        ranks.check()
        if not asked and (stop() or pause()):
            asked = True
            run.ask_to_stop()
        return asked

    try:
        run.set_status(state="running", stage="starting")
        from studio.runs.work import Work

        work = Work(
            request, run, report, cache_dir=cache_dir, stop=stop_and_show, pause=pause,
            resumed=resumed, saved=saved, ranks=ranks,
        )  # fmt: skip
        result = work.do()
        ranks.over()
        write_json(run.path / "result.json", result.to_dict())
        run.set_status(state="stopped" if result.stopped else "finished", stage=None)
        if not result.stopped:
            checkpoints.remove(run)
        return result
    except Exception as error:
        if isinstance(error, Paused):
            reason = f"paused at {report.step}"
            run.set_status(state="stopped", reason=reason)
            raise JobPaused(f"run {run.id}: {reason}; {GO_ON} {run.id} goes on") from error
        if was_stopped(error):
            reason = "stopped before anything was learned"
            run.set_status(state="stopped", reason=reason)
            hint = f"; {GO_ON} {run.id} begins it again" if resumes(request.method) else ""
            raise JobStopped(f"run {run.id}: {reason}{hint}") from error
        explained = explain(error, folders={RUNS: run.path.parent, CACHE: cache_dir})
        if not isinstance(error, StudioError):
            run.log("".join(traceback.format_exception(error)))
        reason = (
            str(explained)
            if explained
            else f"internal error: {type(error).__name__}: {first_line(error)}"
        )
        run.set_status(state="failed", reason=reason)
        if explained is None or explained is error:
            raise
        raise explained from error
    except BaseException:
        run.set_status(state="interrupted", reason="the program was ended before the run was done")
        raise
    finally:
        with contextlib.suppress(OSError):  # on a full disk; it has been said why the run ended
            report.close()
        release_memory()


def _last_phase(request: JobRequest) -> int | None:
    if not METHODS[request.method].two_phases:
        return None
    return 2 if request.settings.phase2_epochs else 1
