"""The gallery of what is selected, beside the map, the confusions and the copies."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.ui.explore.paged import blank, drawn, paged
from studio.ui.explore.scene import Scene
from studio.ui.parts import ASSETS
from studio.views import cards
from studio.views.markup import esc
from studio.views.numbers import count

_HINT = (
    "Draw around points on the map, press a number in Confusions, or open a group of Duplicates: "
    "its images come here."
)


class SelectionPanel:
    """Components and what they show; the Explore tab connects them."""

    def build(self) -> None:
        """Lay the panel out, inside of a gr.Column."""
        with gr.Row(elem_classes="inline gallery-head"):
            self.head = gr.HTML(
                value="",
                html_template='<div aria-live="polite">${value}</div>',
                js_on_load=(ASSETS / "follow.js").read_text(encoding="utf-8"),
                elem_id="selection-head",
            )
            self.clear = gr.Button(
                "Clear", elem_id="selection-clear", size="sm", min_width=80, interactive=False
            )
        self.gallery = paged("selection", cards_id="gallery-selection")

    @property
    def outputs(self) -> list[Any]:
        """In the order in which `draw` gives them."""
        return [self.head, self.clear, *self.gallery.outputs]

    def draw(self, scene: Scene, number: int) -> tuple[int, list[Any]]:
        """The number of the page that is shown, and the values of `outputs`."""
        indices = scene.selected()
        number, each = drawn(
            scene, indices, number, cards.small_card, nothing="No image here.", small=True
        )
        return number, [_head(scene, len(indices)), gr.update(interactive=bool(scene.selection)),
                        *each]  # fmt: skip

    def nothing(self) -> list[Any]:
        """The values of `outputs` while there is nothing to show."""
        return ["", gr.update(interactive=False), *blank()]


def _head(scene: Scene, shown: int) -> str:
    if scene.selection is None:
        word = "Least sure" if scene.outcome.stage == "zero-shot" else "Most doubtful"
        return f'<h3 class="gallery-title">{word} images <small>{esc(_HINT)}</small></h3>'
    told = scene.selection.text
    if shown < len(scene.selection):
        told += f"; {count(shown)} of {count(len(scene.selection))} are left by the filters above"
    return f'<h3 class="gallery-title">Selected <small>{esc(told)}</small></h3>'
