"""The data set at hand: which folder, which class names, what the model sees in it.

One per session, shared by all its tabs. Work (drawing, scanning, labelling) is done in the
background; pages look at a `DataState` and never wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from studio.errors import FolderError
from studio.images.arriving import Arriving
from studio.images.canvas_shards import Pixels
from studio.images.choosing import RecentFolders
from studio.images.class_folders import Splits
from studio.images.class_lists import MAX_NAME_LENGTH
from studio.images.folder import ImageFile, class_folders, class_text, parse_class_names, truth
from studio.images.names import clean, same
from studio.images.preparing import prepare
from studio.runs.encoding import LOADING
from studio.runs.first_labels import STEPS, Preview, label_images
from studio.runs.turns import Turns
from studio.runs.which_model import Ranked, models_here, rank_models
from studio.session.label_table import kept as kept_table
from studio.session.limits import Limits
from studio.session.saved import load
from studio.session.tasks import Lane, Task
from studio.session.workspace import MAX_NAMES_TEXT, NO_IMAGES, Workspace

_DRAWING, _READING = "Drawing the demo set", "Reading the images"
_READ = ((_READING, 3.0),)


@dataclass
class DataSet(Workspace):
    """See the module. `labeller`, `ranker`, `at_hand` and `draw` are replaced in tests."""

    labeller: Callable[..., Preview] = label_images
    ranker: Callable[..., Ranked] = rank_models
    at_hand: Callable[[str], list[str]] = models_here
    draw: Callable[..., Path] | None = None
    after_label: Callable[[], None] | None = None  # called in the thread that labelled
    limits: Limits | None = None  # where strangers share the page
    links_allowed: bool = False  # whether links may be followed out of a folder
    turns: Turns = field(default_factory=lambda: Turns(at_once=1000))  # of all that label
    recent: RecentFolders = field(init=False)
    _lane: Lane = field(default_factory=lambda: Lane("data"))

    def __post_init__(self) -> None:
        self.recent = RecentFolders(self.cache_dir)

    # What a user asks for -------------------------------------------------------------------

    def use_demo(self, *, names_text: str | None = None) -> None:
        """Draw the demo set if need be, scan it and label it, with these names or its own. Returns
        at once.
        """

        def work(task: Task) -> None:
            self._demo(task, names_text)

        self._start(_DRAWING, work, ((_DRAWING, 6.0), *_READ, *STEPS))

    def use_folder(
        self,
        path: Path,
        *,
        source: str = "folder",
        follow_links: bool = False,
        notes: Sequence[str] = (),
        then_label: bool = False,
        names_text: str | None = None,
    ) -> None:
        """Scan a folder; class names are proposed from its sub-folders. Returns at once.

        follow_links: out of the folder as well; notes: what is to be said of how it came here;
        then_label: with these names, or with those that are proposed.
        """

        def work(task: Task) -> None:
            self._scan(task, path, source, keep_names=False, follow_links=follow_links)
            with self._lock:
                self._set(notes=tuple(notes))
            if then_label:
                self.set_inputs(names_text)
                self._check(self.state.names_text, self.state.model)
                self._label(task)

        with self._lock:
            self._set(follow_links=follow_links)
        steps = (*_READ, *STEPS) if then_label else ()
        self._start("Reading the folder", work, steps)

    def read_as(self, splits: Splits) -> None:
        """Say which sub-folders are the classes, where that was in doubt: "yes" takes the outer
        ones for parts of a split set.
        """
        with self._lock:
            folder = self._state.folder
            if folder is None:
                raise FolderError(NO_IMAGES)
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

    def add_class(self, name: str) -> str:
        """Add a class name to those of the first labels; the name as it is kept. Labels are made
        anew by who asks (`Prompts.label`).

        Raises:
            StudioError: it cannot be used, there is one that is written alike, or the labels are
                not of the names as they stand.
        """
        with self._lock:
            view, name = self._state, clean(name)
            if view.folder is None or view.preview is None:
                raise FolderError(NO_IMAGES)
            if view.stale:
                raise FolderError("The class names have changed: label the images again first.")
            before = next((old for old in view.names if same(old) == same(name)), None)
            if before is not None:
                raise FolderError(f"There is a class “{before}” already.")
            if not name or len(name) > MAX_NAME_LENGTH:
                raise FolderError(
                    f"Give the new class a name of 1 to {MAX_NAME_LENGTH} characters."
                )
            names = [*view.names, name]
            if self.limits is not None:
                self.limits.check_names(names)
            self.set_inputs(class_text(names, view.aliases))
            return name

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
            raise FolderError(NO_IMAGES)
        names = parse_class_names(names_text[:MAX_NAMES_TEXT])
        if self.limits is not None:
            self.limits.check_names(names)
            self.limits.check_model(model.strip() or "embedded")

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

    def _demo(self, task: Task, names_text: str | None) -> None:
        draw = self.draw
        if draw is None:
            from studio.demo import demo_folder

            few = 0 if self.limits is None else self.limits.demo
            draw = partial(demo_folder, per_class=few) if few else demo_folder
        path = draw(self.cache_dir, progress=task.begin(_DRAWING))
        self._scan(task, path, "demo", keep_names=False)
        self.set_inputs(names_text)
        self._check(self.state.names_text, self.state.model)
        self._label(task)

    def _scan(
        self, task: Task, path: Path, source: str, *, keep_names: bool, follow_links: bool = False
    ) -> None:
        progress, arriving = task.begin(_READING), Arriving.none_of(path)
        names_before = self.state.names_text

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
                typed = names != names_before  # while the folder was being read
                kept = (same or typed) and names.strip()
                names = names if kept else class_text(classes.classes.names)
            self._set(
                folder=folder, canvases=canvases, path=str(path), source=source, names_text=names,
                classes=classes, notes=(), table=kept_table(self.cache_dir, folder.root),
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

    def wait(self, seconds: float = 60) -> None:
        """Wait for the work under way to end; for tests and for the shutdown."""
        self._lane.wait(seconds)
