"""`studio.fit` and `studio.stream`: a run from Python, to its end or event by event."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import TYPE_CHECKING, Any

from studio.api.asked import asked
from studio.api.classes import Classes
from studio.api.run import Run, folder_of, load
from studio.errors import RunError
from studio.images.class_folders import Splits
from studio.methods import METHODS
from studio.places import default_cache_dir, default_runs_dir
from studio.ranks import ALONE, Ranks
from studio.runs.command import refusals
from studio.runs.job import JobStopped, run_job
from studio.runs.request import JobRequest, create_run
from studio.runs.resume import take_up
from studio.runs.run import Run as RunFolder
from studio.runs.store import RunStore
from studio.terminal import Terminal, stop_on_ctrl_c

if TYPE_CHECKING:
    from studio.coft.events import Event
    from studio.prompts.prompt_set import PromptSet
    from studio.runs.result import RunResult

PAUSING = "pausing, to go on later; Ctrl-C again ends it at once"
STOPPING = "stopping, keeping what was learned; Ctrl-C again to give that up"
"""What is said after the first Ctrl-C, of methods that can go on and of others."""

Given = Mapping[str, str | None] | str | Path | Run
"""{path: class name, or None to leave the image out}; or a CSV; or a run that was corrected."""


def fit(
    folder: Path | str | None = None,
    *,
    classes: Classes | None = None,
    model: str | None = None,
    method: str | None = None,
    out: Path | str | None = None,
    prompts: PromptSet | Path | str | None = None,
    test: Path | str | None = None,
    corrections: Given | None = None,
    labels: Mapping[str, str] | Path | str | None = None,
    like: Run | Path | str | None = None,
    name: str | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    splits: Splits = "auto",
    follow_links: bool | None = None,
    cache: Path | str | None = None,
    progress: bool = True,
) -> Run:
    """Label the images of a folder and train a classifier; nobody annotates anything.

    The first Ctrl-C pauses the run, and `resume` goes on with it; the second just ends it.

    Args:
        folder: The images; "demo" is a set that the studio draws itself; None: that of `like`.
        classes: Class names; {folder name: class name}; a text with one a line or commas between;
            or a file (a Path). None: the sub-folders' names, which else are for scoring only.
        model: As `python -m studio models` lists them, or in one of the forms named there.
        method: "coft" (the default), "coft+", "zero-shot", ..., see `studio.methods`.
        out: The run's own folder, which must not be there yet; None: a new one in ./runs.
        prompts: Templates and sentences for the first labels, or a file of them.
        test: A folder on which accuracies are measured instead.
        corrections: Labels to take as given, and images to leave out.
        labels: Labels that the images have, which may be wrong: they are checked. {path: class
            name}, or a CSV with the columns path,label.
        like: A run whose folder, names, prompts, model and settings are taken where nothing else
            is said.
        name: What the run is called; None: the folder's name.
        seed: Of all random numbers; short for settings={"seed": ...}.
        settings: By name, as `python -m studio settings` lists them.
        splits: "yes": the outer sub-folders (train, test, ...) are parts of a split set, and the
            folders in them are the classes; "no": they are the classes; "auto": as they look.
        follow_links: Whether links that leave the folder are followed; None: no, or as `like`.
        cache: Where decoded images and features are kept; None: see `studio.places`.
        progress: Whether bars are shown, in a notebook or on stderr.

    Returns:
        The run, finished. One of a method that cannot go on may have ended early.

    Raises:
        JobPaused: Ctrl-C was pressed.
        StudioError: Something cannot be used as given, or the run failed; one line says why.
    """
    place = _cache(cache)
    with Terminal(quiet=not progress) as terminal:
        request = asked(
            folder, cache=place, classes=classes, model=model, method=method, prompts=prompts,
            test=test, corrections=_corrections(corrections), labels=labels, like=folder_of(like),
            name=name, settings=_seeded(settings, seed), splits=splits, follow_links=follow_links,
            tell=terminal.line,
            progress=lambda done, total: terminal.progress("drawing the demo", done, total),
        )  # fmt: skip
    run = create(request, out=out)
    work(request, run, cache=place, progress=progress)
    return Run(run)


def resume(
    run: Run | Path | str, *, runs: Path | str | None = None, cache: Path | str | None = None,
    progress: bool = True,
) -> Run:  # fmt: skip
    """Go on with a run that was paused, stopped or cut off, from its last checkpoint.

    It ends with the same labels and model as if nothing had come between.

    Args:
        run: The run, its folder, its id, or "latest".
        runs: Where an id is looked for; None: the environment's STUDIO_RUNS, else ./runs.
        cache: As of `fit`.
        progress: As of `fit`.

    Raises:
        JobPaused: Ctrl-C was pressed.
        StudioError: It cannot go on, its images have changed, say; or the run failed.
    """
    known = run._run if isinstance(run, Run) else load(run, runs=runs)._run
    request, folder = take_up(RunStore(known.path.parent), known.id)
    work(request, folder, cache=_cache(cache), progress=progress, resumed=True)
    return Run(folder)


def work(
    request: JobRequest,
    run: RunFolder,
    *,
    cache: Path,
    progress: bool = True,
    resumed: bool = False,
    as_is: bool = False,
    ranks: Ranks = ALONE,
) -> RunResult:
    """Work on a run to its end, as `fit` does: with bars, and paused by Ctrl-C.

    resumed: it was taken up again; as_is: end it early, with what it has learned so far; ranks: the
    processes that share the work.

    Raises:
        JobPaused: It was paused.
        JobStopped: It was ended before anything was learned.
        StudioError: It failed.
    """
    method = METHODS[request.method]
    models, said = method.models, PAUSING if method.resumes else STOPPING
    with (
        stop_on_ctrl_c(said=said, hurried=method.resumes) as pause,
        Terminal(models=models, quiet=not progress) as terminal,
    ):
        terminal.line(f"run {run.id}")
        told = False

        def listen(event: Event) -> None:
            nonlocal told
            if not told and (run.path / "images.json").is_file():
                told = True
                for line in refusals(run):
                    terminal.line(line)
            terminal.show(event)

        return run_job(
            request, run, cache_dir=cache, stop=lambda: as_is, pause=pause.is_set,
            resumed=resumed, listen=listen, watch=terminal.watch, ranks=ranks,
        )  # fmt: skip


def create(request: JobRequest, *, out: Path | str | None = None) -> RunFolder:
    """The folder of a new run: `out`, or a new one where runs are kept.

    Raises:
        RunError: `out` is there already, or another run beside it is at work.
        StudioError: The request cannot work, as far as that shows at once.
    """
    if out is None:
        return create_run(request, RunStore(default_runs_dir()))
    path = Path(out).expanduser().absolute()
    return create_run(request, RunStore(path.parent), id=path.name)


class Stream(Iterator["Event"]):
    """The events of a run that is at work, in order; see `studio.coft.events`.

    The run waits while nobody asks for the next event. Ending the loop early (`close`, or leaving
    its `with`) ends the run early, and keeps what it has learned.

    Attributes:
        run: The run; its labels are there once the events have ended.
    """

    def __init__(
        self, work: Callable[[Callable[[Event], None], Callable[[], bool]], None], run: Run
    ) -> None:
        """work: called in a thread with a listener and a `stop`; it runs the job."""
        self.run = run
        self._queue: Queue[Event | BaseException | None] = Queue(maxsize=1)
        self._stop = threading.Event()
        self._ended = False

        def body() -> None:
            end: BaseException | None = None
            try:
                work(self._queue.put, self._stop.is_set)
            except JobStopped:
                pass
            except BaseException as error:
                end = error
            self._queue.put(end)

        self._thread = threading.Thread(target=body, name=f"run {run.id}", daemon=True)
        self._thread.start()

    def __next__(self) -> Event:
        if self._ended:
            raise StopIteration
        item = self._queue.get()
        if item is None or isinstance(item, BaseException):
            self._ended = True
            self._thread.join()
            raise StopIteration if item is None else item
        return item

    def close(self) -> None:
        """End the run early, and wait until it has kept what it learned."""
        self._stop.set()
        for _ in self:
            pass

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def stream(
    folder: Path | str | None = None,
    *,
    classes: Classes | None = None,
    model: str | None = None,
    method: str | None = None,
    out: Path | str | None = None,
    prompts: PromptSet | Path | str | None = None,
    test: Path | str | None = None,
    corrections: Given | None = None,
    labels: Mapping[str, str] | Path | str | None = None,
    like: Run | Path | str | None = None,
    name: str | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    splits: Splits = "auto",
    follow_links: bool | None = None,
    cache: Path | str | None = None,
) -> Stream:
    """As `fit`, but every event of the run can be iterated over while it works.

    Raises:
        StudioError: As `fit`; what goes wrong later is raised by the iteration.
    """
    place = _cache(cache)
    request = asked(
        folder, cache=place, classes=classes, model=model, method=method, prompts=prompts,
        test=test, corrections=_corrections(corrections), labels=labels, like=folder_of(like),
        name=name, settings=_seeded(settings, seed), splits=splits, follow_links=follow_links,
    )  # fmt: skip
    run = create(request, out=out)

    def job(listen: Callable[[Event], None], stop: Callable[[], bool]) -> None:
        run_job(request, run, cache_dir=place, stop=stop, listen=listen)

    return Stream(job, Run(run))


def _cache(cache: Path | str | None) -> Path:
    return default_cache_dir() if cache is None else Path(cache).expanduser()


def _corrections(given: Given | None) -> Mapping[str, str | None] | str | Path | RunFolder | None:
    return folder_of(given) if isinstance(given, Run) else given


def _seeded(settings: Mapping[str, Any] | None, seed: int | None) -> dict[str, Any]:
    """The settings, with the seed among them.

    Raises:
        RunError: Both name a seed, and not the same.
    """
    values = dict(settings or {})
    if seed is None:
        return values
    if str(values.setdefault("seed", seed)) != str(seed):
        raise RunError("Give the seed once: as seed=, or among the settings.")
    return values
