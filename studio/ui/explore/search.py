"""Search in words: the images nearest to a sentence, best first, as a selection.

The sentence is compared by the model's text tower in the same space as the class names of the
zero-shot labels. The first search has to load the model, which happens in the background; a line
says how far that is, and who leaves the page meanwhile finds it loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np

from studio.errors import RunError, StudioError
from studio.numbers import plural
from studio.runs.first_labels import Encoded
from studio.scores.unit_files import FEWEST
from studio.session.encoded import Searcher, encoded_of, prompts_of, searcher_of
from studio.session.opened import Opened, open_run
from studio.session.rooms import Whose
from studio.ui.explore.scene import Indices
from studio.ui.handlers import InSession
from studio.ui.parts import UNCHECKED
from studio.views.render import part, render

LONGEST = 200
_WAIT_S = 0.4


class SearchPanel(InSession):
    """Components and what they do; the Explore tab connects them."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)

    def build(self) -> None:
        """Lay the field out, inside of the row of filters."""
        self.text = gr.Textbox(
            label="Search in words", placeholder="a dog on a beach", max_lines=1,
            elem_id="search-text", scale=3, min_width=200,
        )  # fmt: skip
        self.go = gr.Button("Search", elem_id="search-go", scale=0, min_width=90)

    def build_line(self) -> None:
        """The line below it that says what was found, or how far the search is."""
        self.message = gr.HTML(elem_id="search-message")

    def wire(self, sent: list[Any], shown: list[Any]) -> None:
        """Connect events. sent: run, stage and open panel; shown: selection, tabs, open panel."""
        for event in (self.go.click, self.text.submit):
            event(
                self.search, [self.text, *sent], [self.message, *shown],
                concurrency_id="search", concurrency_limit=4, trigger_mode="once", **UNCHECKED,
            )  # fmt: skip

    def search(
        self, text: Any, run: Any, stage: Any = None, panel: Any = "map"
    ) -> Iterator[list[Any]]:
        """Look for a sentence; yields the line to be shown, and the selection when it is there.

        panel: the one that is open. Beside the galleries there is no room for what was found: the
        map comes to the front.
        """
        same = [gr.skip(), gr.skip(), gr.skip()]
        try:
            text = _checked(text)
            opened = open_run(self.session, run, stage)
            many = len(opened.outcome) >= FEWEST
            task = searcher_of(opened) if many else encoded_of(opened)
            while task.pending:
                yield [part("waiting", task.state, before="Before the search"), *same]
                task.ended.wait(_WAIT_S)
            if task.error:
                raise RunError(task.error)
            found = nearest(opened, task.value, text)
        except StudioError as error:
            yield [_line(str(error)), *same]
            return
        key = self.session.selections.put(
            source=opened.source, indices=found, text=f"nearest to “{text}”, best first"
        )
        front = [gr.Tabs(selected="map"), "map"] if panel == "galleries" else same[1:]
        line = f"{plural(len(found), 'image')} nearest to “{text}”, best first."
        yield [_line(line), key, *front]


def nearest(opened: Opened, encoded: Encoded | Searcher, text: str) -> Indices:
    """The run's images nearest to a text, best first, and the errors of `Encoded.nearest`; those
    no longer in the folder are left out.
    """
    if isinstance(encoded, Searcher):
        return encoded.nearest(text, opened.outcome.class_names, prompts_of(opened))
    outcome, at = opened.outcome, opened.read().at
    here = np.flatnonzero(at >= 0)
    return here[encoded.nearest(text, outcome.class_names, prompts_of(opened), rows=at[here])]


def _checked(text: Any) -> str:
    text = " ".join(text.split()) if isinstance(text, str) else ""
    if not text:
        raise RunError("Type what the images should show, for example: a dog on a beach.")
    if len(text) > LONGEST:
        raise RunError(f"That is too long: use at most {LONGEST} characters.")
    return text


def _line(text: str) -> str:
    return render("explore/search.html", text=text)
