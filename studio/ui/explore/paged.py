"""A gallery of which one page is shown at a time: cards, and the buttons that turn the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.runs.outcome import Outcome
from studio.ui.explore.scene import Indices, Scene
from studio.ui.parts import pick_list
from studio.views import correcting, gallery
from studio.views.markup import empty, esc

Card = Callable[[Outcome, int, str], str]


@dataclass(frozen=True)
class Paged:
    """The components of one gallery. `name` begins their ids: NAME-back, NAME-where, NAME-on."""

    name: str
    cards: gr.HTML
    back: gr.Button
    where: gr.HTML
    on: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """In the order in which `drawn` gives them."""
        return [self.cards, self.where, self.back, self.on]


def paged(name: str, *, cards_id: str) -> Paged:
    """Lay a gallery out."""
    cards = pick_list(elem_id=cards_id)
    turn: dict[str, Any] = {"size": "sm", "min_width": 90, "interactive": False}
    with gr.Row(elem_classes="inline pager"):
        back = gr.Button("Previous", elem_id=f"{name}-back", **turn)
        where = gr.HTML(elem_id=f"{name}-where")
        on = gr.Button("Next", elem_id=f"{name}-on", **turn)
    return Paged(name, cards, back, where, on)


def drawn(
    scene: Scene, indices: Indices, number: int, card: Card, *, nothing: str, small: bool = False
) -> tuple[int, list[Any]]:
    """The number of the page that is shown, and the values of `Paged.outputs`.

    Args:
        scene: what is looked at.
        indices: of all images of the gallery, in order.
        number: of the page asked for; the nearest one is shown.
        card: draws one image, given its thumbnail's address.
        nothing: what stands there without any image.
        small: whether cards are small ones.
    """
    page = gallery.page(indices, number)
    body = empty(nothing)
    if page.total:
        opened, outcome = scene.opened, scene.outcome
        said = opened.corrections
        each = "".join(
            correcting.marked(card(outcome, i, opened.picture(i)), said.get(outcome.paths[i]))
            for i in page.indices
        )
        body = f'<div class="cards{" cards-small" if small else ""}">{each}</div>'
    where = f'<p class="where">{esc(page.label)}</p>'
    turns = (page.number > 0, page.number < page.pages - 1)
    return page.number, [body, where, *(gr.update(interactive=on) for on in turns)]


def blank() -> list[Any]:
    """The values of `Paged.outputs` where there is nothing to look at."""
    return ["", "", gr.update(interactive=False), gr.update(interactive=False)]
