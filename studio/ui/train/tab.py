"""The Train tab: settings, start and stop, live curves, past runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.errors import RunError
from studio.imports import import_torch
from studio.runs.form import RunForm
from studio.session.rooms import Whose
from studio.session.start import at_hand
from studio.ui.handlers import InSession
from studio.ui.parts import (
    POLL,
    PRIVATE,
    Part,
    box,
    curve_board,
    folding,
    guard,
    guarded,
    hidden_text,
    line,
    page_of,
    pick_list,
    picked,
    shown_by,
)
from studio.ui.polling import Polling
from studio.ui.train.account import AccountBox
from studio.ui.train.form import FormFields
from studio.ui.train.parts import TrainParts
from studio.views.render import render

if TYPE_CHECKING:
    from studio.runs.worker import Worker


class TrainTab(InSession):
    """Builds the tab; handlers are methods, so that tests call them without a browser."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)
        self.shows = TrainParts(session)
        self.account = AccountBox(session)

    # What is on it ----------------------------------------------------------------------------

    def build(self, models: Sequence[str], names: gr.Textbox) -> None:
        """Lay the tab out, inside of gr.Tab.

        models: those to choose from; names: the class names, a field of the Data tab.
        """
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=4, min_width=300, elem_classes="side"), box("New run"):
                self.ready = gr.HTML(elem_id="train-ready")
                self.form = FormFields(models, names, listed=self.session.options.public)
                with gr.Row(elem_classes="inline"):
                    off: dict[str, Any] = {"min_width": 90, "interactive": False}
                    self.start = gr.Button("Start", variant="primary", elem_id="start", **off)
                    self.pause = gr.Button("Pause", elem_id="pause", **off)
                    self.stop = gr.Button("Stop", variant="stop", elem_id="stop", **off)
                self.account.build()
            with gr.Column(scale=7, min_width=320, elem_classes="main"):
                idle = render("train/idle.html", ready=False)
                self.status = pick_list(idle, elem_id="run-status")
                self.resume = gr.Button("Resume", visible=False, elem_id="resume", size="sm")
                self.warnings = gr.HTML(elem_id="run-warnings")
                self.curves = curve_board(elem_id="curves")
                self.numbers = folding(elem_id="curve-numbers")
                self.facts = folding(elem_id="run-facts")
        with box("Runs", elem_classes=["wide"]):
            self.runs = pick_list(elem_id="runs")
            with gr.Row(elem_classes="inline", visible=False) as self.actions:
                self.rename = line("Name of this run", elem_id="run-rename", scale=2, min_width=140)
                self.note = gr.Textbox(
                    label="Note",
                    placeholder="what you tried",
                    elem_id="run-note",
                    scale=4,
                    min_width=140,
                    max_lines=6,
                )
                small: dict[str, Any] = {"size": "sm", "min_width": 140}
                self.explore = gr.Button("Explore this run", elem_id="explore-run", **small)
                self.delete = gr.Button("Delete this run", elem_id="delete-run", **small)
                small |= {"visible": False}
                self.sure = gr.Button("Delete", variant="stop", elem_id="delete-sure", **small)
                self.keep = gr.Button("Keep it", elem_id="delete-keep", **small)
        self.chosen = gr.State("")
        self.doomed = gr.State("")
        # On the page: a field tells which run it is about as of the moment in which it is left.
        self.shown_run = hidden_text()

    @property
    def outputs(self) -> dict[str, Any]:
        """The components that show the parts."""
        own = shown_by(
            self, "ready", "start", "pause", "stop", "status", "resume", "warnings", "curves",
            "numbers", "facts", "runs", "actions", "shown_run", "rename", "note",
        )  # fmt: skip
        return {**own, **shown_by(self.form, "model", "given", "check")}

    def wire(self, polling: Polling, tabs: gr.Tabs, start_now: gr.Button) -> None:
        """Connect events. start_now: the button of the Data tab that starts a run."""
        watched = polling.watch(self.parts, self.outputs, [self.chosen])
        self.form.model.change(self.remember, [self.form.model], None, **POLL)
        start: dict[str, Any] = {"fn": self.begin_with, "inputs": self.form.inputs, **PRIVATE}
        self.start.click(outputs=[self.chosen], **start).success(**watched.now)
        start_now.click(outputs=[self.chosen], **start).success(
            lambda: gr.Tabs(selected="train"), outputs=[tabs], **PRIVATE
        ).then(**watched.now)
        self.account.wire(self.form, self.chosen, watched)
        self.stop.click(self.end, outputs=None, **PRIVATE).success(**watched.now)
        self.pause.click(self.rest, outputs=None, **PRIVATE).success(**watched.now)
        gone_on = self.resume.click(self.go_on, [self.shown_run], [self.chosen], **PRIVATE)
        gone_on.success(**watched.now)
        for field, handler in ((self.rename, self.give_name), (self.note, self.give_note)):
            for event in (field.blur, field.submit):
                event(handler, [self.shown_run, field], None, **POLL).success(**watched.now)
        ask: dict[str, Any] = {
            "outputs": [self.doomed, self.delete, self.sure, self.keep],
            **PRIVATE,
        }
        chosen = self.runs.select(self.pick, outputs=[self.chosen], **PRIVATE)
        chosen.success(**watched.now).success(self.keep_it, **ask)
        self.delete.click(self.ask, [self.chosen], **ask)
        self.keep.click(self.keep_it, **ask)
        deleted = self.sure.click(self.remove, [self.doomed], [self.chosen], **PRIVATE)
        deleted.then(self.keep_it, **ask).then(**watched.now)

    # What its buttons do ----------------------------------------------------------------------

    def begin_with(self, values: Mapping[Any, Any]) -> str:
        """Start a run from the form as a page sent it; returns its id."""
        return self.begin(self.form.read(values))

    @guarded
    def begin(self, form: RunForm) -> str:
        """Start a run on the data set at hand; returns its id."""
        request = at_hand(
            self.session, method=form.method, settings=form.settings(), name=form.name,
            names=form.names, model=form.model, given=form.given,
            check=form.check,
        )  # fmt: skip
        import_torch()
        return self.session.start(request)

    def remember(self, model: str, request: gr.Request) -> None:
        """Keep the model that was chosen for the Data tab, for a reload and for other pages."""
        self.session.data.set_inputs(model=model or "", by=page_of(request, "train"))

    @guarded
    def end(self) -> None:
        """Stop the run that is at work; it labels all images with what it has learned."""
        running = self.session.active()
        if running is None or not self.session.remote.stop(running):
            self._here().stop()

    @guarded
    def rest(self) -> None:
        """Pause the run that is at work; it ends at once, and goes on when it is asked to."""
        self._here().pause()

    def _here(self) -> Worker:
        """Who works on the run that is at work."""
        running = self.session.active()
        if running is None:
            raise RunError("Nothing is at work.")
        if self.session.worker.current() != running:
            raise RunError(f"The run {running} belongs to another process; stop it there.")
        return self.session.worker

    @guarded
    def go_on(self, run_id: str) -> str:
        """Go on with a run that was paused, stopped or cut off; returns its id."""
        import_torch()
        return self.session.resume(str(run_id))

    @guarded
    def pick(self, event: gr.EventData) -> str:
        """A run was picked in the table."""
        return self.session.store.get(picked(event)).id

    def give_name(self, run_id: str, name: str) -> None:
        """Call the run otherwise; an empty field changes nothing."""
        self._describe(run_id, lambda run: run.rename(name) if (name or "").strip() else None)

    def give_note(self, run_id: str, note: str) -> None:
        """Keep a note with the run."""
        self._describe(run_id, lambda run: run.set_note(note or ""))

    def _describe(self, run_id: str, change: Callable[[Any], None]) -> None:
        if run_id:  # else there is no run to speak of
            guard(lambda: change(self.session.store.get(str(run_id))))

    @guarded
    def ask(self, chosen: str) -> list[Any]:
        """Delete needs a second press, on a button that names the run."""
        run_id = self.session.chosen(chosen)
        if run_id is None:
            raise RunError("There is no run to delete.")
        name = self.session.store.get(run_id).info.name
        label = f"Delete “{name[:40]}” and its files"
        hide, show = gr.update(visible=False), gr.update(visible=True)
        return [run_id, hide, gr.update(visible=True, value=label), show]

    def keep_it(self) -> list[Any]:
        """Nothing is deleted."""
        return ["", gr.update(visible=True), gr.update(visible=False), gr.update(visible=False)]

    @guarded
    def remove(self, run_id: str) -> str:
        """Delete the run that was asked about."""
        self.session.store.delete(str(run_id))
        self.session.forget(str(run_id))
        return ""

    # How it looks -----------------------------------------------------------------------------

    def parts(self, shown: Any, chosen: str, request: gr.Request) -> dict[str, Part]:
        """Everything there is to see, see `fresh`.

        The run shown is the chosen one, else the one at work, else the newest.
        """
        return self.shows.all(bool(shown), chosen, page_of(request, "train"))
