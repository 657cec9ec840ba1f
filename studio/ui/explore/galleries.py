"""Galleries of cards, a page at a time: clean and noisy side by side, and what is selected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from studio.analysis import gallery
from studio.analysis.gallery import Order, Page, Side
from studio.numbers import count, plural
from studio.ui.explore.scene import SIDES, Filters, Indices, Scene
from studio.ui.parts import Pager, folding, pick_list, script
from studio.views import cards
from studio.views.render import render

Drawn = dict[Any, Any]
"""Components with what they show from now on."""

Find = Callable[[Scene, Filters, Any], tuple[Indices, str]]
"""Which images an event selects, and what they are; a RunError where the page sent nonsense."""

_HINT = (
    "Draw around points on the map, press a number in Confusions, or open a group of duplicates: "
    "its images come here."
)


class Panel:
    """Components and what they show; the Explore tab connects them. outputs: what `draw` sets."""

    outputs: list[Any]

    def build(self) -> None:
        """Lay it out where it stands."""
        raise NotImplementedError

    def nothing(self) -> Drawn:
        """What stands there while there is nothing to show."""
        return {component: _nothing(component) for component in self.outputs}


def _nothing(component: Any) -> Any:
    """No text, nothing to be pressed, and no choice between what is not there."""
    if isinstance(component, gr.HTML):
        return ""
    if isinstance(component, gr.Timer):
        return gr.Timer(active=False)
    if isinstance(component, (gr.Button, gr.Checkbox)):
        return gr.update(interactive=False)
    return gr.update(visible=False)


class PagedCards(Panel):
    """The components of one gallery. `name` begins their ids: NAME-back, NAME-where, NAME-on.

    The cards raise `select` (an image is to be opened), `tick`, `answer` and `undo`, see
    assets/cards.js.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def build(self) -> None:
        """Lay the gallery out."""
        self.cards = gr.HTML(js_on_load=script("layout", "cards"), elem_id=f"gallery-{self.name}")
        self.pager = Pager(self.name)
        self.outputs = [self.cards, *self.pager.outputs]

    def draw(
        self,
        scene: Scene,
        indices: Indices,
        pages: dict[str, int],
        *,
        nothing: str = "No image here.",
        small: bool = True,
        note: Callable[[int], str] | None = None,
    ) -> Drawn:
        """The cards of the page that `pages` has under this name, or the nearest one, as it is
        entered there.

        indices: of all images of the gallery, in order; for the rest see `views.cards.cards`.
        """
        page = gallery.page(indices, pages[self.name])
        body = cards.cards(
            scene.outcome,
            page.shown,
            picture=scene.opened.picture,
            corrections=scene.opened.corrections,
            ticked=scene.ticks.images,
            version=scene.ticks.version,
            small=small,
            note=note,
            nothing=nothing,
        )
        return self.show(body, page, pages)

    def show(self, body: str, page: Page[Any], pages: dict[str, int]) -> Drawn:
        """HTML of a page, whose number is entered into `pages`."""
        pages[self.name] = page.number
        shown = (body, *self.pager.show(page))
        return dict(zip(self.outputs, shown, strict=True))


class SelectionPanel(Panel):
    """What is selected, beside the map, the confusions and the duplicates."""

    def __init__(self) -> None:
        self.gallery = PagedCards("selection")

    def build(self) -> None:
        """Lay the panel out, inside of a gr.Column."""
        with gr.Row(elem_classes="inline gallery-head"):
            self.head = gr.HTML(
                value="",
                html_template='<div aria-live="polite">${value}</div>',
                js_on_load=script("follow"),
                elem_id="selection-head",
            )
            self.clear = gr.Button(
                "Clear", elem_id="selection-clear", size="sm", min_width=80, interactive=False
            )
        self.gallery.build()
        self.outputs = [self.head, self.clear, *self.gallery.outputs]

    def draw(self, scene: Scene, pages: dict[str, int]) -> Drawn:
        """What the panel shows. pages: see `PagedCards.draw`."""
        indices, selection = scene.selected(), scene.selection
        title, text = "Selected", selection.text if selection is not None else _HINT
        if selection is None:
            title = "Least clean first" if scene.judged else "Least confident first"
        elif len(indices) < len(selection):
            text += f"; the filters above leave {count(len(indices))} of {count(len(selection))}"
        return {
            self.head: render("explore/title.html", title=title, text=text),
            self.clear: gr.update(interactive=selection is not None),
            **self.gallery.draw(scene, indices, pages),
        }


class GalleriesPanel(Panel):
    """Clean and noisy images side by side, for all classes, for one, or within the selection."""

    def __init__(self) -> None:
        self.sides: dict[Side, PagedCards] = {side: PagedCards(side) for side in SIDES}

    def build(self) -> None:
        """Lay the panel out, inside of its gr.Tab."""
        with gr.Row(elem_classes="inline within-row"):
            self.hint = gr.HTML(_hint())
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
        sides = [part for side in self.sides.values() for part in side.outputs]
        self.outputs = [self.hint, self.within, self.classes, self.numbers, *self.titles.values(),
                        *self.orders.values(), *self.take.values(), *sides]  # fmt: skip

    def _side(self, side: Side) -> None:
        with gr.Row(elem_classes="inline gallery-head"):
            self.titles[side] = gr.HTML(_title(side))
            self.orders[side] = gr.Radio(
                _orders(), value="down" if side == "clean" else "up",
                label=f"Order of the {side} images", show_label=False, container=False,
                elem_id=f"order-{side}", min_width=200,
            )  # fmt: skip
        self.sides[side].build()
        self.take[side] = gr.Button(
            "Select these", elem_id=f"{side}-take", size="sm", interactive=False
        )

    def draw(self, scene: Scene, pages: dict[str, int]) -> Drawn:
        """What the panel shows. pages: see `PagedCards.draw`."""
        selection = scene.selection
        label = (
            "Only the selection" if selection is None else f"Only the {len(selection):,} selected"
        )
        shown: Drawn = {
            self.hint: _hint(judged=scene.judged),
            self.within: gr.update(interactive=selection is not None, label=label),
            self.classes: cards.class_list(scene.outcome, scene.label),
            self.numbers: cards.class_table(scene.outcome),
        }
        for side in SIDES:
            indices = scene.side(side)
            shown |= self.sides[side].draw(
                scene, indices, pages, nothing=f"No {scene.word(side)} image here.", small=False
            )
            these = "this" if len(indices) == 1 else "these"
            shown[self.titles[side]] = _title(side, judged=scene.judged)
            shown[self.orders[side]] = gr.update(choices=_orders(judged=scene.judged))
            shown[self.take[side]] = gr.update(
                value=f"Select {these} {plural(len(indices), 'image')}",
                interactive=bool(len(indices)),
            )
        return shown

    def nothing(self) -> Drawn:
        """What stands there while there is nothing to show."""
        titles = {self.titles[side]: _title(side) for side in SIDES}
        orders = {order: gr.skip() for order in self.orders.values()}
        return {**super().nothing(), self.hint: _hint(), **titles, **orders}


def _hint(*, judged: bool = True) -> str:
    return render("explore/galleries_hint.html", judged=judged)


def _orders(*, judged: bool = True) -> list[tuple[str, Order]]:
    """The orders that a gallery can have, in words."""
    least, most = ("least clean", "cleanest") if judged else ("least confident", "most confident")
    return [(f"{least} first", "up"), (f"{most} first", "down"), ("each class in turn", "turns")]


def _title(side: Side, *, judged: bool = True) -> str:
    return render("explore/side_title.html", side=side, judged=judged)
