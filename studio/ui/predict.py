"""The Predict tab: drop images on a finished run, and see what it says of them and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from studio.analysis.predicted import Answers
from studio.errors import RunError, StudioError
from studio.images.uploads import TAKEN, discard
from studio.session.predicted import has_classifier, predict_uploads
from studio.session.rooms import Whose
from studio.ui.export import DOWNLOAD
from studio.ui.handlers import InSession
from studio.ui.parts import PRIVATE, UNCHECKED, box
from studio.ui.uploaded import paths_of
from studio.views import predict, runs
from studio.views.render import part, render

_WAIT_S = 0.4


class PredictTab(InSession):
    """Builds the tab; handlers are methods, so that tests call them without a browser."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)

    def build(self) -> None:
        """Lay the tab out, inside of gr.Tab."""
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=4, min_width=300, elem_classes="side"), box("Label other images"):
                self.run = gr.Dropdown([], label="Run", elem_id="predict-run")
                with gr.Column(elem_id="predict-upload", elem_classes="drop-zone"):
                    text = "Drop images, folders or a zip here"
                    gr.HTML(render("data/drop.html", text=text, endings=TAKEN))
                    self.upload = gr.UploadButton(
                        "Upload images or a zip",
                        file_count="multiple",
                        file_types=list(TAKEN),
                        size="sm",
                        interactive=False,
                        elem_id="predict-files",
                    )
                self.table = gr.Button(
                    "Download predictions.csv", visible=False, size="sm", elem_id="predict-table"
                )
            with gr.Column(scale=7, min_width=320, elem_classes="main"):
                self.message = gr.HTML(elem_id="predict-message")
                self.answers = gr.HTML(
                    render("predict/hint.html", runs=False), elem_id="predict-answers"
                )
        self.url = gr.Textbox(visible=False)

    def wire(self, tab: gr.Tab) -> None:
        """Connect events."""
        choices = [self.run, self.upload, self.answers]
        tab.select(self.choices, inputs=[self.run], outputs=choices, **UNCHECKED)
        self.upload.upload(
            self.predict, inputs=[self.run, self.upload],
            outputs=[self.message, self.answers, self.table, self.url],
            concurrency_id="predict", concurrency_limit=4, **UNCHECKED,
        )  # fmt: skip
        self.table.click(None, inputs=[self.url], js=DOWNLOAD, **PRIVATE)

    def choices(self, current: Any) -> list[Any]:
        """The runs that have a classifier; what was found out for another run stays shown."""
        infos = [i for i in self.session.store.list() if self._can_label(i.id)]
        ids = [info.id for info in infos]
        chosen = current if current in ids else next(iter(ids), None)
        options = [(runs.run_label(info), info.id) for info in infos]
        shown = gr.skip() if current == chosen else render("predict/hint.html", runs=bool(ids))
        return [
            gr.update(choices=options, value=chosen), gr.update(interactive=bool(ids)), shown,
        ]  # fmt: skip

    def _can_label(self, run_id: str) -> bool:
        try:
            return has_classifier(self.session.store.get(run_id).path)
        except StudioError:  # deleted this moment
            return False

    def predict(self, run_id: Any, sent: Any) -> Iterator[list[Any]]:
        """Label what was dropped: yields how far that is, and then what was found out.

        run_id, sent: as the page sends them, which may be anything.
        """
        files, session = paths_of(sent), self.session
        off = gr.update(visible=False)
        try:
            if not isinstance(run_id, str) or not run_id:
                discard(files)
                raise RunError("Choose a run first.")
            task = predict_uploads(session, run_id, files)
        except StudioError as error:
            discard(files)
            yield [part("notice", str(error), kind="bad"), gr.skip(), off, ""]
            return
        while task.pending:
            yield [part("waiting", task.state, before="Labelling"), gr.skip(), off, ""]
            task.ended.wait(_WAIT_S)
        if task.error:
            yield [part("notice", task.error, kind="bad"), gr.skip(), off, ""]
            return
        found: Answers = task.value
        yield [
            "", predict.answers(found), gr.update(visible=True), session.address(found.table)
        ]  # fmt: skip
