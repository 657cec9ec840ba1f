"""Galleries of cards, a page at a time: clean and noisy side by side, and what is selected."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import gradio as gr

from studio.ui.explore.scene import SIDES, Indices, Scene
from studio.ui.parts import ASSETS, folding, pick_list
from studio.views import cards, gallery
from studio.views.gallery import Side
from studio.views.numbers import plural
from studio.views.render import render

Drawn = dict[Any, Any]
"""Components with what they show from now on."""

_ORDERS = [("least clean first", "up"), ("cleanest first", "down"), ("each class in turn", "turns")]


def blank(components: Iterable[Any]) -> Drawn:
    """Components while there is nothing to show: no text, nothing to press, nothing to wait for."""
    shown: Drawn = {}
    for component in components:
        if isinstance(component, gr.HTML):
            shown[component] = ""
        elif isinstance(component, gr.Timer):
            shown[component] = gr.Timer(active=False)
        elif isinstance(component, gr.Button):
            shown[component] = gr.update(interactive=False)
    return shown


class PagedCards:
    """The components of one gallery. `name` begins their ids: NAME-back, NAME-where, NAME-on.

    The cards raise `select` (an image is to be opened), `tick`, `answer` and `undo`, see
    assets/cards.js.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def build(self) -> None:
        """Lay the gallery out."""
        script = (ASSETS / "cards.js").read_text(encoding="utf-8")
        self.cards = gr.HTML(js_on_load=script, elem_id=f"gallery-{self.name}")
        turn: dict[str, Any] = {"size": "sm", "min_width": 90, "interactive": False}
        with gr.Row(elem_classes="inline pager"):
            self.back = gr.Button("Previous", elem_id=f"{self.name}-back", **turn)
            self.where = gr.HTML(elem_id=f"{self.name}-where")
            self.on = gr.Button("Next", elem_id=f"{self.name}-on", **turn)

    @property
    def outputs(self) -> list[Any]:
        """What `draw` and `show` set."""
        return [self.cards, self.where, self.back, self.on]

    def draw(
        self,
        scene: Scene,
        indices: Indices,
        number: int,
        *,
        nothing: str,
        small: bool = True,
        note: Callable[[int], str] | None = None,
    ) -> tuple[int, Drawn]:
        """The number of the page that is shown, and its cards.

        Args:
            scene: what is looked at.
            indices: of all images of the gallery, in order.
            number: of the page asked for; the nearest one is shown.
            nothing: what stands there without any image.
            small: whether cards are small ones.
            note: what a small card says below the label; None = how clean it is.
        """
        page = gallery.page(indices, number)
        body = cards.cards(
            scene.outcome,
            page.indices,
            picture=scene.opened.picture,
            corrections=scene.opened.corrections,
            ticked=scene.ticks.images,
            version=scene.ticks.version,
            small=small,
            note=note,
            nothing=nothing,
        )
        return page.number, self.show(body, page.label, page.number, page.pages)

    def show(self, body: str, where: str = "", number: int = 0, pages: int = 1) -> Drawn:
        """HTML as page `number` of some."""
        return {
            self.cards: body,
            self.where: render("explore/where.html", where=where) if where else "",
            self.back: gr.update(interactive=number > 0),
            self.on: gr.update(interactive=number < pages - 1),
        }


class SelectionPanel:
    """What is selected, beside the map, the confusions and the duplicates."""

    def __init__(self) -> None:
        self.gallery = PagedCards("selection")

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
        self.gallery.build()

    @property
    def outputs(self) -> list[Any]:
        """What `draw` sets."""
        return [self.head, self.clear, *self.gallery.outputs]

    def draw(self, scene: Scene, number: int) -> tuple[int, Drawn]:
        """The number of the page that is shown, and the components."""
        indices, selection = scene.selected(), scene.selection
        number, shown = self.gallery.draw(scene, indices, number, nothing="No image here.")
        head = render(
            "explore/selection_head.html", selection=selection, left=len(indices),
            judged=scene.judged,
        )  # fmt: skip
        return number, {
            self.head: head, self.clear: gr.update(interactive=selection is not None), **shown
        }  # fmt: skip


class GalleriesPanel:
    """Clean and noisy images side by side, for all classes, for one, or within the selection."""

    def __init__(self) -> None:
        self.sides: dict[Side, PagedCards] = {side: PagedCards(side) for side in SIDES}

    def build(self) -> None:
        """Lay the panel out, inside of its gr.Tab."""
        with gr.Row(elem_classes="inline within-row"):
            gr.HTML(render("explore/galleries_hint.html"))
            self.within = gr.Checkbox(
                label="Only the selection", interactive=False, elem_id="galleries-within",
                container=False,
            )  # fmt: skip
        self.titles: dict[Side, gr.HTML] = {}
        self.orders: dict[Side, gr.Radio] = {}
        self.take: dict[Side, gr.Button] = {}
        with gr.Row(elem_classes="columns galleries"):
            with gr.Column(min_width=230, elem_classes="classes"):
                self.classes = pick_list(elem_id="explore-classes")
            for side in SIDES:
                with gr.Column(min_width=300, elem_classes=f"side-{side}"):
                    self._side(side)
        self.numbers = folding(elem_id="explore-numbers")

    def _side(self, side: Side) -> None:
        with gr.Row(elem_classes="inline gallery-head"):
            self.titles[side] = gr.HTML(render("explore/side_head.html", side=side, judged=True))
            self.orders[side] = gr.Radio(
                _ORDERS, value="down" if side == "clean" else "up",
                label=f"Order of the {side} images", show_label=False, container=False,
                elem_id=f"order-{side}", min_width=200,
            )  # fmt: skip
        self.sides[side].build()
        self.take[side] = gr.Button(
            "Select these", elem_id=f"{side}-take", size="sm", interactive=False
        )

    @property
    def outputs(self) -> list[Any]:
        """What `draw` sets."""
        sides = [part for side in self.sides.values() for part in side.outputs]
        return [self.within, self.classes, self.numbers, *self.titles.values(),
                *self.take.values(), *sides]  # fmt: skip

    def draw(self, scene: Scene, pages: dict[str, int]) -> tuple[dict[str, int], Drawn]:
        """The numbers of the pages that are shown, and the components."""
        selection, pages = scene.selection, dict(pages)
        label = (
            "Only the selection" if selection is None else f"Only the {len(selection):,} selected"
        )
        shown: Drawn = {
            self.within: gr.update(interactive=selection is not None, label=label),
            self.classes: cards.class_list(scene.outcome, scene.label),
            self.numbers: cards.class_table(scene.outcome),
        }
        for side in SIDES:
            indices = scene.side(side)
            pages[side], drawn = self.sides[side].draw(
                scene, indices, pages[side], nothing=f"No {scene.word(side)} image here.",
                small=False,
            )  # fmt: skip
            these = "this" if len(indices) == 1 else "these"
            shown |= drawn
            shown[self.titles[side]] = render(
                "explore/side_head.html", side=side, judged=scene.judged
            )
            shown[self.take[side]] = gr.update(
                value=f"Select {these} {plural(len(indices), 'image')}",
                interactive=bool(len(indices)),
            )
        return pages, shown
