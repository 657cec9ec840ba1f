"""The prompts of the data set at hand: edits, one step back, and labels that follow at once.

The prompts themselves are kept by the data set, for reloads and other browsers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cache import Cache, Same
from studio.forking import Lock
from studio.images.folder import truth
from studio.prompts.form import LlmForm
from studio.prompts.prompt_set import PromptSet
from studio.runs.first_labels import Preview
from studio.scores.confused import confused_pairs
from studio.session.dataset import DataSet
from studio.session.state import DataState
from studio.session.tasks import Lane, Task

_STEPS = 50
_QUIET = 1.2
"""Seconds without an edit after which the verdict is made: it takes as long as some edits do."""


@dataclass
class Prompts:
    """See the module. Every edit names what it edits: edits of the same thing are one step."""

    data: DataSet
    quiet: float = _QUIET
    _past: list[PromptSet] = field(default_factory=list)
    _step: str = ""  # what the last edit was about
    _before: Preview | None = None  # the labels before the last step
    _lock: Lock = field(default_factory=Lock)
    _labelling: Lock = field(default_factory=Lock)
    _judging: Lane = field(default_factory=lambda: Lane("verdict"))
    _confused: Cache[str, tuple[tuple[str, str], ...]] = field(
        default_factory=lambda: Cache(most=1)
    )
    _would: Cache[str, Preview] = field(default_factory=lambda: Cache(most=1))
    _truth: Cache[str, NDArray[np.int64] | None] = field(default_factory=lambda: Cache(most=1))

    def __post_init__(self) -> None:
        self.data.after_label = self._labelled

    def edit(self, change: Callable[[PromptSet], PromptSet], *, what: str, by: str = "") -> None:
        """Change the prompts; labels follow before this returns, where the images were looked at.

        Args:
            change: the old prompts to the new ones.
            what: the thing that is edited, e.g. a class.
            by: the page that typed it, see `DataState`.
        """
        with self._lock:
            view = self.data.state
            new = change(view.prompts)
            if new == view.prompts:
                return
            if what != self._step:
                self._past = [*self._past[1 - _STEPS :], view.prompts]
                self._step, self._before = what, view.preview
            self._use(new, by=by)
        self.label()

    def undo(self) -> None:
        """Take the last step back; nothing happens when there is none."""
        with self._lock:
            if not self._past:
                return
            self._step, self._before = "", self.data.state.preview
            self._use(self._past.pop(), by="")
        self.label()

    def llm_form(self, typed: dict[str, Any], *, by: str = "") -> None:
        """Keep what was typed for a language model: some fields of a `LlmForm`, or all."""
        with self._lock:
            before = self.data.state.llm_form
            llm_form = LlmForm.from_dict({**asdict(before), **typed})
            if llm_form != before:
                self.data.change(llm_form=llm_form, prompt_by=by)

    def _use(self, prompts: PromptSet, *, by: str) -> None:
        self.data.change(prompts=prompts, prompt_by=by, can_undo=bool(self._past))

    # Labels -----------------------------------------------------------------------------------

    def label(self) -> None:
        """Label again with the prompts as they stand, if the model has looked at the images."""
        with self._labelling:
            while not self._label_once():
                pass  # labelled from the beginning meanwhile

    def _label_once(self) -> bool:
        view = self.data.state
        old, names = view.preview, view.names
        if old is None or old.encoded is None or not names or old.model != view.model:
            return True
        true = self._truth_of(view, names)
        new, plain, before = old, view.plain, self._before
        if view.stale:
            new = old.encoded.label(names, view.prompts, truth=true)
            # Until it is judged, the last verdict stands.
            new = replace(new, verdict=old.verdict, level=old.level)
            new = _knowing(new, old)
        if plain is None or plain.class_names != new.class_names:
            plain = new
            if not new.prompts.is_default:
                plain = old.encoded.label(names, PromptSet(), truth=true)
        if before is not None and before.class_names != new.class_names:
            before = None
        if not self.data.relabel(old, preview=new, plain=plain, before=before):
            return False
        self._judge_soon(new)
        return True

    def _labelled(self) -> None:
        """The images were labelled from the beginning: older labels say nothing about these."""
        with self._lock:
            self._step, self._before = "", None
        self.label()

    def _truth_of(self, view: DataState, names: Sequence[str]) -> NDArray[np.int64] | None:
        folder, aliases = view.folder, view.aliases
        if folder is None:
            return None
        mark = (Same(folder), names, aliases)
        return self._truth.get("", lambda: truth(folder, names, aliases=aliases), mark=mark)

    # What is not taken yet ---------------------------------------------------------------------

    def confused(self) -> tuple[tuple[str, str], ...] | None:
        """Pairs of classes that the labels mix up, the most confused first; None where there are no
        labels with these names and prompts.
        """
        view = self.data.state
        preview, names = view.preview, view.names
        if preview is None or preview.encoded is None or view.stale:
            return None
        encoded = preview.encoded

        def make() -> tuple[tuple[str, str], ...]:
            soft = encoded.label_softly(names, view.prompts, truth=None)[1]
            return tuple((names[a], names[b]) for a, b, _ in confused_pairs(soft))

        return self._confused.get("", make, mark=Same(preview.labels))

    def would(self, proposal: PromptSet, *, judged: bool = False) -> Preview | None:
        """The labels as they would be with more sentences; None while there are no labels.

        judged: also how many would be right, as it will be told once they are taken; of large sets
            that takes seconds. Who asks again for the same is told that then.
        """
        view = self.data.state
        preview, names = view.preview, view.names
        if preview is None or preview.encoded is None or view.stale:
            return None
        encoded = preview.encoded

        def make() -> Preview:
            prompts = view.prompts.adding(proposal)
            new = encoded.label(names, prompts, truth=self._truth_of(view, names))
            # Estimated from as much as the labels beside it, or the two could not be compared: on
            # the demo the same labels were about 63 % right here and 79 % once they were taken.
            return encoded.judge(new) if judged else _knowing(new, preview)

        return self._would.get("", make, mark=Same(preview, proposal))

    # The verdict ------------------------------------------------------------------------------

    def _judge_soon(self, preview: Preview) -> None:
        """Judge these labels when nobody has edited anything for a while."""
        self._judging.stop()
        if preview.judged:
            return

        def judge(task: Task) -> None:
            task.rest(self.quiet)
            if preview.encoded is not None and self.data.state.preview is preview:
                judged = preview.encoded.judge(preview, progress=task.begin(task.name))
                self.data.relabel(preview, preview=judged)

        self._judging.add(Task("Judging the labels", judge))


def _knowing(new: Preview, old: Preview) -> Preview:
    """New labels with what `scores.knowledge` found of the prompts before: until they are judged
    themselves, it is the best there is.
    """
    known = old.evidence
    if known is None:
        return new
    return new.knowing(z=known.z, near=known.near, agreement=known.agreement)
