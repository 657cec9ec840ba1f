"""The heat map of confusions; each cell selects its images."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from studio.errors import RunError
from studio.ui.explore.scene import Indices, Scene
from studio.ui.parts import pick_list, picked
from studio.views import confusion
from studio.views.markup import empty
from studio.views.numbers import plural

MODEL, TRUTH = "the other model", "the sub-folder"


class ConfusionPanel:
    """Components and what they show; the Explore tab connects them."""

    def build(self) -> None:
        """Lay the panel out, inside of its gr.Tab."""
        self.against = gr.Radio(
            [MODEL, TRUTH],
            value=MODEL,
            label="Labels of model 1 held against",
            elem_id="confusion-against",
            visible=False,
        )
        self.map = pick_list(elem_id="confusion-map")

    @property
    def outputs(self) -> list[Any]:
        """In the order in which `draw` gives them."""
        return [self.against, self.map]

    def draw(self, scene: Scene, against: Any) -> list[Any]:
        """The values of `outputs`."""
        outcome = scene.outcome
        known = outcome.truth is not None and bool((outcome.truth >= 0).any())
        choice = gr.update(visible=known)
        truth = known and against == TRUTH
        if outcome.stage == "zero-shot" and not truth:
            more = " Hold its labels against the sub-folders instead." if known else ""
            text = f"Before training there is one model only, and nobody who contradicts it.{more}"
            return [choice, empty(text)]
        only = None
        if scene.label is not None:
            other = confusion.against(outcome, truth)
            only = np.flatnonzero((outcome.model_labels[0] == scene.label) | (other == scene.label))
        found = confusion.confusion(outcome, truth=truth, only=only)
        return [choice, confusion.heat_map(found) + confusion.pair_table(found)]

    def nothing(self) -> list[Any]:
        """The values of `outputs` while there is nothing to show."""
        return [gr.update(visible=False), ""]

    def pick(self, scene: Scene, against: Any, event: gr.EventData) -> tuple[Indices, str]:
        """The images of the cell that was pressed, and what they are.

        Raises:
            RunError: there is no such cell.
        """
        outcome, truth = scene.outcome, against == TRUTH
        place = confusion.cell(picked(event), len(outcome.class_names))
        if place is None:
            raise RunError("There is no such cell.")
        found = confusion.images_of(outcome, *place, truth=truth)
        row, column = (outcome.class_names[c] for c in place)
        other = "the sub-folder" if truth else "model 2"
        told = f"{plural(len(found), 'image')}: model 1 says {row}, {other} says {column}"
        return found, told
