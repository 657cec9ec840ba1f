"""Correct and continue: say what labels are right, and train with what was said.

Three ways: on the image in the dialog (`ui.explore.detail`), on a card by a key, and on all images
that are ticked or selected. What is said is kept (`runs.corrections`) at once, with the run or,
before any, with the images at hand, which the Train tab starts from; nobody has to save anything.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from studio.errors import RunError
from studio.images.image_names import ImageNames
from studio.imports import import_torch
from studio.numbers import count, plural
from studio.runs.actions import WITHDRAWN, Action
from studio.runs.again import corrections_from
from studio.runs.given import given_vector
from studio.session.opened import open_seen
from studio.session.rooms import Whose
from studio.session.source import AT_HAND, NOTHING, OpenedRun, parse
from studio.ui.explore.galleries import Drawn, Panel
from studio.ui.explore.scene import Filters, Indices, Scene
from studio.ui.handlers import InSession
from studio.ui.parts import hidden_text, script
from studio.ui.tables import table_at, table_field
from studio.ui.uploaded import paths_of
from studio.views.detail import corrections_summary
from studio.views.render import render

CHANGED = "The images or labels at hand have changed meanwhile: look at them again first."
_NOTHING_CHOSEN = "Nothing is ticked or selected: tick images or select some first."
_NO_CLASS = ("choose a class", "")
_AGAIN, _FIRST = "Train again with these", "Train with these"
_BUTTONS = {
    "accepted": ("accept", "Accept", "label"),
    "relabelled": ("relabel", "Relabel", "image"),
    "rejected": ("reject", "Reject", "image"),
    WITHDRAWN: ("withdraw", "Take back", "correction"),
}
"""Of each verdict the button's id, what stands on it, and what is counted there."""


class CorrectPanel(InSession, Panel):
    """Components and what they do; the Explore tab connects them."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)

    def build(self) -> None:
        """Lay the panel out, inside of the Explore tab."""
        # The last action: whoever shows corrections listens to it. No gr.State: that of a tab which
        # was not opened yet counts as changed whenever a poll skips it, and that of an open one
        # never does (gradio tells of changed states for what goes through its queue only).
        self.changed = hidden_text()
        self.ticks = gr.State({})
        off: dict[str, Any] = {"size": "sm", "min_width": 110, "interactive": False}
        with gr.Row(elem_classes="inline correct-start"):
            self.one_by_one = gr.Button(
                "Correct one by one", elem_id="correct-start", size="sm", min_width=150
            )
            keys = render("explore/keys.html")
            gr.HTML(keys, js_on_load=script("layout", "keys"), elem_id="explore-keys")
        with gr.Accordion("Correct labels and train with them", open=False, elem_id="correct"):
            self.summary = gr.HTML(elem_id="correct-summary")
            with gr.Row(elem_classes="inline correct-buttons"):
                self.buttons = {verdict: self._button(verdict, off) for verdict in _BUTTONS}
                danger: dict[str, Any] = {"size": "sm", "min_width": 110, "visible": False}
                self.sure = gr.Button(
                    "Reject", variant="stop", elem_id="correct-reject-sure", **danger
                )
                self.keep = gr.Button("Keep them", elem_id="correct-keep", **danger)
            self.upload = table_field(
                "Or drop a table of labels that are right: a CSV or JSON of paths and labels",
                "From a table", elem_id="correct-table",
            )  # fmt: skip
            with gr.Row(elem_classes="inline correct-buttons"):
                self.undo_button = gr.Button("Undo", elem_id="correct-undo", **off)
                self.take = gr.Button("Select the corrected", elem_id="correct-take", **off)
                off |= {"variant": "primary", "min_width": 200}
                self.again = gr.Button(_AGAIN, elem_id="train-again", **off)
        self.outputs = [self.summary, self.label, *self.buttons.values(), self.sure, self.keep,
                        self.undo_button, self.take, self.again]  # fmt: skip

    def _button(self, verdict: str, options: dict[str, Any]) -> gr.Button:
        name, text, _ = _BUTTONS[verdict]
        if verdict != "relabelled":
            return gr.Button(text, elem_id=f"correct-{name}", **options)
        with gr.Row(elem_classes="inline correct-class"):  # the class stands by its button
            self.label = gr.Dropdown(
                [_NO_CLASS], value="", label="Class to relabel to", show_label=False,
                container=False, elem_id="correct-class", min_width=180,
            )  # fmt: skip
            return gr.Button(text, elem_id=f"correct-{name}", **options)

    def draw(self, scene: Scene) -> Drawn:
        """What the panel shows."""
        trained = isinstance(scene.opened.source, OpenedRun)
        corrections = self.session.corrections(scene.opened.source)
        current, last = corrections.current(), corrections.last()
        indices, chosen = targets(scene)
        summary = corrections_summary(current, last, trained=trained, chosen=chosen)
        shown: Drawn = {
            self.summary: summary,
            self.label: gr.update(choices=[_NO_CLASS, *scene.outcome.class_names]),
            self.undo_button: gr.update(interactive=last is not None),
            self.take: gr.update(interactive=bool(current)),
            self.again: gr.update(interactive=bool(current), value=_AGAIN if trained else _FIRST),
            **self.unasked(),
        }
        for verdict, button in self.buttons.items():
            _, text, counted = _BUTTONS[verdict]
            text += f" {plural(len(indices), counted)}" if len(indices) else ""
            shown[button] = gr.update(interactive=True, visible=True, value=text)
        return shown

    def nothing(self) -> Drawn:
        """What stands there while there is nothing to show."""
        hidden = gr.update(visible=False)
        return {**super().nothing(), self.sure: hidden, self.keep: hidden, self.label: gr.skip()}

    def unasked(self) -> Drawn:
        """No question is open about a rejection of many."""
        hidden = gr.update(visible=False)
        return {self.buttons["rejected"]: gr.update(visible=True), self.sure: hidden,
                self.keep: hidden}  # fmt: skip

    def press(self, scene: Scene, filters: Filters, verdict: str, *, sure: bool = True) -> Drawn:
        """Say the same of all images that are ticked or selected.

        sure: False asks before many are rejected.

        Raises:
            RunError: none is chosen, or no class to relabel them to.
        """
        indices, _ = targets(scene)
        if filters.shown != scene.opened.source.key():
            raise RunError(CHANGED)
        if not len(indices):
            raise RunError(_NOTHING_CHOSEN)
        if verdict == "relabelled" and filters.relabel_to not in scene.outcome.class_names:
            raise RunError("Choose the class that these images get.")
        if verdict == "rejected" and len(indices) > 1 and not sure:
            question = gr.update(visible=True, value=f"Reject {count(len(indices))} images")
            return {self.buttons[verdict]: gr.update(visible=False), self.sure: question,
                    self.keep: gr.update(visible=True)}  # fmt: skip
        corrections = self.session.corrections(scene.opened.source)
        action = corrections.say(verdict, scene.outcome, indices.tolist(), filters.relabel_to)
        return {self.changed: action.id, self.ticks: scene.ticks.cleared().state()}

    def take_table(self, run: Any, sent: Any) -> str:
        """Say what an uploaded table says; the action's id.

        Raises:
            StudioError: there is no such run, other images are at hand than those that `run` says,
                or the table cannot be used; why is said.
        """
        opened = open_seen(self.session, run)
        paths, root = opened.outcome.paths, opened.root
        images = ImageNames(paths, roots=(root,))
        with table_at(next(iter(paths_of(sent)), None)) as (path, notes, tell):
            found = corrections_from(path, images=images, tell=tell)
            given = given_vector(
                found, paths=paths, class_names=opened.outcome.class_names, roots=(root,)
            )
            name = path.name
        if given.missing:
            what = plural(len(given.missing), "row")
            notes.append(f"{what} of images that are not among these left out")
        there = set(paths)
        table = {path: said for path, said in given.corrections.items() if path in there}
        return self.session.corrections(opened.source).take(table, name=name, notes=notes).id

    def undo(self, run: Any, *, by_person: bool = False) -> Action:
        """Undo the last press of a button, of whichever page it was.

        by_person: what a judge said is passed over, for a key that does not say what it undoes.

        Raises:
            StudioError: there is no such run, other images are at hand than those that `run` says,
                or there is nothing to undo.
        """
        undone = self.session.corrections(parse(run)).undo(by_person=by_person)
        if undone is None:
            raise RunError("There is nothing left to undo.")
        return undone

    def train(self, run: Any) -> Any:
        """Start a run like this one that takes its corrections as given; the new run's id.

        What was said before any run is taken up on the Train tab, where there is more to choose.
        """
        if run == AT_HAND.choice:
            return gr.skip()
        from studio.runs.again import corrected

        source = parse(run)
        if not isinstance(source, OpenedRun):
            raise RunError(NOTHING)
        request = corrected(self.session.store.get(source.run_id))
        import_torch()
        return self.session.start(request)


def targets(scene: Scene) -> tuple[Indices, str]:
    """The images that a press corrects, and what they are: those that are ticked, or else those
    that are selected.
    """
    if ticked := sorted(scene.ticks.images):
        return np.array(ticked, np.int64), plural(len(ticked), "ticked image")
    if scene.selection is not None and len(selected := scene.selected()):
        return selected, f"the {plural(len(selected), 'selected image')}"
    return np.zeros(0, np.int64), ""
