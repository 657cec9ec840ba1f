"""The Export tab: labels as a table, the model as a zip, and how to use both elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import gradio as gr

from studio.errors import RunError, StudioError
from studio.export.formats import FORMATS, format_of
from studio.export.labels import LABEL_COLUMNS, label_rows
from studio.export.subject import CLEAN, EVERYTHING, Subject
from studio.export.weights import model_files
from studio.places import DOCS
from studio.runs.outcome import Outcome
from studio.session.downloads import download
from studio.session.rooms import Whose
from studio.session.session import Session
from studio.session.task import Task
from studio.ui.handlers import InSession
from studio.ui.parts import PRIVATE, UNCHECKED, box, folding, guard, guarded
from studio.views import export, runs
from studio.views.render import part, render

DOWNLOAD = """(url) => {
  if (!url) return;
  const link = document.createElement("a");
  link.href = url;
  link.download = "";
  link.click();
}"""
"""Files are made when asked for; then the browser is sent to fetch them."""

PREVIEW_ROWS = 5
_WAIT_S = 0.4  # between two looks at how far a file is
LOOKED_AT = 2000
"""Images at most whose files are looked at, to say how many and how large all would be."""
_OTHERS = [format for format in FORMATS.values() if format.name not in ("csv", "model")]
"""Formats without a button of their own."""
SNIPPET = DOCS / "export.md"


class Shown(NamedTuple):
    """What is shown of a run, by the name of its place on the tab."""

    about: str
    preview: str
    labels: Any
    model: Any
    files: str
    other: Any


class ExportTab(InSession):
    """Builds the tab; handlers are methods, so that tests call them without a browser."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)

    def build(self) -> None:
        """Lay the tab out, inside of gr.Tab."""
        with gr.Column(elem_classes="box"):
            self.run = gr.Dropdown([], label="Run", elem_id="export-run")
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=4, min_width=300, elem_classes="side"):
                with box("Labels"):
                    gr.HTML(render("export/labels.html"))
                    off: dict[str, Any] = {"interactive": False}
                    self.labels = gr.Button(
                        "Download labels.csv", variant="primary", elem_id="download-labels", **off
                    )
                with box("Model"):
                    gr.HTML(render("export/model.html"))
                    self.model = gr.Button("Download the model", elem_id="download-model", **off)
                with box("For another tool"):
                    self.format = gr.Dropdown(
                        [(format.title, format.name) for format in _OTHERS],
                        value=_OTHERS[0].name, label="Format", elem_id="export-format",
                    )  # fmt: skip
                    self.only_clean = gr.Checkbox(
                        False, label="Only images with a clean label", elem_id="export-clean"
                    )
                    self.files = folding(elem_id="export-files")
                    self.other = gr.Button("Download", elem_id="download-other", **off)
            with gr.Column(scale=7, min_width=320, elem_classes="main"):
                self.message = gr.HTML(elem_id="export-message")
                self.about = folding(elem_id="export-about")
        self.preview = folding(elem_id="export-preview")
        gr.Markdown(snippet(), elem_id="export-snippet")
        self.url = gr.Textbox(visible=False)

    def wire(self, tab: gr.Tab) -> None:
        """Connect events."""
        shown = [getattr(self, name) for name in Shown._fields]
        asked = [self.run, self.format, self.only_clean]
        tab.select(self.choices, inputs=[self.run], outputs=[self.run], **UNCHECKED).then(
            self.show, inputs=asked, outputs=shown, **UNCHECKED
        )
        self.run.input(self.show, inputs=asked, outputs=shown, **UNCHECKED)
        for field in (self.format, self.only_clean):
            field.input(
                self.show_files, inputs=asked, outputs=[self.files, self.other], **UNCHECKED
            )
        makers: tuple[tuple[Any, Any, list[Any]], ...] = (
            (self.labels, self.make_labels, [self.run]),
            (self.model, self.make_model, [self.run]),
            (self.other, self.make_other, asked),
        )
        for button, make, inputs in makers:
            button.click(
                make, inputs=inputs, outputs=[self.message, self.url], concurrency_id="export",
                concurrency_limit=4, **UNCHECKED,
            ).success(None, inputs=[self.url], js=DOWNLOAD, **PRIVATE)  # fmt: skip

    # What its buttons do ----------------------------------------------------------------------

    def choices(self, current: str | None) -> Any:
        """The runs that have something to export."""
        return exportable(self.session, current)

    @guarded
    def show(
        self, run_id: str | None, format: str = _OTHERS[0].name, only_clean: bool = False
    ) -> Shown:
        """What the chosen run can be exported as."""
        if not isinstance(run_id, str) or not run_id:
            off = gr.update(interactive=False)
            return Shown(render("export/nothing.html"), "", off, off, "", off)

        reader = self.session.reader(run_id)
        outcome = self.session.outcome(reader)
        final = reader.final()
        return Shown(
            about=export.about(reader, outcome),
            preview="" if final is None else _preview(final),
            labels=gr.update(interactive=final is not None),
            model=gr.update(interactive=bool(model_files(reader.run))),
            **self._files(run_id, format, only_clean),
        )

    @guarded
    def show_files(self, run_id: str | None, format: str, only_clean: bool) -> tuple[str, Any]:
        """The files that the chosen format would have, and whether they can be made."""
        if not isinstance(run_id, str) or not run_id:
            return "", gr.update(interactive=False)
        found = self._files(run_id, format, only_clean)
        return found["files"], found["other"]

    def _files(self, run_id: str, format: str, only_clean: bool) -> dict[str, Any]:
        chosen = format_of(format)
        try:
            reader = self.session.reader(run_id)
            subject = Subject.of(
                reader.run, only=_only(only_clean), cache_dir=self.session.options.cache_dir,
                reader=reader,
            )  # fmt: skip
            # Where each image is a file, some of them tell of all.
            some = replace(subject, most=LOOKED_AT) if chosen.images else subject
            entries = list(chosen.entries(some))
            more = len(subject.indices) - len(some.indices)
        except StudioError as error:  # no labels yet, images that are gone, a missing library
            text = export.files(chosen, (), reason=str(error))
            return {"files": text, "other": gr.update(interactive=False)}
        return {
            "files": export.files(chosen, entries, more=more),
            "other": gr.update(interactive=bool(entries)),
        }

    def make_labels(self, run_id: Any) -> Iterator[list[Any]]:
        """Write labels.csv: yields how far that is, and then its address."""
        yield from self._made(run_id, "csv")

    def make_model(self, run_id: Any) -> Iterator[list[Any]]:
        """Pack the model folder: yields how far that is, and then the address of the zip."""
        yield from self._made(run_id, "model")

    def make_other(self, run_id: Any, format: str, only_clean: bool) -> Iterator[list[Any]]:
        """Make the export in the chosen format: yields how far that is, and then its address."""
        yield from self._made(run_id, format, only=_only(only_clean))

    def _made(self, run_id: Any, format: str, *, only: str = EVERYTHING) -> Iterator[list[Any]]:
        task = guard(lambda: self._task(run_id, format, only))
        while task.pending:
            yield [part("waiting", task.state, before="Making the file"), ""]
            task.ended.wait(_WAIT_S)
        if task.error:
            yield ["", ""]  # the notice says what is wrong
        yield ["", self.session.address(guard(task.result))]

    def _task(self, run_id: Any, format: str, only: str) -> Task:
        if not isinstance(run_id, str) or not run_id:
            raise RunError("Choose a run first.")
        return download(self.session, run_id, format, only=only)


def exportable(session: Session, wanted: str | None) -> Any:
    """The runs that have something to export, for the list of the tab; the wanted one is chosen,
    or the newest.
    """
    infos = session.store.with_labels(session.store.list())
    options = [(runs.run_label(info), info.id) for info in infos]
    ids = [info.id for info in infos]
    return gr.update(choices=options, value=wanted if wanted in ids else next(iter(ids), None))


def _only(clean: object) -> str:
    return CLEAN if clean is True else EVERYTHING


def _preview(outcome: Outcome) -> str:
    """The first rows of labels.csv as a table, and what its columns mean, in HTML."""
    rows = list(islice(label_rows(outcome), PREVIEW_ROWS))
    return render("export/preview.html", columns=LABEL_COLUMNS, rows=rows, images=len(outcome))


def snippet() -> str:
    """How to load the model without the studio, from docs/export.md."""
    try:
        text = SNIPPET.read_text(encoding="utf-8")
    except OSError:
        text = ""
    usage = "`python -m studio predict RUN FOLDER --out labels.csv` labels other images.\n\n"
    _, heading, section = text.partition("## The model\n")
    return f"## Use it elsewhere\n\n{usage}{section if heading else ''}"
