"""A run made into a file to download, in the background, while a page sees how far that is."""

from __future__ import annotations

from pathlib import Path

from studio.export.downloads import Downloads
from studio.export.subject import EVERYTHING, READING
from studio.imports import import_torch
from studio.session.session import Session
from studio.session.tasks import Lane, Task


def download(session: Session, run_id: str, format: str, *, only: str = EVERYTHING) -> Task:
    """The task whose value is the file, see `Downloads.make`.

    Raises:
        StudioError: There is no such run.
    """
    run, cache = session.store.get(run_id), session.options.cache_dir

    def work(task: Task) -> Path:
        task.begin(READING)  # torch is loaded for it first, which takes a while
        import_torch()
        return Downloads(cache).make(run, format, only=only, begin=task.begin)

    # Made anew each time: what was corrected meanwhile is in it. It waits behind nothing that the
    # page works out, and the session keeps it in the place of nothing that is asked for again.
    return Lane("download").add(Task(READING, work))
