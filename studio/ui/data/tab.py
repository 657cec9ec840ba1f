"""The Data tab: images in, class names, and the first labels, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import FolderError
from studio.images.class_lists import read_text
from studio.images.folder import read_class_names
from studio.images.uploads import TAKEN, reading, take_uploads
from studio.session.rooms import Whose
from studio.ui.data.labels import LabelsBox
from studio.ui.data.parts import DataParts
from studio.ui.handlers import InSession
from studio.ui.parts import (
    POLL,
    PRIVATE,
    Part,
    box,
    folding,
    guarded,
    line,
    model_field,
    page_of,
    picked_index,
    script,
    shown_by,
)
from studio.ui.polling import Polling
from studio.ui.uploaded import RAW, several, single
from studio.views import data
from studio.views.render import render


class DataTab(InSession):
    """Builds the tab; handlers are methods, so that tests call them without a browser."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)
        self.shows = DataParts(session)
        self.own_labels = LabelsBox(session)

    # What is on it ----------------------------------------------------------------------------

    def build(self, models: Sequence[str]) -> None:
        """Lay the tab out, inside of gr.Tab."""
        self.steps = gr.HTML(data.steps(0), elem_id="steps")
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=4, min_width=300, elem_classes="side"):
                self._images()
                self._names()
                self._labels(models)
            with gr.Column(scale=7, min_width=320, elem_classes="main"):
                with gr.Column(elem_id="data-work"):
                    self.status = gr.HTML(elem_id="data-status")
                    self.stop = gr.Button(
                        "Stop", visible=False, variant="stop", size="sm", elem_id="data-stop"
                    )
                self.folder = folding(
                    render("data/welcome.html", public=self.session.options.public),
                    elem_id="data-folder",
                )
                self.ranking = folding(elem_id="data-ranking")
                self.preview = folding(elem_id="data-preview")
                self.cache = gr.HTML(elem_id="data-cache")

    def _images(self) -> None:
        with box("Images"):
            self.demo = gr.Button("Try the demo set", variant="primary", elem_id="demo")
            with gr.Row(visible=self.session.options.paths_allowed, elem_classes="inline"):
                self.path = line(
                    "Folder on this machine",
                    placeholder="/home/me/photos",
                    elem_id="folder-path",
                    scale=4,
                    min_width=160,
                    interactive=False,
                )
                narrow: dict[str, Any] = {"scale": 1, "min_width": 84}
                self.scan = gr.Button("Open", elem_id="scan", **narrow)
                self.browse = gr.Button(
                    "Browse…", visible=self.session.folders.can_pick, elem_id="browse", **narrow
                )
            self.links = gr.Checkbox(
                label="Follow links out of the folder",
                visible=self.session.options.links_allowed,
                elem_id="follow-links",
                container=False,
            )
            # Completes the path while it is typed, and holds the folders that were opened last.
            self.recent = gr.HTML(
                elem_id="recent",
                js_on_load=script("pick", "complete"),
                server_functions=[self.completions_of()],
            )
            with gr.Column(elem_id="upload", elem_classes="drop-zone"):
                text = "Or drop images, folders or a zip here"
                gr.HTML(
                    render("data/drop.html", text=text, endings=TAKEN), js_on_load=script("drop")
                )
                with gr.Row(elem_classes="inline"):
                    small: dict[str, Any] = {"size": "sm", "min_width": 120}
                    self.upload_files = gr.UploadButton(
                        "Upload files or a zip",
                        file_count="multiple",
                        file_types=list(TAKEN),
                        elem_id="upload-files",
                        **small,
                    )
                    self.upload_folder = gr.UploadButton(
                        "Upload a folder", file_count="directory", **small
                    )

    def _names(self) -> None:
        with box("Class names"):
            self.names = gr.Textbox(
                label="One on each line, or all on one line with commas between",
                lines=5,
                max_lines=14,
                placeholder="cat\ndog\nsomething else",
                elem_id="class-names",
                interactive=False,
            )
            self.question = gr.Radio(
                label="Which folders are the classes?", visible=False, elem_id="class-folders"
            )
            self.notes = gr.HTML(elem_id="names-notes")
            self.names_file = gr.UploadButton(
                "From a text file", file_types=[".txt", ".tsv", ".csv"], size="sm"
            )
            self.own_labels.build()

    def _labels(self, models: Sequence[str]) -> None:
        with box("First labels"):
            self.model = model_field(models, elem_id="model", listed=self.session.options.public)
            self.rank = gr.Button(
                "Which model?", size="sm", interactive=False, elem_id="rank-models"
            )
        # Outside of the box: it stays in sight, at the lower end of the window.
        with gr.Row(
            elem_classes="inline next-step", elem_id="next-step", visible=False
        ) as self.bar:
            wide: dict[str, Any] = {"min_width": 120, "interactive": False}
            self.label = gr.Button("Label now", elem_id="label", **wide)
            self.train = gr.Button("Continue to training", elem_id="train-on-this", **wide)
            self.start = gr.Button("Start training", elem_id="start-now", **wide)

    def wire(self, polling: Polling, tabs: gr.Tabs) -> None:
        """Connect events; whatever changes anything has the tab asked at once."""
        outputs = shown_by(
            self, "steps", "status", "stop", "folder", "ranking", "preview", "demo", "scan",
            "browse", "recent", "bar", "label", "rank", "train", "start", "path", "names", "model",
            "links", "question", "notes", "cache",
        )  # fmt: skip
        own_labels = self.own_labels
        watched = polling.watch(self.parts, {**outputs, **own_labels.outputs})

        def after(trigger: Any, handler: Callable[..., Any], *inputs: Any, **more: Any) -> None:
            done = trigger(handler, inputs=list(inputs), outputs=None, **{**PRIVATE, **more})
            done.success(**watched.now)

        after(self.demo.click, self.use_demo)
        after(self.scan.click, self.use_path, self.path, self.links)
        after(self.path.submit, self.use_path, self.path, self.links)
        after(self.browse.click, self.use_picked, self.links)
        after(self.recent.select, self.use_recent, self.links)
        after(self.question.input, self.read_as, self.question, preprocess=False)
        after(self.upload_files.upload, several(self.use_upload), self.upload_files, **RAW)
        after(self.upload_folder.upload, several(self.use_upload), self.upload_folder, **RAW)
        after(self.label.click, self.label_now, self.names, self.model)
        after(self.rank.click, self.rank_models, self.names, self.model)
        after(self.names_file.upload, single(self.names_from_file), self.names_file, **RAW)
        after(own_labels.upload.upload, single(own_labels.take), own_labels.upload, **RAW)
        after(own_labels.remove.click, own_labels.forget)
        # Each field tells of itself alone: events of two fields may overtake each other.
        after(self.names.blur, self.remember_names, self.names, **POLL)
        after(self.model.change, self.remember_model, self.model, **POLL)
        after(self.stop.click, self.stop_work)
        self.train.click(self.go_train, [self.names, self.model], [tabs], **PRIVATE)

    # What its buttons do ----------------------------------------------------------------------

    def stop_work(self) -> None:
        """Stop what is being done to the images; what was read stays."""
        self.session.data.stop()

    @guarded
    def use_demo(self) -> None:
        """Draw, scan and label the demo set."""
        self.session.data.use_demo()

    @guarded
    def use_path(self, text: str, links: bool = False) -> None:
        """Read a typed folder; links: whether those that leave it are followed."""
        self._use(self.session.folders.typed(text or ""), links)

    def _use(self, folder: Path, links: object) -> None:
        allowed = self.session.options.links_allowed
        self.session.data.use_folder(folder, follow_links=allowed and links is True)

    @guarded
    def read_as(self, splits: object) -> None:
        """Say whether the outer folders or those in them are the classes."""
        if splits not in ("yes", "no"):
            raise FolderError("Choose one of the two.")
        self.session.data.read_as("yes" if splits == "yes" else "no")

    @guarded
    def use_picked(self, links: bool = False) -> None:
        """Read a folder that is chosen in a window of this machine."""
        folder = self.session.folders.pick()
        if folder is not None:  # else the window was closed
            self._use(folder, links)

    @guarded
    def use_recent(self, event: gr.EventData, links: bool = False) -> None:
        """Read one of the folders that were opened last."""
        folders = self.session.folders.last()
        index = picked_index(event, len(folders))
        if index is None:
            raise FolderError("That folder is not there any more.")
        self._use(self.session.folders.typed(folders[index]), links)

    def completions_of(self) -> Callable[[str], list[str]]:
        """What a page asks while a path is typed: the folders that it may go on to."""

        def completions(text: str) -> list[str]:
            return self.session.folders.completions(text) if isinstance(text, str) else []

        return completions

    @guarded
    def use_upload(self, files: list[str] | None) -> None:
        """Take uploaded files into a folder of their own and read it."""
        session = self.session
        limits = session.options.limits
        notes: list[str] = []
        folder = take_uploads(
            files or [],
            session.options.cache_dir / "uploads",
            allowance=None if limits is None else limits.allowance,
            tell=notes.append,
        )
        session.data.use_folder(folder, source="upload", notes=notes)

    @guarded
    def names_from_file(self, file: str | None) -> None:
        """Class names from an uploaded text file."""
        with reading(file) as path:
            read_class_names(path)  # says what is wrong with it
            text, guessed = read_text(path)
        self.session.data.set_inputs(text, notes=guessed)

    @guarded
    def label_now(self, names: str, model: str, request: gr.Request) -> None:
        """Make the first labels."""
        self.session.data.label(names or "", model or "", by=page_of(request, "data"))

    @guarded
    def rank_models(self, names: str, model: str, request: gr.Request) -> None:
        """Rank the models on this machine for these images."""
        self.session.data.rank(names or "", model or "", by=page_of(request, "data"))

    def remember_names(self, names: str, request: gr.Request) -> None:
        """Keep what was typed for a reload and for other tabs."""
        self.session.data.set_inputs(names or "", by=page_of(request, "data"))

    def remember_model(self, model: str, request: gr.Request) -> None:
        """The same for the model."""
        self.session.data.set_inputs(model=model or "", by=page_of(request, "data"))

    def go_train(self, names: str, model: str, request: gr.Request) -> Any:
        """To the Train tab, with what is typed here."""
        self.session.data.set_inputs(names or "", model or "", by=page_of(request, "data"))
        return gr.Tabs(selected="train")

    # How it looks -----------------------------------------------------------------------------

    def parts(self, shown: Any, request: gr.Request) -> dict[str, Part]:
        """Everything there is to see, see `fresh`."""
        return self.shows.all(bool(shown), page_of(request, "data"))
