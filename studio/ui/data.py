"""The Data tab: images in, class names, and what the model sees before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import FolderError
from studio.images.folder import read_class_names
from studio.images.uploads import ENDINGS, take_uploads
from studio.session.session import Session
from studio.session.state import DataState
from studio.ui.parts import (
    MODEL_INFO,
    POLL,
    PRIVATE,
    Lazy,
    Part,
    field_of,
    folding,
    fresh,
    guard,
    page_of,
)
from studio.ui.polling import Polling
from studio.views import data
from studio.views.markup import notice, progress
from studio.views.numbers import plural


class DataTab:
    """Builds the tab; handlers are methods, so that tests call them without a browser."""

    def __init__(self, session: Session) -> None:
        self.session = session

    # What is on it ----------------------------------------------------------------------------

    def build(self, models: Sequence[str]) -> None:
        """Lay the tab out, inside of gr.Tab."""
        paths = self.session.options.paths_allowed
        self.steps = gr.HTML(data.steps(0), elem_id="steps")
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=4, min_width=300, elem_classes="side"):
                with gr.Column(elem_classes="box"):
                    gr.HTML('<h3 class="box-title">Images</h3>')
                    self.demo = gr.Button("Try the demo set", variant="primary", elem_id="demo")
                    with gr.Row(visible=paths, elem_classes="inline"):
                        self.path = gr.Textbox(
                            label="Folder on this machine",
                            placeholder="/home/me/photos",
                            elem_id="folder-path",
                            max_lines=1,
                            scale=4,
                            min_width=160,
                            interactive=False,
                        )
                        self.scan = gr.Button("Open", scale=1, min_width=84, elem_id="scan")
                    with gr.Row(elem_classes="inline"):
                        self.upload_files = gr.UploadButton(
                            "Upload files or a zip",
                            file_count="multiple",
                            file_types=[*ENDINGS, ".zip"],
                            min_width=120,
                        )
                        self.upload_folder = gr.UploadButton(
                            "Upload a folder", file_count="directory", min_width=120
                        )
                with gr.Column(elem_classes="box"):
                    gr.HTML('<h3 class="box-title">Class names</h3>')
                    self.names = gr.Textbox(
                        label="One a line, or separated by commas",
                        lines=8,
                        max_lines=14,
                        placeholder="cat\ndog\nsomething else",
                        elem_id="class-names",
                        interactive=False,
                    )
                    self.names_file = gr.UploadButton(
                        "From a text file", file_types=[".txt", ".tsv", ".csv"], size="sm"
                    )
                with gr.Column(elem_classes="box"):
                    gr.HTML('<h3 class="box-title">Labels without training</h3>')
                    self.model = gr.Dropdown(
                        list(models),
                        value=models[0],
                        interactive=False,
                        label="Model",
                        allow_custom_value=True,
                        elem_id="model",
                        info=MODEL_INFO,
                    )
                    with gr.Row(elem_classes="inline"):
                        self.label = gr.Button(
                            "Label the images", elem_id="label", min_width=140, interactive=False
                        )
                        self.train = gr.Button(
                            "Train on this",
                            elem_id="train-on-this",
                            min_width=140,
                            interactive=False,
                        )
            with gr.Column(scale=7, min_width=320, elem_classes="main"):
                self.status = gr.HTML(elem_id="data-status")
                self.stop = gr.Button(
                    "Stop", visible=False, variant="stop", size="sm", elem_id="data-stop"
                )
                self.folder = folding(data.welcome(), elem_id="data-folder")
                self.preview = folding(elem_id="data-preview")
        self.shown = gr.State({})
        self.outputs: list[Any] = [
            self.shown,
            self.steps,
            self.status,
            self.stop,
            self.folder,
            self.preview,
            self.demo,
            self.scan,
            self.label,
            self.train,
            self.path,
            self.names,
            self.model,
        ]

    def wire(self, beat: Polling, tabs: gr.Tabs) -> None:
        """Connect events; whatever changes anything has the tab asked at once."""
        poll = {"fn": self.poll, "inputs": [self.shown], "outputs": self.outputs, **POLL}
        ask = beat.watch(self.parts, poll)

        def after(
            trigger: Any, handler: Callable[..., Any], inputs: Sequence[Any], **more: Any
        ) -> None:
            how = {**PRIVATE, **more}
            trigger(handler, inputs=list(inputs), outputs=None, **how).success(**ask)

        after(self.demo.click, self.use_demo, [])
        after(self.scan.click, self.use_path, [self.path])
        after(self.path.submit, self.use_path, [self.path])
        after(self.upload_files.upload, self.use_upload, [self.upload_files])
        after(self.upload_folder.upload, self.use_upload, [self.upload_folder])
        after(self.label.click, self.label_now, [self.names, self.model])
        after(self.names_file.upload, self.names_from_file, [self.names_file])
        # Each field tells of itself alone: events of two fields may overtake each other.
        after(self.names.blur, self.remember_names, [self.names], **POLL)
        after(self.model.change, self.remember_model, [self.model], **POLL)
        after(self.stop.click, self.session.data.stop, [])
        self.train.click(
            self.go_train,
            inputs=[self.names, self.model],
            outputs=[tabs],
            **PRIVATE,
        )

    # What its buttons do ----------------------------------------------------------------------

    def use_demo(self) -> None:
        """Draw, scan and label the demo set."""
        guard(self.session.data.use_demo)

    def use_path(self, text: str) -> None:
        """Read a typed folder."""
        guard(lambda: self.session.data.use_folder(self.session.typed_folder(text or "")))

    def use_upload(self, files: list[str] | None) -> None:
        """Take uploaded files into a folder of their own and read it."""

        def work() -> None:
            folder = take_uploads(files or [], self.session.options.cache_dir / "uploads")
            self.session.data.use_folder(folder, source="upload")

        guard(work)

    def names_from_file(self, file: str | None) -> None:
        """Class names from an uploaded text file."""

        def work() -> None:
            if not file:
                raise FolderError("That file did not arrive; try again.")
            read_class_names(Path(file))  # says what is wrong with it
            text = Path(file).read_text(encoding="utf-8", errors="replace")
            self.session.data.set_inputs(text)

        guard(work)

    def label_now(self, names: str, model: str, request: gr.Request) -> None:
        """Label zero-shot."""
        guard(
            lambda: self.session.data.label(names or "", model or "", by=page_of(request, "data"))
        )

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

    def poll(self, shown: dict[str, Any], request: gr.Request) -> list[Any]:
        """Everything that has changed since this page last asked."""
        return fresh(shown, **self.parts(shown, request))

    def parts(self, shown: dict[str, Any], request: gr.Request) -> dict[str, Part]:
        """Everything there is to see."""
        view = self.session.data.state
        path = view.path if view.source == "folder" else ""
        typed_here = bool(shown) and view.by == page_of(request, "data")
        busy = bool(view.busy)
        mark = (id(view.folder), id(view.preview), view.stale, view.source)
        return {
            "steps": (step_of(view), data.steps(min(step_of(view), 2))),
            "status": ((view.busy, view.done, view.total, view.error), status_html(view)),
            "stop": (busy, gr.update(visible=busy)),
            "folder": ((*mark[:1], view.source, len(view.names)), Lazy(self._folder_html, view)),
            "preview": (mark, Lazy(self._preview_html, view)),
            "demo": (
                (busy, step_of(view)),
                gr.update(interactive=not busy, variant=_variant(step_of(view) == 0)),
            ),
            "scan": (busy, gr.update(interactive=not busy)),
            "label": (
                (busy, step_of(view)),
                gr.update(
                    interactive=not busy and view.folder is not None,
                    variant=_variant(step_of(view) in (1, 2)),
                ),
            ),
            "train": (
                (step_of(view),),
                gr.update(
                    interactive=view.folder is not None, variant=_variant(step_of(view) == 3)
                ),
            ),
            "path": (view.inputs, gr.skip() if typed_here else field_of(path)),
            "names": (view.inputs, gr.skip() if typed_here else field_of(view.names_text)),
            "model": (view.inputs, gr.skip() if typed_here else field_of(view.model)),
        }

    def _folder_html(self, view: DataState) -> str:
        folder, canvases = view.folder, view.canvases
        if folder is None or canvases is None:
            return data.welcome()
        return data.folder_html(
            folder,
            source=view.source,
            classes=len(view.names),
            picture=lambda i: self.session.picture(folder, canvases, i),
        )

    def _preview_html(self, view: DataState) -> str:
        folder, canvases, preview = view.folder, view.canvases, view.preview
        if folder is None or canvases is None or preview is None:
            return ""
        return data.preview_html(
            class_names=preview.class_names,
            counts=preview.counts(),
            best=preview.best,
            confidence=lambda i: float(preview.confidence[i]),
            path=lambda i: folder.images[i].path,
            picture=lambda i: self.session.picture(folder, canvases, i),
            verdict=preview.verdict,
            level=preview.level,
            accuracy=preview.accuracy,
            model=preview.model,
            stale=view.stale,
            estimate=preview.estimate,
        )


def step_of(view: DataState) -> int:
    """Which of the three steps comes next; 3 = labelled."""
    if view.folder is None:
        return 0
    if not view.names:
        return 1
    return 3 if view.preview is not None and not view.stale else 2


def status_html(view: DataState) -> str:
    """What is being done, or what went wrong, in a live region."""
    inside = ""
    if view.busy:
        detail = f"{view.done:,} of {plural(view.total, 'image')}" if view.total else ""
        inside = progress(view.done, view.total, label=view.busy, detail=detail)
    elif view.error:
        inside = notice(view.error, kind="bad", title="That did not work.")
    return f'<div role="status" aria-live="polite">{inside}</div>'


def _variant(primary: bool) -> str:
    return "primary" if primary else "secondary"
