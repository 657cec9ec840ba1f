"""The Train tab: settings, start and stop, live curves, past runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from studio.errors import FolderError, RunError
from studio.images.folder import parse_class_names
from studio.methods import METHODS
from studio.session.session import Session
from studio.session.tasks import import_torch
from studio.ui.parts import (
    MODEL_INFO,
    POLL,
    PRIVATE,
    Part,
    curve_board,
    folding,
    fresh,
    guard,
    page_of,
    pick_list,
    picked,
)
from studio.ui.polling import Polling
from studio.ui.train.look import TrainLook
from studio.ui.train.settings import common_fields, settings_list, settings_of
from studio.views import runs as look


class TrainTab:
    """Builds the tab; handlers are methods, so that tests call them without a browser."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.look = TrainLook(session)

    # What is on it ----------------------------------------------------------------------------

    def build(self, models: Sequence[str]) -> None:
        """Lay the tab out, inside of gr.Tab. models: those to choose from."""
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=4, min_width=300, elem_classes="side"):
                self._form(models)
            with gr.Column(scale=7, min_width=320, elem_classes="main"):
                self.status = gr.HTML(look.idle_card(), elem_id="run-status")
                self.warnings = gr.HTML(elem_id="run-warnings")
                self.curves = curve_board(elem_id="curves")
                self.numbers = folding(elem_id="curve-numbers")
                self.facts = folding(elem_id="run-facts")
        with gr.Column(elem_classes="box wide"):
            gr.HTML('<h3 class="box-title">Runs</h3>')
            self.runs = pick_list(elem_id="runs")
            with gr.Row(elem_classes="inline end", visible=False) as self.actions:
                small: dict[str, Any] = {"size": "sm", "min_width": 140}
                self.explore = gr.Button("Explore this run", elem_id="explore-run", **small)
                self.delete = gr.Button("Delete this run", elem_id="delete-run", **small)
                small |= {"visible": False}
                self.sure = gr.Button("Delete", variant="stop", elem_id="delete-sure", **small)
                self.keep = gr.Button("Keep it", elem_id="delete-keep", **small)
        self.chosen = gr.State("")
        self.doomed = gr.State("")
        self.shown = gr.State({})

    def _form(self, models: Sequence[str]) -> None:
        with gr.Column(elem_classes="box"):
            gr.HTML('<h3 class="box-title">New run</h3>')
            self.ready = gr.HTML(elem_id="train-ready")
            self.method = gr.Dropdown(
                look.method_choices(METHODS),
                value=next(iter(METHODS)),
                label="Method",
                elem_id="method",
                info="CoFT+ adds momentum contrast. The others are there to compare with.",
            )
            self.model = gr.Dropdown(
                list(models),
                value=models[0],
                label="Model",
                allow_custom_value=True,
                interactive=False,
                elem_id="train-model",
                info=MODEL_INFO,
            )
            with gr.Row(elem_classes="inline"):
                self.name = gr.Textbox(
                    label="Name",
                    placeholder="from the folder",
                    max_lines=1,
                    elem_id="run-name",
                    scale=3,
                    min_width=130,
                )
                self.seed = gr.Number(
                    0, label="Seed", precision=0, minimum=0, elem_id="seed", scale=1, min_width=90
                )
            # A label from the start: gradio shows none that comes later where there was none.
            self.given = gr.Checkbox(
                True, label="Take along", visible=False, elem_id="use-given", container=False
            )
            with gr.Accordion("Settings", open=False, elem_id="settings"):
                self.common = common_fields()
                self.overrides = gr.Textbox(
                    label="Any other setting, one key=value a line",
                    lines=3,
                    max_lines=10,
                    placeholder="filter=both_clean\nphase1_lr=0.01",
                    elem_id="overrides",
                )
                gr.HTML(settings_list())
            with gr.Row(elem_classes="inline"):
                off: dict[str, Any] = {"min_width": 110, "interactive": False}
                self.start = gr.Button("Start", variant="primary", elem_id="start", **off)
                self.stop = gr.Button("Stop", variant="stop", elem_id="stop", **off)

    def wire(self, beat: Polling, header: gr.HTML, names: gr.Textbox) -> None:
        """Connect events. names: the class names of the Data tab, which a run starts from."""
        outputs = [self.shown, self.ready, self.model, self.given, self.start, self.stop]
        outputs += [self.status, self.warnings, self.curves, self.numbers, self.facts, self.runs]
        outputs += [self.actions, header]
        poll: dict[str, Any] = {
            "fn": self.poll,
            "inputs": [self.shown, self.chosen],
            "outputs": outputs,
            **POLL,
        }
        look_again = beat.watch(self.parts, poll)
        self.model.change(self.remember, inputs=[self.model], outputs=None, **POLL)
        form = [names, self.model, self.method, self.name, self.seed, self.given]
        form += [*self.common, self.overrides]
        started = self.start.click(self.begin, inputs=form, outputs=[self.chosen], **PRIVATE)
        started.success(**look_again)
        self.stop.click(self.end, outputs=None, **PRIVATE).success(**look_again)
        ask: dict[str, Any] = {
            "outputs": [self.doomed, self.delete, self.sure, self.keep],
            **PRIVATE,
        }
        chosen = self.runs.select(self.pick, outputs=[self.chosen], **PRIVATE)
        chosen.success(**look_again).success(self.keep_it, **ask)
        self.delete.click(self.ask, inputs=[self.chosen], **ask)
        self.keep.click(self.keep_it, **ask)
        deleted = self.sure.click(
            self.remove, inputs=[self.doomed], outputs=[self.chosen], **PRIVATE
        )
        deleted.then(self.keep_it, **ask).then(**look_again)

    # What its buttons do ----------------------------------------------------------------------

    def begin(
        self,
        names: str,
        model: str,
        method: str,
        name: str,
        seed: float | None,
        given: bool,
        *rest: Any,
    ) -> str:
        """Start a run on the data set at hand; returns its id.

        given: whether it takes along what was said of the images; rest: the form's settings.
        """

        def work() -> str:
            from studio.runs.request import JobRequest

            running = self.session.active()
            if running is not None:
                raise RunError(f"The run {running} is still at work; wait for it, or stop it.")
            view = self.session.data.state
            if view.folder is None:
                raise FolderError("Choose images on the Data tab first.")
            if view.busy:
                raise FolderError(f"Wait until the studio is done: {view.busy.lower()}.")
            self.session.data.set_inputs(names or "", model or "", by=view.by)
            root = view.folder.root
            view = self.session.data.state
            class_names = parse_class_names(view.names_text)
            prompts = view.prompts.only(class_names)
            request = JobRequest(
                folder=root,
                class_names=tuple(class_names),
                aliases=view.aliases,
                method=str(method),
                model=view.model,
                settings=settings_of(rest[:-1], rest[-1] or "", seed=seed),
                prompts=None if prompts.is_default else prompts,
                corrections=self.session.data.given() if given else {},
                name=(name or "").strip()[:60] or ("demo" if view.source == "demo" else root.name),
            )
            import_torch()
            return self.session.worker.start(request)

        return str(guard(work))

    def remember(self, model: str, request: gr.Request) -> None:
        """Keep the model that was chosen for the Data tab, for a reload and for other pages."""
        self.session.data.set_inputs(model=model or "", by=page_of(request, "train"))

    def end(self) -> None:
        """Stop the run that is at work; it keeps what it learned."""

        def work() -> None:
            running = self.session.active()
            if running is None:
                raise RunError("Nothing is at work.")
            if self.session.worker.current() != running:
                raise RunError(f"The run {running} belongs to another process; stop it there.")
            self.session.worker.stop()

        guard(work)

    def pick(self, event: gr.EventData) -> str:
        """A run was picked in the table."""
        return str(guard(lambda: self.session.store.get(picked(event)).id))

    def ask(self, chosen: str) -> list[Any]:
        """Delete needs a second press, on a button that names the run."""

        def work() -> list[Any]:
            run_id = self.session.chosen(chosen)
            if run_id is None:
                raise RunError("There is no run to delete.")
            name = self.session.store.get(run_id).info.name
            label = f"Delete “{name[:40]}” and its files"
            return [
                run_id,
                gr.update(visible=False),
                gr.update(visible=True, value=label),
                gr.update(visible=True),
            ]

        return list(guard(work))

    def keep_it(self) -> list[Any]:
        """Nothing is deleted."""
        return ["", gr.update(visible=True), gr.update(visible=False), gr.update(visible=False)]

    def remove(self, run_id: str) -> str:
        """Delete the run that was asked about."""

        def work() -> None:
            self.session.store.delete(str(run_id))
            self.session.forget(str(run_id))

        guard(work)
        return ""

    # How it looks -----------------------------------------------------------------------------

    def poll(self, shown: dict[str, Any], chosen: str, request: gr.Request) -> list[Any]:
        """Everything that has changed since this page last asked."""
        return fresh(shown, **self.parts(shown, chosen, request))

    def parts(self, shown: dict[str, Any], chosen: str, request: gr.Request) -> dict[str, Part]:
        """Everything there is to see.

        The run shown is the chosen one, else the one at work, else the newest.
        """
        return self.look.parts(bool(shown), chosen, page_of(request, "train"))
