"""The Explore tab: a map, galleries, confusions, duplicates and outliers, and each image large.

All parts look at one scene, which the filter row and the selection make (`ui.scene`), and hand each
other images as selections (`ui.selections`): the gr.State `selection` holds an id. Whoever sets it
fills the gallery beside the map and lights its points.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.ui.explore.answers import ExploreAnswers, page_numbers
from studio.ui.explore.paged import Paged
from studio.ui.explore.scene import ALL, COMBINED, JUDGED, SIDES
from studio.ui.parts import POLL, PRIVATE, UNCHECKED, hidden_text


class ExploreTab(ExploreAnswers):
    """Builds the tab and connects it; what it answers is in `ui.explore_answers`."""

    def build(self) -> None:
        """Lay the tab out, inside of gr.Tab."""
        with gr.Row(elem_classes="inline filters"):
            self.run = gr.Dropdown(
                [], label="Run", elem_id="explore-run-choice", scale=4, min_width=260
            )
            self.label = gr.Dropdown(
                [ALL], value=ALL, label="Class", elem_id="explore-class", scale=2, min_width=180
            )
            self.disagree = gr.Checkbox(
                label="Models disagree", elem_id="explore-disagree", scale=1, min_width=170
            )
            self.by = gr.Dropdown(
                [("the other model", JUDGED), ("combined score", COMBINED)],
                value=JUDGED,
                label="How clean, by",
                elem_id="explore-by",
                scale=2,
                min_width=180,
            )
            self.search.build()
        self.search.build_line()
        self.summary = gr.HTML(elem_id="explore-summary")
        self.stage = gr.State("")  # of the run; anything else than a stage is the latest
        self.selection = gr.State("")
        self.active = hidden_text("map")
        self.pages = gr.State(page_numbers(None))
        self.correct.build()
        with gr.Row(elem_classes="columns explore-split"):
            with gr.Column(scale=3, min_width=320, elem_classes="explore-main"):
                self._panels()
            with gr.Column(scale=2, min_width=280, elem_classes="explore-side"):
                self.chosen.build()
        self.detail.build()

    def _panels(self) -> None:
        self.tabs: dict[str, gr.Tab] = {}
        with gr.Tabs(
            selected="map", elem_id="explore-tabs", overflow_behavior="wrap"
        ) as self.inner:
            with gr.Tab("Map", id="map") as self.tabs["map"]:
                self.map.build()
            with gr.Tab("Galleries", id="galleries") as self.tabs["galleries"]:
                self.galleries.build()
            with gr.Tab("Confusions", id="confusions") as self.tabs["confusions"]:
                self.confusions.build()
            with gr.Tab("Duplicates and outliers", id="copies") as self.tabs["copies"]:
                self.copies.build()

    @property
    def filters(self) -> list[Any]:
        """The components that make the scene, in the order of `scene_of`."""
        orders = [self.galleries.orders[side] for side in SIDES]
        mine = [self.run, self.stage, self.label, self.disagree, *orders]
        return [*mine, self.selection, self.galleries.within, self.by]

    def wire(self, tab: gr.Tab, tabs: gr.Tabs, explore: gr.Button, chosen: gr.State) -> None:
        """Connect events. explore, chosen: the button of the Train tab and the run it shows."""
        knobs = [self.confusions.against, self.copies.kind, self.copies.least]
        seen = [*self.filters, self.active, *knobs, self.correct.target]
        drawn = [self.summary, self.pages, *self.chosen.outputs, *self.galleries.outputs]
        drawn += [*self.confusions.outputs, *self.copies.outputs, *self.map.outputs]
        drawn += self.correct.outputs
        # Opening a run may have to read its images again: that one shows a spinner.
        open_run: dict[str, Any] = {"fn": self.draw, "inputs": seen, "outputs": drawn}
        redraw: dict[str, Any] = {**open_run, **UNCHECKED}
        open_run = {**redraw, "show_progress": "full", "show_progress_on": [self.summary]}
        choices: dict[str, Any] = {"outputs": [self.run, self.label], **POLL, **UNCHECKED}
        tab.select(self.choices, [self.run, self.label], **choices).then(**open_run)
        go = explore.click(lambda: gr.Tabs(selected="explore"), outputs=[tabs], **PRIVATE)
        go.then(self.choose, [chosen], **choices).then(**open_run)
        self.run.input(self.choices, [self.run], **choices).then(**open_run)
        watched: list[Any] = [self.label, self.disagree, self.by, self.galleries.within, *knobs]
        for control in (*watched, *self.galleries.orders.values()):
            control.input(**redraw)
        self.stage.change(**redraw)
        for name, panel in self.tabs.items():
            panel.select(None, js=f"() => '{name}'", outputs=[self.active], **PRIVATE)
        # Not at each select: opening the whole tab selects its panel too, and has drawn it.
        self.active.change(**redraw)
        self.galleries.classes.select(
            self.pick_class, self.filters, [self.label], **UNCHECKED
        ).success(**redraw)
        self.copies.timer.tick(self.tick, seen, self.copies.outputs, **{**POLL, **UNCHECKED})
        turned: dict[str, Any] = {**redraw, "inputs": [*seen, self.pages]}
        self.selection.change(**{**turned, "fn": self.selected})
        for name, part in (*self._listed(), ("copies", self.copies.gallery)):
            part.back.click(**{**turned, "fn": self.turn(name, -1)})
            part.on.click(**{**turned, "fn": self.turn(name, 1)})
        self.correct.wire(
            here=self.filters, pages=self.pages, run=self.run, detail=self.detail,
            redraw={**turned, "fn": self.turn("selection", 0)}, tabs=tabs, chosen=chosen,
        )  # fmt: skip
        self.search.wire(self.run, self.stage, self.selection, self.inner, self.active)
        self._wire_picks()

    def _listed(self) -> list[tuple[str, Paged]]:
        """The galleries of images, by the name of their list in the scene."""
        return [*self.galleries.sides.items(), ("selection", self.chosen.gallery)]

    def _wire_picks(self) -> None:
        """What opens an image, and what selects some."""
        here, taken = self.filters, [self.selection]
        shown = [self.detail.dialog, self.detail.opened]
        for source, part in self._listed():
            part.cards.select(self.opener(source), here, shown, **UNCHECKED)
        for side in SIDES:
            self.galleries.take[side].click(self.taker(side), here, taken, **UNCHECKED)
        against, knobs = [self.confusions.against], [self.copies.kind, self.copies.least]
        self.confusions.map.select(self.pick_cell, [*here, *against], taken, **UNCHECKED)
        self.copies.gallery.cards.select(
            self.pick_copy, [*here, *knobs], [*shown, *taken], **UNCHECKED
        )
        self.map.board.select(self.pick_map, here, taken, **UNCHECKED)
        self.map.board.stage(self.pick_stage, here, [self.stage], **UNCHECKED)
        self.copies.take.click(self.take_copies, [*here, *knobs], taken, **UNCHECKED)
        self.detail.dialog.select(
            self.pick_detail, [*here, self.detail.opened], [*shown, *taken], **UNCHECKED
        )
        self.chosen.clear.click(lambda: "", outputs=taken, **PRIVATE)
