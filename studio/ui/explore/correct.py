"""Correct and continue: say what labels are right, and train with what was said.

Three ways: on the image in the dialog, on the selection, and on all images of a shown page. What is
said is kept (`runs.corrections`) at once, with the run or, before any, with the images at hand,
which the Train tab starts from; nobody has to save anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.errors import RunError, StudioError
from studio.runs.corrections import WITHDRAWN
from studio.runs.given import VERDICTS
from studio.session.opened import Opened, open_run
from studio.session.session import Session
from studio.session.source import AT_HAND, NOTHING, OpenedFolder, OpenedRun, Source, parse
from studio.session.tasks import import_torch
from studio.ui.explore.scene import SIDES, Scene, scene_of
from studio.ui.parts import PRIVATE, UNCHECKED, guard
from studio.views import correcting, gallery
from studio.views.numbers import plural

if TYPE_CHECKING:
    from studio.ui.explore.detail import DetailDialog

_LISTS = ("selection", "clean", "noisy")
_AGAIN, _FIRST = "Train again with these", "Train with these"
_CHANGED = "The images or labels at hand have changed meanwhile: look at them again first."
_CHOOSE = "What is corrected is chosen above: images of a selection, or of the page that is shown."


class CorrectPanel:
    """Components and what they do; the Explore tab connects them."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def build(self) -> None:
        """Lay the panel out, inside of the Explore tab."""
        self.changed = gr.State("")  # the last action: whoever shows corrections listens to it
        with gr.Accordion("Correct labels and train with them", open=False, elem_id="correct"):
            self.told = gr.HTML(elem_id="correct-told")
            with gr.Row(elem_classes="inline correct-row"):
                self.target = gr.Radio([], label="Which images", elem_id="correct-target", scale=3)
                self.label = gr.Dropdown(
                    [], label="Class", elem_id="correct-class", scale=1, min_width=180
                )
            with gr.Row(elem_classes="inline correct-buttons"):
                off: dict[str, Any] = {"size": "sm", "min_width": 110, "interactive": False}
                self.buttons = {
                    "accepted": gr.Button("Accept their labels", elem_id="correct-accept", **off),
                    "relabelled": gr.Button("Relabel to class", elem_id="correct-relabel", **off),
                    "rejected": gr.Button("Reject", elem_id="correct-reject", **off),
                    WITHDRAWN: gr.Button("Take back", elem_id="correct-withdraw", **off),
                }
                self.undo_button = gr.Button("Undo", elem_id="correct-undo", **off)
                off |= {"variant": "primary", "min_width": 200}
                self.again = gr.Button(_AGAIN, elem_id="train-again", **off)

    @property
    def outputs(self) -> list[Any]:
        """In the order in which `draw` gives them."""
        buttons = [*self.buttons.values(), self.undo_button, self.again]
        return [self.told, self.target, self.label, *buttons]

    def wire(
        self,
        *,
        here: list[Any],
        pages: gr.State,
        run: gr.Dropdown,
        detail: DetailDialog,
        redraw: dict[str, Any],
        tabs: gr.Tabs,
        chosen: gr.State,
    ) -> None:
        """Connect events.

        Args:
            here: the components that make the scene.
            pages: the numbers of the pages that are shown.
            run: the run that is looked at.
            detail: the dialog of one image.
            redraw: what shows everything anew, on the same pages.
            tabs: those of the page.
            chosen: the run that the Train tab shows.
        """
        changed = [self.changed]
        inputs = [*here, pages, self.target, self.label]
        for verdict, button in self.buttons.items():
            button.click(self._press(verdict), inputs, changed, **UNCHECKED)
        self.undo_button.click(self.undo, [run], changed, **UNCHECKED)
        self.changed.change(**redraw)
        detail.dialog.corrected(trigger_mode="always_last", **redraw)
        spins = {**UNCHECKED, "show_progress": "full"}
        started = self.again.click(self.train, [run], [chosen], **spins)
        started.success(lambda: gr.Tabs(selected="train"), outputs=[tabs], **PRIVATE)

    def _press(self, verdict: str) -> Callable[..., str]:
        def pressed(*values: Any) -> str:
            *here, pages, target, label = values

            def work() -> str:
                scene = scene_of(self.session, *here)
                return self.say(scene, verdict, pages, target, label)

            return str(guard(work))

        return pressed

    # What it shows ----------------------------------------------------------------------------

    def draw(self, scene: Scene, active: object, pages: dict[str, int], target: Any) -> list[Any]:
        """The values of `outputs`. target: which images were chosen, kept while they are there."""
        source = scene.opened.source
        trained = isinstance(source, OpenedRun)
        corrections = self.session.corrections(source)
        current, last = corrections.current(), corrections.last()
        choices = _targets(scene, active, pages)
        known = [value for _, value in choices]
        value = target if target in known else next(iter(known), None)
        names = list(scene.outcome.class_names)
        on = gr.update(interactive=bool(choices))
        return [
            correcting.summary(current, last, trained=trained),
            gr.update(choices=choices, value=value),
            gr.update(choices=names),
            *[on for _ in self.buttons],
            gr.update(interactive=last is not None),
            gr.update(interactive=bool(current), value=_AGAIN if trained else _FIRST),
        ]

    def nothing(self) -> list[Any]:
        """The values of `outputs` while there is nothing to show."""
        return ["", *self._off()]

    def _off(self) -> list[Any]:
        off = gr.update(interactive=False)
        return [gr.update(choices=[], value=None), gr.skip(), *[off for _ in self.outputs[3:]]]

    def actions(self, opened: Opened, index: int) -> str:
        """The buttons of one image, for its dialog."""
        outcome = opened.outcome
        correction = opened.corrections.get(outcome.paths[index])
        # The likeliest other class first: what the models said themselves.
        best = [*outcome.model_labels[:, index].tolist(), *outcome.top_labels[index].tolist()]
        return correcting.image_buttons(outcome, index, correction, best=best)

    # What its buttons do ----------------------------------------------------------------------

    def say(
        self, scene: Scene, verdict: str, pages: dict[str, int], target: Any, label: Any
    ) -> str:
        """Say the same of all images that are chosen; the id of what was done.

        Raises:
            RunError: none is chosen, or no class to relabel them to.
        """
        indices = _images(scene, target, pages)
        if not indices:
            raise RunError(_CHOOSE)
        if verdict == "relabelled" and label not in scene.outcome.class_names:
            raise RunError("Choose the class that these images get.")
        return self._add(scene, verdict, indices, label)

    def answer_of(self) -> Callable[[Any], dict[str, Any]]:
        """What the dialog's page calls (assets/correct.js): a function with a name of its own."""

        def correct(asked: Any) -> dict[str, Any]:
            return self.say_one(asked)

        return correct

    def say_one(self, asked: Any) -> dict[str, Any]:
        """Say something of the image in the dialog.

        asked: what the page sends, [source, index, stage, verdict, class index or ""] as JSON.

        Returns:
            html: the buttons as they are from now on, "" to leave them; error: one line or "".
        """
        try:
            opened, index, verdict, label = self._asked(asked)
            self._add(Scene(opened), verdict, [index], label)
        except StudioError as error:
            return {"html": "", "error": str(error)}
        return {"html": self.actions(opened, index), "error": ""}

    def _asked(self, asked: Any) -> tuple[Opened, int, str, str]:
        try:
            run, index, stage, verdict, label = json.loads(asked)
        except (TypeError, ValueError):
            raise RunError("There is no such image in this run.") from None
        opened = open_run(self.session, run, stage)
        if parse(run) != opened.source:
            raise RunError(_CHANGED)
        names = opened.outcome.class_names
        if type(index) is not int or not 0 <= index < len(opened.outcome):
            raise RunError("There is no such image in this run.")
        if verdict != "relabelled":
            return opened, index, str(verdict), ""
        number = int(label) if isinstance(label, str) and re.fullmatch("[0-9]{1,8}", label) else -1
        if not 0 <= number < len(names):
            raise RunError("There is no such class in this run.")
        return opened, index, verdict, names[number]

    def _add(self, scene: Scene, verdict: str, indices: list[int], label: str) -> str:
        outcome = scene.outcome
        if verdict not in (*VERDICTS, WITHDRAWN) or max(indices) >= len(outcome):
            raise RunError("There is no such image in this run.")
        corrections = self.session.corrections(scene.opened.source)
        if verdict == WITHDRAWN:  # what was not corrected needs no line
            current = corrections.current()
            indices = [i for i in indices if outcome.paths[i] in current]
            if not indices:
                raise RunError("None of these images is corrected.")
        own = verdict == "accepted"
        images = {
            outcome.paths[i]: outcome.name(int(outcome.labels[i])) if own else label
            for i in indices
        }
        return corrections.add(verdict, images).id

    def undo(self, run_id: Any) -> str:
        """Undo the last press of a button, of whichever page it was; a mark of that."""

        def work() -> str:
            undone = self.session.corrections(parse(run_id)).undo()
            if undone is None:
                raise RunError("There is nothing left to undo.")
            gr.Info(f"Undone: {undone.text}.", duration=4)
            return f"undone {undone.id}"

        return str(guard(work))

    def train(self, run_id: Any) -> Any:
        """Start a run like this one that takes its corrections as given; the new run's id.

        What was said before any run is taken up on the Train tab, where there is more to choose.
        """
        if run_id == AT_HAND.choice:
            return gr.skip()

        def work() -> str:
            from studio.runs.again import corrected

            source = parse(run_id)
            if not isinstance(source, OpenedRun):
                raise RunError(NOTHING)
            request = corrected(self.session.store.get(source.run_id))
            import_torch()
            return self.session.worker.start(request)

        return str(guard(work))


def _targets(scene: Scene, active: object, pages: dict[str, int]) -> list[tuple[str, str]]:
    """What can be corrected at a press: (text, value); nothing that is empty.

    A value is the name of a list and, for the images at hand, the mark of the labels it shows.
    """
    found, mark = [], f" {_mark(scene.opened.source)}".rstrip()
    if scene.selection is not None and (count := len(scene.selected())):
        found.append((f"The selection ({plural(count, 'image')})", f"selected{mark}"))
    before = scene.outcome.stage == "zero-shot"
    words = {"clean": "sure" if before else "clean", "noisy": "unsure" if before else "noisy"}
    for name in SIDES if active == "galleries" else ("selection",):
        if count := len(_images(scene, f"{name}{mark}", pages)):
            what = f"{words[name]} images" if name in words else "images beside"
            found.append((f"This page of {what} ({count})", f"{name}{mark}"))
    return found


def _images(scene: Scene, target: Any, pages: dict[str, int]) -> list[int]:
    """The images that a choice of `_targets` stands for.

    Raises:
        RunError: it was a choice among other labels.
    """
    name, _, mark = target.partition(" ") if isinstance(target, str) else ("", "", "")
    if name not in ("selected", *_LISTS):
        return []
    if mark != _mark(scene.opened.source):
        raise RunError(_CHANGED)
    if name == "selected":
        return scene.selected().tolist() if scene.selection is not None else []
    return list(gallery.page(scene.listed(name), pages.get(name, 0)).indices)


def _mark(source: Source) -> str:
    """What tells labels that may change from earlier ones; empty for a run, whose labels stay."""
    return f"{source.images}:{source.labels}" if isinstance(source, OpenedFolder) else ""
