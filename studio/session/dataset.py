"""The data set at hand: which folder, which class names, what the model sees in it.

One per session, shared by all its tabs and written to the cache as workspace.json, so that a
reload, a second browser or a new start of the studio finds it again. Work (drawing, scanning,
labelling) is done in the background; pages look at a `DataState` and never wait.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studio.cache import Cache, Same
from studio.errors import FolderError
from studio.images.arriving import Arriving
from studio.images.canvas_cache import Pixels
from studio.images.canvases import prepare
from studio.images.choosing import RecentFolders
from studio.images.class_folders import Splits
from studio.images.folder import ImageFile, class_folders, class_text, parse_class_names, truth
from studio.runs.corrections import Corrections, Subjects
from studio.runs.first_labels import LOADING, STEPS, Preview, label_images
from studio.runs.given import Correction, usable
from studio.runs.turns import Turns
from studio.runs.which_model import Ranked, models_here, rank_models
from studio.session.limits import Limits
from studio.session.saved import Saved, load, save
from studio.session.state import DataState
from studio.session.tasks import Lane, Task

_MAX_NAMES_TEXT = 200_000
_NO_IMAGES = "Choose images first: the demo set, a folder or an upload."
_DRAWING, _READING = "Drawing the demo set", "Reading the images"
_READ = ((_READING, 3.0),)


@dataclass
class DataSet:
    """See the module. `labeller`, `ranker`, `at_hand` and `draw` are replaced in tests."""

    cache_dir: Path
    labeller: Callable[..., Preview] = label_images
    ranker: Callable[..., Ranked] = rank_models
    at_hand: Callable[[str], list[str]] = models_here
    draw: Callable[..., Path] | None = None
    after_label: Callable[[], None] | None = None  # called in the thread that labelled
    limits: Limits | None = None  # where strangers share the page
    links_allowed: bool = False  # whether links may be followed out of a folder
    turns: Turns = field(default_factory=lambda: Turns(at_once=1000))  # of all that label
    recent: RecentFolders = field(init=False)
    _state: DataState = field(default_factory=DataState)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _lane: Lane = field(default_factory=lambda: Lane("data"))
    _corrections: Cache[Path, Corrections] = field(default_factory=lambda: Cache(most=1))
    _given: Cache[str, dict[str, Correction]] = field(default_factory=lambda: Cache(most=1))

    def __post_init__(self) -> None:
        self.recent = RecentFolders(self.cache_dir)

    @property
    def state(self) -> DataState:
        """How things stand now; never changes once taken."""
        with self._lock:
            return self._state

    # What a user asks for -------------------------------------------------------------------

    def use_demo(self) -> None:
        """Draw the demo set if need be, scan it and label it. Returns at once."""
        self._start(_DRAWING, self._demo, ((_DRAWING, 6.0), *_READ, *STEPS))

    def use_folder(
        self,
        path: Path,
        *,
        source: str = "folder",
        follow_links: bool = False,
        notes: Sequence[str] = (),
    ) -> None:
        """Scan a folder; class names are proposed from its sub-folders. Returns at once.

        follow_links: out of the folder as well; notes: what is to be said of how it came here.
        """

        def work(task: Task) -> None:
            self._scan(task, path, source, keep_names=False, follow_links=follow_links)
            with self._lock:
                self._set(notes=tuple(notes))

        with self._lock:
            self._set(follow_links=follow_links)
        self._start("Reading the folder", work)

    def read_as(self, splits: Splits) -> None:
        """Say which sub-folders are the classes, where that was in doubt: "yes" takes the outer
        ones for parts of a split set.
        """
        with self._lock:
            folder = self._state.folder
            if folder is None:
                raise FolderError(_NO_IMAGES)
            classes = replace(class_folders(folder, splits=splits), doubt=True)
            self._set(
                classes=classes, names_text=class_text(classes.classes.names),
                inputs=self._state.inputs + 1, by="",
            )  # fmt: skip
            self._save()

    def label(self, names_text: str, model: str, *, by: str = "") -> None:
        """Label the images zero-shot with these names. Returns at once.

        Raises:
            StudioError: there are no images yet, the names cannot be used, or work is under way.
        """
        self._check(names_text, model)
        self.set_inputs(names_text, model, by=by)
        self._start(LOADING, self._label, STEPS)

    def rank(self, names_text: str, model: str, *, by: str = "") -> None:
        """Rank the models on this machine, and this one if it is here. Returns at once.

        Raises:
            StudioError: as `label`.
        """
        self._check(names_text, model)
        self.set_inputs(names_text, model, by=by)
        self._start("Comparing the models", self._rank)

    def _check(self, names_text: str, model: str) -> None:
        if self.state.folder is None:
            raise FolderError(_NO_IMAGES)
        names = parse_class_names(names_text[:_MAX_NAMES_TEXT])
        if self.limits is not None:
            self.limits.check_names(names)
            self.limits.check_model(model.strip() or "embedded")

    def set_inputs(
        self,
        names_text: str | None = None,
        model: str | None = None,
        *,
        by: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        """Remember what was typed, for all tabs and the next start; None: as it is.

        by: see `DataState`; notes: what was guessed of the names.
        """
        with self._lock:
            if notes:
                self._set(notes=tuple(dict.fromkeys((*self._state.notes, *notes))))
            names_text = self._state.names_text if names_text is None else names_text
            model = self._state.model if model is None else model
            names_text, model = names_text[:_MAX_NAMES_TEXT], model.strip()[:1000] or "embedded"
            if (names_text, model) == (self._state.names_text, self._state.model):
                return
            self._set(names_text=names_text, model=model, inputs=self._state.inputs + 1, by=by)
            self._save()

    def change(self, **changes: Any) -> None:
        """Change what is kept of the prompts; for `prompts` only."""
        with self._lock:
            self._set(**changes)
            self._save()

    def relabel(self, old: Preview, **changes: Any) -> bool:
        """Put other labels in the place of `old`; False when those are not the labels any more."""
        with self._lock:
            if self._state.preview is not old:
                return False
            self._set(**changes)
            return True

    def corrections(self) -> Corrections:
        """What people said about the images at hand before any run; kept for this folder.

        Raises:
            FolderError: there are no images.
        """
        with self._lock:
            if self._state.folder is None:
                raise FolderError(_NO_IMAGES)
            root = self._state.folder.root
        key = hashlib.sha256(os.fsencode(root)).hexdigest()[:20]
        folder = self.cache_dir / "corrections" / key
        return self._corrections.get(
            root, lambda: Corrections(folder, lambda: self._correctable(root), make=True)
        )

    def given(self) -> dict[str, Correction]:
        """What of it the next run can take: of images and classes that are still there.

        Asked about by every page every second, so the last answer is kept.
        """
        view = self.state
        folder, corrections = view.folder, self.corrections().current() if view.folder else {}
        if folder is None or not corrections:
            return {}

        def make() -> dict[str, Correction]:
            paths = (image.path for image in folder.images)
            return usable(corrections, paths=paths, class_names=view.names)

        return self._given.get("", make, mark=Same(corrections, folder, view.names_text))

    def _correctable(self, root: Path) -> Subjects:
        view = self.state
        if view.folder is None or view.folder.root != root or view.preview is None:
            return Subjects((), ())  # other images came while these were corrected
        return Subjects([image.path for image in view.folder.images], view.preview.class_names)

    def stop(self) -> None:
        """Ask the work that is under way to end; what was read so far stays in the cache."""
        self._lane.stop()

    def restore(self) -> None:
        """Take up what workspace.json says, in the background; what is gone is passed over."""
        saved = load(self._file)
        with self._lock:
            self._set(
                names_text=saved.names_text,
                model=saved.model or "embedded",
                inputs=self._state.inputs + 1,
                prompts=saved.prompts,
                llm_form=saved.llm_form,
                follow_links=saved.follow_links and self.links_allowed,
            )
        if saved.path and Path(saved.path).is_dir():

            def again(task: Task) -> None:
                links = saved.follow_links and self.links_allowed
                self._scan(
                    task, Path(saved.path), saved.source or "folder", keep_names=True,
                    follow_links=links,
                )  # fmt: skip
                if saved.labelled and self.state.names:
                    self._label(task)

            steps = (*_READ, *STEPS) if saved.labelled else ()
            self._start("Taking up the last data set", again, steps)

    # The work -------------------------------------------------------------------------------

    def _demo(self, task: Task) -> None:
        draw = self.draw
        if draw is None:
            from studio.demo import demo_folder

            draw = demo_folder
        path = draw(self.cache_dir, progress=task.begin(_DRAWING))
        self._scan(task, path, "demo", keep_names=False)
        self._label(task)

    def _scan(
        self, task: Task, path: Path, source: str, *, keep_names: bool, follow_links: bool = False
    ) -> None:
        progress, arriving = task.begin(_READING), Arriving.none_of(path)

        def arrived(file: ImageFile, pixels: Pixels) -> None:
            nonlocal arriving
            arriving = arriving.with_image(file, pixels)

        def report(done: int, total: int) -> None:
            with self._lock:
                self._set(arriving=arriving)
            progress(done, total)

        try:
            folder, canvases = prepare(
                path, cache_dir=self.cache_dir, stop=task.stopping, progress=report,
                arrived=arrived, follow_links=follow_links and self.links_allowed,
            )  # fmt: skip
        finally:
            with self._lock:
                self._set(arriving=None)
        with self._lock:
            names, classes = self._state.names_text, class_folders(folder)
            if not keep_names:
                same = self._state.folder is not None and self._state.folder.root == folder.root
                names = names if same and names.strip() else class_text(classes.classes.names)
            self._set(
                folder=folder, canvases=canvases, path=str(path), source=source, names_text=names,
                classes=classes, notes=(),
                preview=None, before=None, plain=None, ranked=None,
                inputs=self._state.inputs + 1, by="",
            )  # fmt: skip
            self._save()
        if source == "folder":
            self.recent.add(path)

    def _label(self, task: Task) -> None:
        view = self.state
        assert view.folder is not None
        assert view.canvases is not None
        names = parse_class_names(view.names_text)
        model = view.model
        if self.limits is not None:
            from studio.clip.sources import fetch

            self.limits.check_model(model)
            fetch(model, begin=task.begin, stop=task.stopping)  # nobody waits for a slow network
        if self.turns.full:
            task.wait_for_others()
        with self.turns.taken(task.stopping):
            preview = self.labeller(
                folder=view.folder,
                canvases=view.canvases,
                class_names=names,
                model=model,
                prompts=view.prompts,
                cache_dir=self.cache_dir,
                begin=task.begin,
                stop=task.stopping,
                truth=truth(view.folder, names, aliases=view.aliases),
            )
        with self._lock:
            self._set(preview=preview, before=None, plain=None)
            self._save()
        if self.after_label is not None:
            self.after_label()

    def _rank(self, task: Task) -> None:
        view = self.state
        assert view.folder is not None
        assert view.canvases is not None
        names = parse_class_names(view.names_text)
        task.begin("Looking which models are here")
        ranked = self.ranker(
            folder=view.folder,
            canvases=view.canvases,
            class_names=names,
            models=self.at_hand(view.model),
            prompts=view.prompts,
            cache_dir=self.cache_dir,
            begin=task.begin,
            stop=task.stopping,
            truth=truth(view.folder, names, aliases=view.aliases),
        )
        with self._lock:
            self._set(ranked=ranked)

    # Plumbing -------------------------------------------------------------------------------

    def _start(
        self, name: str, work: Callable[[Task], None], steps: Sequence[tuple[str, float]] = ()
    ) -> None:
        task = Task(name, work, steps=steps, changed=self._follow)
        with self._lock:
            self._lane.start(task)
            self._set(task=task.state)

    def _follow(self, task: Task) -> None:
        with self._lock:
            self._set(task=task.state)

    def _set(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)

    def wait(self, seconds: float = 60) -> None:
        """Wait for the work under way to end; for tests and for the shutdown."""
        self._lane.wait(seconds)

    @property
    def _file(self) -> Path:
        return self.cache_dir / "workspace.json"

    def _save(self) -> None:
        view = self._state
        saved = Saved(
            view.path, view.source, view.names_text, view.model, view.preview is not None,
            view.prompts, view.llm_form, view.follow_links,
        )  # fmt: skip
        save(self._file, saved)
