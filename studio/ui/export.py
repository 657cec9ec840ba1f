"""The Export tab: labels as a table, the model as a zip, and how to use both elsewhere."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import RunError
from studio.images.thumbnails import secret
from studio.runs.outcome import Outcome
from studio.runs.reader import RunReader
from studio.runs.result import RunResult
from studio.session.session import Session
from studio.session.tasks import import_torch
from studio.ui.parts import PRIVATE, UNCHECKED, file_url, guard
from studio.views import runs
from studio.views.estimates import estimate_stat
from studio.views.markup import empty, esc, stat, stats
from studio.views.numbers import count, percent

DOWNLOAD = """(url) => {
  if (!url) return;
  const link = document.createElement("a");
  link.href = url;
  link.download = "";
  link.click();
}"""
"""Files are made when asked for; then the browser is sent to fetch them."""

KEEP_SECONDS = 86_400
SNIPPET = Path(__file__).resolve().parents[2] / "docs" / "export.md"


class ExportTab:
    """Builds the tab; handlers are methods, so that tests call them without a browser."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.folder = session.options.cache_dir / "exports"
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob("*/*"):  # made anew when asked for again
            if old.stat().st_mtime < time.time() - KEEP_SECONDS:
                old.unlink(missing_ok=True)

    def build(self) -> None:
        """Lay the tab out, inside of gr.Tab."""
        with gr.Column(elem_classes="box"):
            self.run = gr.Dropdown([], label="Run", elem_id="export-run")
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=4, min_width=300, elem_classes="side"):
                with gr.Column(elem_classes="box"):
                    gr.HTML(
                        '<h3 class="box-title">Labels</h3><p class="box-text">One line an image: '
                        "path, label, clean "
                        "probability, both models' labels, kept or not. Opens in any "
                        "spreadsheet.</p>"
                    )
                    self.labels = gr.Button(
                        "Download labels.csv",
                        variant="primary",
                        elem_id="download-labels",
                        interactive=False,
                    )
                with gr.Column(elem_classes="box"):
                    gr.HTML(
                        '<h3 class="box-title">Model</h3><p class="box-text">Weights as '
                        "safetensors and a JSON file that says "
                        "what they are. No pickle: opening it runs no code.</p>"
                    )
                    self.model = gr.Button(
                        "Download the model", elem_id="download-model", interactive=False
                    )
            with gr.Column(scale=7, min_width=320, elem_classes="main"):
                self.about = gr.HTML(elem_id="export-about")
                gr.Markdown(snippet(), elem_id="export-snippet")
        self.url = gr.Textbox(visible=False)

    def wire(self, tab: gr.Tab) -> None:
        """Connect events."""
        about = [self.about, self.labels, self.model]
        tab.select(self.choices, inputs=[self.run], outputs=[self.run], **UNCHECKED).then(
            self.show, inputs=[self.run], outputs=about, **UNCHECKED
        )
        self.run.input(self.show, inputs=[self.run], outputs=about, **UNCHECKED)
        for button, make in ((self.labels, self.make_labels), (self.model, self.make_model)):
            spins = {**UNCHECKED, "show_progress": "full"}
            button.click(make, inputs=[self.run], outputs=[self.url], **spins).success(
                None, inputs=[self.url], js=DOWNLOAD, **PRIVATE
            )

    # What its buttons do ----------------------------------------------------------------------

    def choices(self, current: str | None) -> Any:
        """The runs that have something to export."""
        infos = [info for info in self.session.store.list() if self._has_labels(info.id)]
        options = [(runs.run_label(info), info.id) for info in infos]
        ids = [info.id for info in infos]
        return gr.update(
            choices=options, value=current if current in ids else next(iter(ids), None)
        )

    def _has_labels(self, run_id: str) -> bool:
        return any((self.session.store.get(run_id).path / "arrays").glob("finished-*"))

    def _has_model(self, run_id: str) -> bool:
        return (self.session.store.get(run_id).path / "model").is_dir()

    def show(self, run_id: str | None) -> list[Any]:
        """What the chosen run can be exported as."""
        if not isinstance(run_id, str) or not run_id:
            text = empty("Nothing to export yet: finish a run first.")
            return [text, gr.update(interactive=False), gr.update(interactive=False)]

        def work() -> list[Any]:
            reader = self.session.reader(run_id)
            return [
                about_html(reader, self.session.outcome(reader)),
                gr.update(interactive=self._has_labels(run_id)),
                gr.update(interactive=self._has_model(run_id)),
            ]

        return list(guard(work))

    def make_labels(self, run_id: str) -> str:
        """Write labels.csv; its address."""

        def work() -> str:
            import_torch()
            from studio.export.labels import labels_csv

            run = self._finished(run_id)
            file = self._place(run.id) / f"{run.id}-labels.csv"
            partial = file.with_suffix(f".{os.getpid()}.tmp")
            labels_csv(run, partial)
            os.replace(partial, file)
            return file_url(file)

        return str(guard(work))

    def make_model(self, run_id: str) -> str:
        """Pack the model folder; the address of the zip."""

        def work() -> str:
            run = self._finished(run_id)
            if not self._has_model(run.id):
                raise RunError("This run trained no model; only its labels can be downloaded.")
            file = self._place(run.id) / f"{run.id}-model.zip"
            partial = file.with_suffix(f".{os.getpid()}.tmp")
            # Weights do not shrink: stored, not compressed, is as small and much faster.
            with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
                for part in sorted((run.path / "model").iterdir()):
                    if part.is_file() and not part.name.startswith("."):
                        archive.write(part, f"{run.id}/{part.name}")
            os.replace(partial, file)
            return file_url(file)

        return str(guard(work))

    def _finished(self, run_id: object) -> Any:
        if not isinstance(run_id, str) or not run_id:
            raise RunError("Choose a run first.")
        run = self.session.store.get(run_id)
        if not self._has_labels(run.id):
            raise RunError("This run has no final labels yet; wait for its end.")
        return run

    def _place(self, run_id: str) -> Path:
        """A served folder for a run's downloads whose name cannot be guessed."""
        name = hmac.new(
            secret(self.session.options.cache_dir), f"export {run_id}".encode(), hashlib.sha256
        )
        place = self.folder / name.hexdigest()[:32]
        place.mkdir(parents=True, exist_ok=True)
        return place


def about_html(reader: RunReader, outcome: Outcome | None) -> str:
    """What is in the run, where it lies and what the export means."""
    info, result = reader.info, reader.run.result() or RunResult()
    figures = [stat(count(result.images), "images labelled")]
    if outcome is not None and len(outcome):
        figures.append(stat(percent(outcome.clean_share), "labels clean"))
    if result.estimated_accuracy is not None:
        figures.append(estimate_stat(result.estimated_accuracy))
    if result.accuracy is not None:
        figures.append(
            stat(percent(result.accuracy, digits=1), "accuracy", hint="by sub-folder names")
        )
    figures.append(stat(count(len(info.class_names)), "classes"))
    shown = ", ".join(info.class_names[:30]) + (" …" if len(info.class_names) > 30 else "")
    return (
        f'<section class="panel"><h3>{esc(info.name)}</h3><p class="quiet">'
        f"{esc(runs.method_name(info.method))}, "
        f"{esc(info.model)}, {esc(runs.when(info.created))}</p>{stats(figures)}"
        f'<p>The run is the folder</p><p class="path">{esc(reader.run.path)}</p>'
        "<p><strong>What the model is.</strong> A classifier for exactly these classes: it gives "
        "every image one of "
        "them, also an image that shows none of them. It cannot be asked for new names.</p><p "
        f'class="quiet">{esc(shown)}</p></section>'
    )


def snippet() -> str:
    """How to load the model without the studio, from docs/export.md."""
    try:
        text = SNIPPET.read_text(encoding="utf-8")
    except OSError:
        text = ""
    usage = "`python -m studio predict RUN FOLDER --out labels.csv` labels other images.\n\n"
    _, found, section = text.partition("## The model\n")
    return f"### Use it elsewhere\n\n{usage}{section if found else ''}"
