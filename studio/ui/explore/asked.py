"""Twenty images worth a look, one key each: how it begins, and the line that says what follows.

The images come in the dialog (`ui.explore.detail`), in the order in which an answer is worth most
(`session.asking`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from studio.errors import RunError, StudioError
from studio.runs.standing import PERSON
from studio.session.ask import begin, checked_of, preparing, reverse_standing
from studio.session.asking import SIZE
from studio.session.opened import open_run
from studio.session.rooms import Whose
from studio.ui.explore.detail import DetailDialog
from studio.ui.explore.galleries import Drawn, Panel
from studio.ui.explore.scene import Scene
from studio.ui.handlers import InSession
from studio.ui.parts import UNCHECKED
from studio.views import asked as view
from studio.views.render import part

_WAIT_S = 0.4


class AskPanel(InSession, Panel):
    """Components and what they show; the Explore tab connects them."""

    def __init__(self, session: Whose, detail: DetailDialog) -> None:
        super().__init__(session)
        self.detail = detail

    def build(self) -> None:
        """Lay the button and the line beside it out, inside of the Explore tab."""
        with gr.Row(elem_classes="inline ask-row"):
            self.button = gr.Button(
                f"{SIZE} images worth a look", elem_id="ask-start", size="sm", variant="primary",
                min_width=200,
            )  # fmt: skip
            self.check = gr.Button(
                "Check how good these labels are", elem_id="ask-check", size="sm", min_width=200
            )
            self.line = gr.HTML(elem_id="ask-line")
            self.reverse = gr.Button(
                "", elem_id="ask-reverse", size="sm", min_width=200, visible=False
            )
        self.outputs = [self.line, self.reverse]

    def wire(self, run: Any, dialog: Any, **event: Any) -> None:
        """Connect the buttons. run: what is looked at; dialog: where the images come."""
        for button, checking in ((self.button, False), (self.check, True)):
            button.click(
                partial(self.start, checking=checking), [run], [self.line, dialog],
                concurrency_id="search", concurrency_limit=4, trigger_mode="once",
                **UNCHECKED, **event,
            )  # fmt: skip

    def start(self, run: Any, *, checking: bool = False) -> Iterator[list[Any]]:
        """Begin, or go on; yields the line, and at last what the dialog shows.

        checking: with images that are drawn to check the labels.
        """
        try:
            opened = open_run(self.session, run)
            task = preparing(opened)
            while task.pending:
                waits = part("waiting", task.state, before="Before the first one")
                yield [part("live", waits), gr.skip()]
                task.ended.wait(_WAIT_S)
            if task.error:
                raise RunError(task.error)
            asking = begin(opened, checking=checking)
            html = self.detail.ask(open_run(self.session, run))
        except StudioError as error:
            yield [part("live", part("notice", str(error), kind="warn")), gr.skip()]
            return
        yield [part("live", view.state(asking.progress, checked_of(opened))), html]

    def turn_round(self, run: Any) -> str:
        """Have the other labels stand, see `reverse_standing`; what was done."""
        opened = open_run(self.session, run)
        return reverse_standing(opened)

    def draw(self, scene: Scene) -> Drawn:
        """What the line says."""
        opened = scene.opened
        asking, checked = opened.asking, checked_of(opened)
        line = part("live", view.state(None if asking is None else asking.progress, checked))
        standing = None if checked is None else checked.standing
        if standing is None:
            return {self.line: line, self.reverse: gr.update(visible=False)}
        mine = standing.by == PERSON
        text = "Let the answers decide" if mine else "Keep the labels after training instead"
        return {self.line: line, self.reverse: gr.update(visible=True, value=text)}

    def nothing(self) -> Drawn:
        """Nothing is looked at."""
        return {self.line: "", self.reverse: gr.update(visible=False)}
