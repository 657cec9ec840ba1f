"""The data set at hand as it stands, and what is kept of it: one state, changed in one place.

It is written to the cache as workspace.json, so that a reload, a second browser or a new start of
the studio finds it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studio.cache import Cache, Same
from studio.errors import FolderError
from studio.forking import Lock
from studio.images.folder import class_text, parse_class_names
from studio.images.names import same
from studio.runs.corrections import Corrections, Subjects, folder_corrections
from studio.runs.first_labels import Preview
from studio.runs.given import Correction, usable
from studio.session.label_table import keep, read_table
from studio.session.saved import Saved, save
from studio.session.source import OTHER_IMAGES
from studio.session.state import DataState

MAX_NAMES_TEXT = 200_000
NO_IMAGES = "Choose images first: the demo set, a folder or an upload."


@dataclass
class Workspace:
    """See the module. What is done to the data set is in `session.dataset`."""

    cache_dir: Path
    _state: DataState = field(init=False, default_factory=DataState)
    _lock: Lock = field(init=False, default_factory=Lock)
    _corrections: Cache[Path, Corrections] = field(
        init=False, default_factory=lambda: Cache(most=1)
    )
    _given: Cache[str, dict[str, Correction]] = field(
        init=False, default_factory=lambda: Cache(most=1)
    )

    @property
    def state(self) -> DataState:
        """How things stand now; never changes once taken."""
        with self._lock:
            return self._state

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
            names_text, model = names_text[:MAX_NAMES_TEXT], model.strip()[:1000] or "embedded"
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

    def set_table(self, path: Path) -> None:
        """Take the labels that came with the images from a table, for runs to check; where no
        class is named yet they name the classes.

        Raises:
            StudioError: there are no images, or the table cannot be used; why is said.
        """
        view = self.state
        folder = view.folder
        if folder is None:
            raise FolderError(NO_IMAGES)
        table = read_table(path, folder=folder, class_names=view.names, aliases=view.aliases)
        names: str | None = None
        if not view.names:
            found = {same(name): name for name in sorted(table.labels.values())}
            names = class_text(tuple(found.values()), {})
            parse_class_names(names)
        with self._lock:
            if self._state.folder is not folder:
                raise FolderError("Other images came meanwhile; give the table again.")
            self._set(table=table)
            keep(self.cache_dir, folder.root, table)
            self.set_inputs(names)

    def remove_table(self) -> None:
        """Forget the labels that came with the images."""
        with self._lock:
            self._set(table=None)
            if self._state.folder is not None:
                keep(self.cache_dir, self._state.folder.root, None)

    def corrections(self, images: str = "") -> Corrections:
        """What people said about the images at hand before any run; kept for this folder.

        images: the mark of those that are meant, see `session.source`; empty: whichever there are.

        Raises:
            FolderError: there are no images, or others by now.
        """
        with self._lock:
            if self._state.folder is None:
                raise FolderError(NO_IMAGES)
            if not self._state.folder.fingerprint.startswith(images):
                raise FolderError(OTHER_IMAGES)
            root = self._state.folder.root

        def make() -> Corrections:
            return folder_corrections(
                root, cache_dir=self.cache_dir, subjects=lambda: self._correctable(root)
            )

        return self._corrections.get(root, make)

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

    def _set(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)

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
