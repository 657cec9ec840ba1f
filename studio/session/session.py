"""What all tabs share: runs, the worker, the data set at hand, opened folders, small pictures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from studio.cache import Cache
from studio.cache_folder import sizes
from studio.errors import RunError
from studio.forking import Lock
from studio.images.folder import Folder
from studio.images.machine import MachineFolders
from studio.images.preparing import prepare
from studio.images.thumbnails import Thumbnails
from studio.imports import import_torch
from studio.runs.corrections import Corrections
from studio.runs.outcome import Outcome
from studio.runs.reader import RunReader
from studio.runs.result import RunResult
from studio.runs.store import ACTIVE, RunInfo, RunStore
from studio.session.asking import Askings
from studio.session.dataset import DataSet
from studio.session.keys import Keys
from studio.session.limits import Rate
from studio.session.options import Options
from studio.session.pictures import PagePictures
from studio.session.prompts import Prompts
from studio.session.remote import RemoteRuns
from studio.session.selections import Selections
from studio.session.source import OpenedFolder, Source
from studio.session.tasks import Task, Tasks
from studio.session.writer import Writer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from studio.images.canvases import Canvases
    from studio.runs.request import JobRequest
    from studio.runs.worker import Worker
    from studio.session.judging import Judging
    from studio.session.opened import Opened

LOOKING = "Looking through the folder"
_MEASURE_S = 60.0
_READERS = 12
_FOLDERS = 4
_RESULTS = 1000  # small, and a page shows those of all runs at once


Placed: TypeAlias = "tuple[NDArray[np.int64], str]"
"""Of a run's N images: (N,) their indices in their folder, -1 = gone, and a mark of them."""


@dataclass
class Session:
    """See the module. worker: the process's one worker; address: of a file that the page serves."""

    options: Options
    worker: Worker
    address: Callable[[Path], str] = Path.as_posix
    store: RunStore = field(init=False)
    remote: RemoteRuns = field(init=False)
    data: DataSet = field(init=False)
    prompts: Prompts = field(init=False)
    writer: Writer = field(init=False)
    judging: Judging = field(init=False)
    pictures: PagePictures = field(init=False)
    folders: MachineFolders = field(init=False)
    selections: Selections = field(default_factory=Selections)
    tasks: Tasks = field(default_factory=Tasks)
    askings: Askings = field(default_factory=Askings)
    _readers: Cache[str, RunReader] = field(default_factory=lambda: Cache(most=_READERS))
    _results: Cache[str, RunResult | None] = field(default_factory=lambda: Cache(most=_RESULTS))
    _folders: Cache[Path, tuple[Folder, Canvases]] = field(
        default_factory=lambda: Cache(most=_FOLDERS)
    )
    _readings: Tasks = field(default_factory=lambda: Tasks(kept=_FOLDERS))
    _opened: Cache[str, Opened] = field(default_factory=lambda: Cache(most=_FOLDERS))
    _placed: Cache[str, Placed] = field(default_factory=lambda: Cache(most=_FOLDERS))
    shared: bool = field(default=False, init=False)  # strangers have rooms, see `rooms`

    _measuring: Lock = field(default_factory=Lock)
    _measure_at: float = 0.0
    _cache_bytes: int | None = None

    def __post_init__(self) -> None:
        self.store = self.worker.store
        self.remote = RemoteRuns(self.store, self.options.space)
        options = self.options
        self._rate = None if options.limits is None else Rate(options.limits.an_hour)
        self.data = DataSet(
            options.cache_dir, limits=options.limits, links_allowed=options.links_allowed
        )
        self.prompts = Prompts(self.data)
        self.keys = Keys()
        self.writer = Writer(self.prompts, options.cache_dir, public=options.public, keys=self.keys)
        # Here, because these modules need this one.
        from studio.session.chooser import choose_for
        from studio.session.judging import Judging

        self.judging = Judging(self, self.keys, choose_for)
        self.pictures = PagePictures(
            Thumbnails(cache_dir=options.cache_dir), self.address, options.links_allowed
        )
        self.folders = MachineFolders(
            self.data.recent, options.paths_allowed, options.roots, options.local
        )

    def here(self) -> Session:
        """Itself: whoever is being answered, all share it. See `rooms.Whose`."""
        return self

    def served(self, _token: str) -> Sequence[Path]:
        """Folders of pictures and downloads that a browser may fetch from."""
        return [self.options.cache_dir / "thumbs", self.options.cache_dir / "exports"]

    # Runs -------------------------------------------------------------------------------------

    def start(self, request: JobRequest) -> str:
        """Begin a run; its id.

        Raises:
            StudioError: it cannot work, asks for too much, or another one is at work.
        """
        self._check(request)
        return self._counted(lambda: self.worker.start(request))

    def resume(self, run_id: str) -> str:
        """Go on with a run that was stopped or cut off; its id.

        Raises:
            StudioError: it cannot go on, asks for too much, or another one is at work.
        """
        return self._counted(lambda: self.worker.resume(run_id, check=self._check))

    def _check(self, request: JobRequest) -> None:
        if self.options.limits is not None:
            self.options.limits.check_request(request)

    def _counted(self, begin: Callable[[], str]) -> str:
        """Among those that a visitor may begin in an hour."""
        if self._rate is None:
            return begin()
        self._rate.check()
        run_id = begin()
        self._rate.count()
        return run_id

    def reader(self, run_id: str) -> RunReader:
        """The reader of a run, up to date.

        Raises:
            RunError: there is no such run.
        """
        run = self.store.get(run_id)
        reader = self._readers.get(run_id, lambda: RunReader(run))
        reader.refresh()
        return reader

    def outcome(self, reader: RunReader) -> Outcome | None:
        """The labels of a run as far as there are any; reading tensors needs torch."""
        import_torch()
        return reader.outcome()

    def outcomes(self, reader: RunReader) -> dict[str, Outcome]:
        """The labels of a run at each stage that it has been through, in order."""
        import_torch()
        return reader.outcomes()

    def opened(self, source: Source, mark: object, make: Callable[[], Opened]) -> Opened:
        """What was made of a source when the mark was the same, else made now."""
        return self._opened.get(source.choice, make, mark=mark)

    def placed(self, source: Source, mark: object, make: Callable[[], Placed]) -> Placed:
        """The same of where its images are, which answers and new labels do not change."""
        return self._placed.get(source.choice, make, mark=mark)

    def result(self, run_id: str) -> RunResult | None:
        """The result of a run, None while it has none; read once each time that it is written."""
        run = self.store.get(run_id)
        try:  # a run that goes on has another one later
            written = (run.path / "result.json").stat().st_mtime_ns
        except OSError:
            written = None
        return self._results.get(run_id, run.result, mark=written)

    def results(self, infos: Iterable[RunInfo]) -> dict[str, RunResult | None]:
        """The results of those of these runs that have ended, by id."""
        return {info.id: self.result(info.id) for info in infos if info.state not in ACTIVE}

    def corrections(self, source: Source) -> Corrections:
        """What people said about the images of a run, or of those at hand before any run.

        Raises:
            StudioError: there is no such run, or there are no images at hand, or others than those
                that `source` says.
        """
        if isinstance(source, OpenedFolder):
            return self.data.corrections(source.images)
        return self.reader(source.run_id).corrections

    def forget(self, run_id: str) -> None:
        """Drop what is kept in memory of a run that was deleted."""
        for cache in (self._results, self._readers, self._opened, self._placed):
            cache.drop(run_id)

    def active(self) -> str | None:
        """Id of the run that is being worked on, by this process or another."""
        return self.store.active()

    def newest(self) -> str | None:
        """Id of the run to show when none was chosen: the one at work, or else the latest."""
        return self.active() or next((info.id for info in self.store.list()), None)

    def chosen(self, run_id: object) -> str | None:
        """A run's id as a page may send it: checked, the newest run in place of what is none."""
        if isinstance(run_id, str) and run_id:
            try:
                return self.store.get(run_id).id
            except RunError:
                pass
        return self.newest()

    def open_folder(
        self,
        root: Path,
        *,
        progress: Callable[[int, int], None] | None = None,
        follow_links: bool = False,
    ) -> tuple[Folder, Canvases]:
        """A folder and its pictures; what was read before comes from the cache.

        follow_links: as the run did that the folder is opened for; never where others come in.

        Raises:
            FolderError: the folder is gone or holds no image any more.
        """
        view = self.data.state
        follow_links = follow_links and self.options.links_allowed
        here = view.folder
        same = here is not None and (here.root, here.follows_links) == (root, follow_links)
        if here is not None and view.canvases is not None and same:
            return here, view.canvases

        def read() -> tuple[Folder, Canvases]:
            cache = self.options.cache_dir
            return prepare(root, cache_dir=cache, progress=progress, follow_links=follow_links)

        return self._folders.get(root, read, mark=follow_links)

    def reading(self, root: Path, *, follow_links: bool = False) -> Task:
        """The task whose value is what `open_folder` gives, for folders of very many images; where
        it failed it is tried once more as soon as the folder is there.
        """
        view = self.data.state
        here = view.folder
        if here is not None and here.root == root and view.canvases is not None:
            key: tuple[object, ...] = ("at hand", here.fingerprint, root, follow_links)
        else:
            key = (root, follow_links)

        def read(task: Task) -> tuple[Folder, Canvases]:
            progress = task.begin(LOOKING)
            return self.open_folder(root, progress=progress, follow_links=follow_links)

        return self._readings.ask(key, LOOKING, read, again=root.is_dir())

    def cache_bytes(self) -> int | None:
        """About how much the cache takes of the disk; None while it is not known yet.

        Every page asks again and again: it is measured in the background, once a minute at most.
        """
        with self._measuring:
            if self._cache_bytes is not None and time.monotonic() >= self._measure_at:
                self._measure_at = time.monotonic() + _MEASURE_S
                threading.Thread(target=self.measure_cache, daemon=True).start()
        return self._cache_bytes

    def measure_cache(self) -> None:
        """Look how much the cache takes, now; from then on `cache_bytes` does so by itself."""
        self._measure_at = time.monotonic() + _MEASURE_S
        self._cache_bytes = sum(sizes(self.options.cache_dir).values())
