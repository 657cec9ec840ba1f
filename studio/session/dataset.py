"""The data set at hand: which folder, which class names, what the model sees in it.

One data per session, shared by all its tabs and written to the cache as workspace.json, so that
a reload, a second browser or a new start of the studio finds it again. Work (drawing, scanning,
labelling) happens in one thread; pages look at a `DataState` and never wait. No gradio in here.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from operator import is_not
from pathlib import Path
from typing import Any

from studio.errors import FolderError, StudioError
from studio.images.canvases import prepare
from studio.images.folder import parse_class_names, propose_class_names, truth
from studio.runs.corrections import Corrections, Subjects
from studio.runs.given import Correction, usable
from studio.session.preview import Preview, label_images
from studio.session.saved import Saved, load, save
from studio.session.state import DataState

_log = logging.getLogger(__name__)
_MAX_NAMES_TEXT = 200_000
_NO_IMAGES = "Choose images first: the demo set, a folder or an upload."


Report = Callable[[str, int, int], None]


class _StoppedError(StudioError):
    """The user stopped the work."""


@dataclass
class DataSet:
    """See the module. `labeller` and `draw` are replaced in tests."""

    cache_dir: Path
    labeller: Callable[..., Preview] = label_images
    draw: Callable[..., Path] | None = None
    after_label: Callable[[], None] | None = None  # told in the thread that labelled
    _state: DataState = field(default_factory=DataState)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _said: tuple[Path, Corrections] | None = None
    _given: tuple[tuple[object, ...], dict[str, Correction]] | None = None

    @property
    def state(self) -> DataState:
        """How things stand now; never changes once taken."""
        with self._lock:
            return self._state

    # What a user asks for -------------------------------------------------------------------

    def use_demo(self) -> None:
        """Draw the demo set if need be, scan it and label it. Returns at once."""
        self._start("Drawing the demo set", self._demo)

    def use_folder(self, path: Path, *, source: str = "folder") -> None:
        """Scan a folder; class names are proposed from its sub-folders. Returns at once."""
        self._start("Reading the folder", lambda: self._scan(path, source, keep_names=False))

    def label(self, names_text: str, model: str, *, by: str = "") -> None:
        """Label the images zero-shot with these names. Returns at once.

        Raises:
            StudioError: there are no images yet, the names cannot be used, or work is under way.
        """
        if self.state.folder is None:
            raise FolderError(_NO_IMAGES)
        parse_class_names(names_text[:_MAX_NAMES_TEXT])
        self.set_inputs(names_text, model, by=by)
        self._start("Loading the model", self._label)

    def set_inputs(
        self, names_text: str | None = None, model: str | None = None, *, by: str = ""
    ) -> None:
        """Remember what was typed, for all tabs and the next start; None: as it is.

        by: see `DataState`.
        """
        with self._lock:
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
            if self._said is None or self._said[0] != root:
                key = hashlib.sha256(os.fsencode(root)).hexdigest()[:20]
                kept = self.cache_dir / "corrections" / key
                self._said = root, Corrections(kept, lambda: self._known(root), make=True)
            return self._said[1]

    def given(self) -> dict[str, Correction]:
        """What of it the next run can take: of images and classes that are still there.

        Asked about by every page every second, so the last answer is kept.
        """
        view = self.state
        said = self.corrections().current() if view.folder is not None else {}
        if view.folder is None or not said:
            return {}
        made_of, kept = (said, view.folder, view.names_text), self._given
        if kept is None or any(map(is_not, made_of, kept[0])):
            paths = (image.path for image in view.folder.images)
            kept = made_of, usable(said, paths=paths, class_names=view.names)
            self._given = kept
        return kept[1]

    def _known(self, root: Path) -> Subjects:
        view = self.state
        if view.folder is None or view.folder.root != root or view.preview is None:
            return Subjects((), ())  # other images came while somebody spoke of these
        return Subjects([image.path for image in view.folder.images], view.preview.class_names)

    def stop(self) -> None:
        """Ask the work that is under way to end; what was read so far stays in the cache."""
        self._stop.set()

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
            )
        if saved.path and Path(saved.path).is_dir():

            def again() -> None:
                self._scan(Path(saved.path), saved.source or "folder", keep_names=True)
                if saved.labelled and self.state.names:
                    self._label()

            self._start("Taking up the last data set", again)

    # The work -------------------------------------------------------------------------------

    def _demo(self) -> None:
        draw = self.draw
        if draw is None:
            from studio.demo import demo_folder

            draw = demo_folder
        path = draw(
            self.cache_dir,
            progress=lambda done, total: self._report("Drawing the demo set", done, total),
        )
        self._scan(path, "demo", keep_names=False)
        self._label()

    def _scan(self, path: Path, source: str, *, keep_names: bool) -> None:
        folder, canvases = prepare(
            path,
            cache_dir=self.cache_dir,
            stop=self._stop.is_set,
            progress=lambda done, total: self._report("Reading the images", done, total),
        )
        with self._lock:
            names = self._state.names_text
            if not keep_names:
                proposed = propose_class_names(folder)
                same = self._state.folder is not None and self._state.folder.root == folder.root
                names = names if same and names.strip() else "\n".join(proposed)
            self._set(
                folder=folder, canvases=canvases, path=str(path), source=source, names_text=names,
                preview=None, before=None, plain=None, inputs=self._state.inputs + 1, by="",
            )  # fmt: skip
            self._save()

    def _label(self) -> None:
        view = self.state
        assert view.folder is not None
        assert view.canvases is not None
        names = parse_class_names(view.names_text)
        preview = self.labeller(
            folder=view.folder,
            canvases=view.canvases,
            class_names=names,
            model=view.model,
            prompts=view.prompts,
            cache_dir=self.cache_dir,
            report=self._report,
            stop=self._stop.is_set,
            truth=truth(view.folder, names, aliases=view.aliases),
        )
        with self._lock:
            self._set(preview=preview, before=None, plain=None)
            self._save()
        if self.after_label is not None:
            self.after_label()

    # Plumbing -------------------------------------------------------------------------------

    def _start(self, text: str, work: Callable[[], None]) -> None:
        with self._lock:
            if self._state.busy:
                raise StudioError(
                    f"The studio is busy ({self._state.busy.lower()}); wait for it or stop it."
                )
            self._stop.clear()
            self._set(busy=text, done=0, total=0, error="")
            self._thread = threading.Thread(
                target=self._run, args=(work,), name="data", daemon=True
            )
            self._thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        error = ""
        try:
            work()
        except StudioError as known:
            error = "" if self._stop.is_set() else str(known)
        except Exception:  # a bug must not leave the page busy for ever
            if not self._stop.is_set():  # the encoder says "stopped" in its own way
                _log.exception("the data could not do what it was asked for")
                error = "Something went wrong that should not have; the terminal shows what."
        with self._lock:
            self._set(busy="", done=0, total=0, error=error)

    def _report(self, text: str, done: int, total: int) -> None:
        if self._stop.is_set():
            raise _StoppedError("stopped")
        with self._lock:
            self._set(busy=text, done=done, total=total)

    def _set(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes, revision=self._state.revision + 1)

    def wait(self, seconds: float = 60) -> None:
        """Wait for the work under way to end; for tests and for the shutdown."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    @property
    def _file(self) -> Path:
        return self.cache_dir / "workspace.json"

    def _save(self) -> None:
        view = self._state
        saved = Saved(
            view.path, view.source, view.names_text, view.model, view.preview is not None,
            view.prompts, view.llm_form,
        )  # fmt: skip
        save(self._file, saved)
