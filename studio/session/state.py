"""The data set at hand as a page sees it: a snapshot that never changes once it is taken."""

from __future__ import annotations

from dataclasses import dataclass, field

from studio.errors import FolderError
from studio.images.arriving import Arriving
from studio.images.canvases import Canvases
from studio.images.folder import (
    ClassFolders,
    Folder,
    parse_aliases,
    parse_class_names,
    parse_classes,
)
from studio.prompts.form import LlmForm
from studio.prompts.prompt_set import PromptSet
from studio.runs.first_labels import Preview
from studio.runs.which_model import Ranked
from studio.session.label_table import LabelTable
from studio.session.task import TaskState


@dataclass(frozen=True)
class DataState:
    """What a page needs to draw itself.

    inputs: changes when folder, names or model are set. With `by` it keeps a page from overwriting
    the fields that its own user is typing in.
    prompt_by: the same for the Prompts tab. before: the labels before the last change of prompts;
    plain: those with the model's own template only.
    """

    inputs: int = 0
    by: str = ""  # the page that typed the inputs; empty: the studio itself
    source: str = ""  # "demo", "folder" or "upload"; empty: nothing chosen yet
    path: str = ""
    names_text: str = ""
    model: str = "embedded"
    task: TaskState | None = None  # the last work that was asked for; None: none yet
    arriving: Arriving | None = None  # what is there of the folder that is being read
    folder: Folder | None = None
    classes: ClassFolders = field(default_factory=ClassFolders)  # what its sub-folders say
    notes: tuple[str, ...] = ()  # what was guessed when the images or the names arrived
    table: LabelTable | None = None  # the labels that came with the images, to be checked
    follow_links: bool = False  # whether that is asked for
    canvases: Canvases | None = None
    preview: Preview | None = None
    ranked: Ranked | None = None  # the models at hand, for these images
    prompts: PromptSet = field(default_factory=PromptSet)
    llm_form: LlmForm = field(default_factory=LlmForm)
    prompt_by: str = ""
    can_undo: bool = False
    before: Preview | None = None
    plain: Preview | None = None

    @property
    def busy(self) -> str:
        """What is being done, in words; empty: nothing."""
        return "" if self.task is None or self.task.ended else self.task.text

    @property
    def error(self) -> str:
        """Why the last work failed, in one line."""
        return "" if self.task is None else self.task.error

    @property
    def names(self) -> list[str]:
        """The class names as they stand; [] while there are fewer than two."""
        try:
            return parse_class_names(self.names_text)
        except FolderError:
            return []

    @property
    def names_notes(self) -> tuple[str, ...]:
        """What was merged, left out or looks doubtful in the class names as they stand."""
        try:
            found = parse_classes(self.names_text).notes
        except FolderError:
            return ()
        proposed = self.classes.classes
        own = proposed.notes if self.names == list(proposed.names) else ()
        return tuple(dict.fromkeys((*own, *found)))

    @property
    def aliases(self) -> dict[str, str]:
        """Folder name -> class name, where the text says so."""
        return parse_aliases(self.names_text)

    @property
    def stale(self) -> bool:
        """Whether the preview was made with other names, prompts or another model."""
        preview, names = self.preview, self.names
        return preview is not None and (
            list(preview.class_names) != names
            or preview.model != self.model
            or preview.prompts != self.prompts.only(names)
        )

    @property
    def ranked_stale(self) -> bool:
        """Whether the models were compared with other names or prompts."""
        ranked, names = self.ranked, self.names
        return ranked is not None and (
            list(ranked.class_names) != names or ranked.prompts != self.prompts.only(names)
        )

    @property
    def doubt(self) -> str:
        """Why training may not help, when the labels say so."""
        if self.preview is None or self.stale or self.preview.level != "near chance":
            return ""
        return "The model knows nothing about these images, so that training cannot help it much."
