"""The heat map of confusions; each cell selects its images."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.analysis import confusion
from studio.errors import RunError
from studio.numbers import plural
from studio.ui.explore.galleries import Drawn, Panel
from studio.ui.explore.scene import AGAINST_MODEL, AGAINST_TRUTH, Filters, Indices, Scene
from studio.ui.parts import pick_list, picked
from studio.views.confusion import cell, heat_map
from studio.views.render import part


class ConfusionPanel(Panel):
    """Components and what they show; the Explore tab connects them."""

    def build(self) -> None:
        """Lay the panel out, inside of its gr.Tab."""
        self.against = gr.Radio(
            [AGAINST_MODEL, AGAINST_TRUTH],
            value=AGAINST_MODEL,
            label="Compare the labels of model 1 with",
            elem_id="confusion-against",
            visible=False,
        )
        self.map = pick_list(elem_id="confusion-map")
        self.outputs = [self.against, self.map]

    def draw(self, scene: Scene, filters: Filters) -> Drawn:
        """What the panel shows."""
        outcome = scene.outcome
        has_truth = outcome.truth is not None and bool((outcome.truth >= 0).any())
        truth = has_truth and filters.against == AGAINST_TRUTH
        choice = {self.against: gr.update(visible=has_truth)}
        if not scene.judged and not truth:
            more = " Compare its labels with the sub-folders instead." if has_truth else ""
            text = f"Before training there is one model only, and none to disagree with it.{more}"
            return {**choice, self.map: part("empty", text)}
        found = confusion.confusion(outcome, truth=truth, label=scene.label)
        return {**choice, self.map: heat_map(found)}

    def pick(self, scene: Scene, filters: Filters, event: Any) -> tuple[Indices, str]:
        """The images of the cell that was pressed, see `Find`."""
        outcome, truth = scene.outcome, filters.against == AGAINST_TRUTH
        place = cell(picked(event), len(outcome.class_names))
        if place is None:
            raise RunError("There is no such cell.")
        indices = confusion.images_of(outcome, *place, truth=truth)
        row, column = (outcome.class_names[c] for c in place)
        other = "the sub-folder" if truth else "model 2"
        text = f"{plural(len(indices), 'image')}: model 1 says {row}, {other} says {column}"
        return indices, text
