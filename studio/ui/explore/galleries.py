"""Clean and noisy images side by side, for all classes, for one, or within the selection."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.ui.explore.paged import Paged, blank, drawn, paged
from studio.ui.explore.scene import SIDES, Scene
from studio.ui.parts import folding, pick_list
from studio.views import cards
from studio.views.gallery import Side
from studio.views.numbers import plural

_SAID = {
    "clean": ("Clean", "labels that the other model believes"),
    "noisy": ("Noisy", "labels that were not believed"),
}
_BEFORE = {
    "clean": ("Sure", "the model is more than 50 % sure"),
    "noisy": ("Unsure", "the model is at most 50 % sure"),
}
_ORDERS = [("doubtful first", "up"), ("certain first", "down"), ("each class in turn", "turns")]

_LEGEND = (
    '<p class="quiet legend">On each image: its label, how clean that label is, and below, what '
    "each of the two models says with how far the other one believes it. Press an image to "
    "enlarge it.</p>"
)


class GalleriesPanel:
    """Components and what they show; the Explore tab connects them."""

    def build(self) -> None:
        """Lay the panel out, inside of its gr.Tab."""
        with gr.Row(elem_classes="inline within-row"):
            gr.HTML(_LEGEND)
            self.within = gr.Checkbox(
                label="Only the selection", elem_id="within-selection", min_width=190, scale=0
            )
        self.titles: dict[Side, gr.HTML] = {}
        self.orders: dict[Side, gr.Radio] = {}
        self.take: dict[Side, gr.Button] = {}
        self.sides: dict[Side, Paged] = {}
        with gr.Row(elem_classes="columns galleries"):
            with gr.Column(min_width=230, elem_classes="classes"):
                self.classes = pick_list(elem_id="explore-classes")
            for side in SIDES:
                with gr.Column(min_width=300, elem_classes=f"side-{side}"):
                    self._side(side)
        self.numbers = folding(elem_id="explore-numbers")

    def _side(self, side: Side) -> None:
        with gr.Row(elem_classes="inline gallery-head"):
            self.titles[side] = gr.HTML(_title(side, ""))
            self.orders[side] = gr.Radio(
                _ORDERS,
                value="down" if side == "clean" else "up",
                label=f"Order of the {side} images",
                show_label=False,
                container=False,
                elem_id=f"order-{side}",
                min_width=200,
            )
        self.sides[side] = paged(side, cards_id=f"gallery-{side}")
        self.take[side] = gr.Button(
            "Select these", elem_id=f"{side}-take", size="sm", interactive=False
        )

    @property
    def outputs(self) -> list[Any]:
        """In the order in which `draw` gives them."""
        found: list[Any] = [self.within, self.classes, self.numbers]
        for side in SIDES:
            found += [self.titles[side], self.take[side], *self.sides[side].outputs]
        return found

    def draw(self, scene: Scene, pages: dict[str, int]) -> tuple[dict[str, int], list[Any]]:
        """The numbers of the pages that are shown, and the values of `outputs`."""
        outcome, numbers = scene.outcome, dict(pages)
        chosen = scene.selection
        label = "Only the selection" if chosen is None else f"Only the {len(chosen):,} selected"
        within = gr.update(interactive=chosen is not None, label=label)
        values: list[Any] = [within, cards.class_list(outcome, scene.label)]
        values.append(cards.class_table(outcome))
        for side in SIDES:
            indices = scene.side(side)
            numbers[side], each = drawn(
                scene, indices, numbers[side], cards.card, nothing=f"No {side} image here."
            )
            take = gr.update(
                value=f"Select {'this' if len(indices) == 1 else 'these'} "
                f"{plural(len(indices), 'image')}",
                interactive=bool(len(indices)),
            )
            values += [_title(side, outcome.stage), take, *each]
        return numbers, values

    def nothing(self) -> list[Any]:
        """The values of `outputs` while there is nothing to show."""
        off = gr.update(interactive=False)
        sides = [value for side in SIDES for value in (_title(side, ""), off, *blank())]
        return [off, "", "", *sides]


def _title(side: Side, stage: str) -> str:
    title, text = (_BEFORE if stage == "zero-shot" else _SAID)[side]
    return f'<h3 class="gallery-title">{title} <small>{text}</small></h3>'
