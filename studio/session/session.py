"""What all tabs share: runs, the worker, the data set at hand, opened folders, small pictures."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import FolderError, RunError
from studio.images.folder import Folder, truth
from studio.images.thumbnails import Thumbnails
from studio.runs.corrections import Corrections
from studio.runs.outcome import Outcome
from studio.runs.reader import RunReader
from studio.runs.store import RunStore
from studio.session.dataset import DataSet
from studio.session.prompts import Prompts
from studio.session.selections import Selections
from studio.session.source import OpenedFolder, Source
from studio.session.tasks import Tasks, import_torch
from studio.session.writer import Writer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from studio.images.canvases import Canvases
    from studio.runs.worker import Worker
    from studio.session.opened import Opened

_READERS = 12
_FOLDERS = 4


@dataclass(frozen=True)
class Options:
    """How the studio was started.

    public: other people can reach it and share it (a Hugging Face Space), so that no path of the
    machine may be typed. roots: folders that typed paths must lie in; empty: anywhere, which is
    offered only to a browser on the same machine.
    """

    runs_dir: Path
    cache_dir: Path
    roots: tuple[Path, ...] = ()
    public: bool = False
    local: bool = True

    @property
    def paths_allowed(self) -> bool:
        """Whether folders of the machine can be opened by typing their path."""
        return not self.public and (self.local or bool(self.roots))


@dataclass
class Session:
    """See the module. worker: the process's one worker; address: of a file that the page serves."""

    options: Options
    worker: Worker
    address: Callable[[Path], str] = Path.as_posix
    store: RunStore = field(init=False)
    data: DataSet = field(init=False)
    prompts: Prompts = field(init=False)
    writer: Writer = field(init=False)
    thumbnails: Thumbnails = field(init=False)
    selections: Selections = field(default_factory=Selections)
    tasks: Tasks = field(default_factory=Tasks)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _readers: OrderedDict[str, RunReader] = field(default_factory=OrderedDict)
    _results: dict[str, dict[str, Any]] = field(default_factory=dict)
    _folders: OrderedDict[str, tuple[Folder, Canvases]] = field(default_factory=OrderedDict)
    _looked: OrderedDict[str, tuple[object, Opened]] = field(default_factory=OrderedDict)
    _corrections: dict[str, Corrections] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = self.worker.store
        self.data = DataSet(self.options.cache_dir)
        self.prompts = Prompts(self.data)
        self.writer = Writer(self.prompts, self.options.cache_dir, public=self.options.public)
        self.thumbnails = Thumbnails(cache_dir=self.options.cache_dir)

    def typed_folder(self, text: str) -> Path:
        """A folder from what a user typed.

        Raises:
            FolderError: paths cannot be typed here, or it is not a folder within the roots.
        """
        if not self.options.paths_allowed:
            raise FolderError(
                "Folders of this machine cannot be opened from here; upload the images."
            )
        text = text.strip().strip("\"'")
        if not text or "\0" in text:
            raise FolderError("Type the path of a folder, or press “Try the demo set”.")
        try:
            path = Path(text).expanduser().resolve()
        except (OSError, RuntimeError, ValueError):
            raise FolderError("That is not a path of a folder; check it.") from None
        roots = [root.resolve() for root in self.options.roots]
        if roots and not any(path.is_relative_to(root) for root in roots):
            raise FolderError(
                f"Only folders in {', '.join(map(str, roots))} can be opened (--root)."
            )
        return path

    def reader(self, run_id: str) -> RunReader:
        """The reader of a run, up to date.

        Raises:
            RunError: there is no such run.
        """
        run = self.store.get(run_id)
        with self._lock:
            reader = self._readers.get(run_id)
            if reader is None:
                reader = RunReader(run)
                self._readers[run_id] = reader
                while len(self._readers) > _READERS:
                    self._readers.popitem(last=False)
            self._readers.move_to_end(run_id)
            reader.refresh()
            return reader

    def outcome(self, reader: RunReader, *, truth: Any = None) -> Outcome | None:
        """The labels of a run as far as there are any; reading tensors needs torch."""
        import_torch()
        with self._lock:
            return reader.outcome(truth=truth)

    def outcomes(self, reader: RunReader, *, truth: Any = None) -> dict[str, Outcome]:
        """The labels of a run at each stage that it has been through, in order."""
        import_torch()
        with self._lock:
            return reader.outcomes(truth=truth)

    def remembered(self, key: str, mark: object, make: Callable[[], Opened]) -> Opened:
        """What was made of a run when the mark was the same, else made now."""
        with self._lock:
            known = self._looked.pop(key, None)
        found = known[1] if known is not None and known[0] == mark else make()
        with self._lock:
            self._looked[key] = mark, found
            while len(self._looked) > _FOLDERS:
                self._looked.popitem(last=False)
        return found

    def result(self, run_id: str) -> dict[str, Any]:
        """result.json of a run that has ended; read once."""
        with self._lock:
            if run_id not in self._results:
                self._results[run_id] = self.store.get(run_id).result() or {}
            return self._results[run_id]

    def corrections(self, source: Source) -> Corrections:
        """What people said about the images of a run, or of those at hand before any run.

        Raises:
            StudioError: there is no such run, or there are no images at hand.
        """
        if isinstance(source, OpenedFolder):
            return self.data.corrections()
        run = self.store.get(source.run_id)
        with self._lock:
            return self._corrections.setdefault(run.id, Corrections.of(run))

    def forget(self, run_id: str) -> None:
        """Drop what is kept in memory of a run that was deleted."""
        with self._lock:
            self._results.pop(run_id, None)
            self._readers.pop(run_id, None)
            self._looked.pop(run_id, None)
            self._corrections.pop(run_id, None)

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
        self, root: Path, *, progress: Callable[[int, int], None] | None = None
    ) -> tuple[Folder, Canvases]:
        """A folder and its pictures; what was read before comes from the cache.

        Raises:
            FolderError: the folder is gone or holds no image any more.
        """
        view = self.data.state
        if view.folder is not None and view.canvases is not None and view.folder.root == root:
            return view.folder, view.canvases
        from studio.images.canvases import prepare

        with self._lock:
            found = self._folders.get(str(root))
            if found is None:
                found = prepare(root, cache_dir=self.options.cache_dir, progress=progress)
                self._folders[str(root)] = found
                while len(self._folders) > _FOLDERS:
                    self._folders.popitem(last=False)
            return found

    def picture(self, folder: Folder, canvases: Canvases, index: int) -> str:
        """Address of the thumbnail of an image; empty when it cannot be had."""
        file = self.thumbnails.thumbnail(canvases, index, key=picture_key(folder, index))
        return self.address(file) if file else ""

    def large_picture(self, folder: Folder, index: int) -> str:
        """Address of a large view of an image, without metadata; empty when it cannot be had."""
        file = self.thumbnails.large(
            folder.root / folder.images[index].path, key=picture_key(folder, index)
        )
        return self.address(file) if file else ""


def picture_key(folder: Folder, index: int) -> str:
    """What identifies the content of an image: folder, path, size and time of change."""
    image = folder.images[index]
    return f"{folder.root}\0{image.path}\0{image.bytes}\0{image.mtime_ns}"


def run_truth(
    folder: Folder, paths: tuple[str, ...], class_names: tuple[str, ...], aliases: dict[str, str]
) -> Any:
    """True classes of a run's images in the run's order, or None when nothing is known.

    The folder may have grown since; images that it no longer has are unknown (-1).
    """
    import numpy as np

    known: NDArray[np.int64] | None = truth(folder, class_names, aliases=aliases)
    if known is None:
        return None
    place = {image.path: i for i, image in enumerate(folder.images)}
    return np.array([known[place[p]] if p in place else -1 for p in paths], dtype=np.int64)
