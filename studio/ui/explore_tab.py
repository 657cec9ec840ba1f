"""The Explore tab: clean and noisy images side by side, page by page, and each one in detail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from studio.errors import RunError, StudioError
from studio.ui.handlers import said
from studio.ui.looked import NOTHING, Looked, look
from studio.ui.parts import PRIVATE, dialog, folding, pick_list, picked, picked_index
from studio.ui.studio import Studio
from studio.views import cards, gallery, runs
from studio.views.gallery import Query, Side
from studio.views.markup import empty, esc

ALL = "All classes"
SIDES: tuple[Side, Side] = ("clean", "noisy")
_SAID = {
    "clean": ("Clean", "labels that the other model believes"),
    "noisy": ("Noisy", "labels that were not believed"),
}
_ORDERS = [("doubtful first", "up"), ("certain first", "down")]

LEGEND = (
    '<p class="quiet legend">On each image: its label, how clean that label is, and below, what '
    "each of the two models says with how far the other one believes it. Press an image to "
    "enlarge it.</p>"
)


class ExploreTab:
    """Builds the tab; handlers are methods, so that tests call them without a browser."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    # What is on it ----------------------------------------------------------------------------

    def build(self) -> None:
        """Lay the tab out, inside of gr.Tab."""
        with gr.Row(elem_classes="inline filters"):
            self.run = gr.Dropdown(
                [], label="Run", elem_id="explore-run-choice", scale=3, min_width=220
            )
            self.label = gr.Dropdown(
                [ALL], value=ALL, label="Class", elem_id="explore-class", scale=2, min_width=180
            )
            self.disagree = gr.Checkbox(
                label="Models disagree",
                elem_id="explore-disagree",
                scale=2,
                min_width=200,
            )
        self.summary = gr.HTML(empty(NOTHING), elem_id="explore-summary")
        gr.HTML(LEGEND)
        self.sides: dict[Side, dict[str, Any]] = {}
        with gr.Row(elem_classes="columns galleries"):
            with gr.Column(min_width=230, elem_classes="classes"):
                self.classes = pick_list(elem_id="explore-classes")
            for side in SIDES:
                with gr.Column(min_width=300, elem_classes=f"side-{side}"):
                    self.sides[side] = self._side(side)
        self.numbers = folding(elem_id="explore-numbers")
        self.dialog = dialog(label="Image", elem_id="explore-dialog")
        self.pages = gr.State({"clean": 0, "noisy": 0})

    def _side(self, side: Side) -> dict[str, Any]:
        title, text = _SAID[side]
        with gr.Row(elem_classes="inline gallery-head"):
            gr.HTML(f'<h3 class="gallery-title">{title} <small>{text}</small></h3>')
            order = gr.Radio(
                _ORDERS,
                value="down" if side == "clean" else "up",
                label=f"Order of the {side} images",
                show_label=False,
                container=False,
                elem_id=f"order-{side}",
                min_width=200,
            )
        pictures = pick_list(elem_id=f"gallery-{side}")
        turn: dict[str, Any] = {"size": "sm", "min_width": 90, "interactive": False}
        with gr.Row(elem_classes="inline pager"):
            back = gr.Button("Previous", elem_id=f"{side}-back", **turn)
            where = gr.HTML(elem_id=f"{side}-where")
            on = gr.Button("Next", elem_id=f"{side}-on", **turn)
        return {"order": order, "cards": pictures, "back": back, "where": where, "on": on}

    def wire(self, tab: gr.Tab, tabs: gr.Tabs, explore: gr.Button, chosen: gr.State) -> None:
        """Connect events. explore, chosen: the button of the Train tab and the run it shows."""
        orders = [self.sides[side]["order"] for side in SIDES]
        filters = [self.run, self.label, self.disagree, *orders]
        drawn = [self.summary, self.classes, self.numbers, self.pages]
        for side in SIDES:
            drawn += [self.sides[side][name] for name in ("cards", "where", "back", "on")]
        # Opening a run may have to read its images again: that one shows a spinner.
        open_run: dict[str, Any] = {"fn": self.draw, "inputs": filters, "outputs": drawn}
        open_run |= {"api_visibility": "private", "show_progress_on": [self.summary]}
        redraw: dict[str, Any] = {**open_run, "show_progress": "hidden"}
        choices: dict[str, Any] = {"outputs": [self.run, self.label], **PRIVATE}
        tab.select(self.choices, inputs=[self.run, self.label], **choices).then(**open_run)
        go = explore.click(lambda: gr.Tabs(selected="explore"), outputs=[tabs], **PRIVATE)
        go.then(self.choose, inputs=[chosen], **choices).then(**open_run)
        self.run.input(self.choices, inputs=[self.run], **choices).then(**open_run)
        for control in (self.label, self.disagree, *orders):
            control.input(**redraw)
        pick: dict[str, Any] = {"inputs": [self.run], **PRIVATE}
        self.classes.select(self.pick_class, outputs=[self.label], **pick).success(**redraw)
        for side in SIDES:
            parts, turn = self.sides[side], {**redraw, "inputs": [*filters, self.pages]}
            parts["back"].click(**{**turn, "fn": self._turn(side, -1)})
            parts["on"].click(**{**turn, "fn": self._turn(side, 1)})
            parts["cards"].select(self.open_image, outputs=[self.dialog], **pick)

    # What it shows ----------------------------------------------------------------------------

    def choices(self, current: Any, label: Any = None) -> list[Any]:
        """The runs and classes to choose from; what was chosen stays while it is there."""
        infos = self.studio.store.list()
        options = [(runs.run_label(info), info.id) for info in infos]
        ids = [info.id for info in infos]
        ended = [info.id for info in infos if info.state in ("finished", "stopped")]
        value = current if current in ids else next(iter([*ended, *ids]), None)
        names = [ALL, *next((info.class_names for info in infos if info.id == value), ())]
        stays = label if value == current and label in names else ALL
        return [gr.update(choices=options, value=value), gr.update(choices=names, value=stays)]

    def choose(self, chosen: str) -> list[Any]:
        """The run that the Train tab shows."""
        return self.choices(self.studio.chosen(chosen))

    def pick_class(self, run_id: str, event: gr.EventData) -> str:
        """A class was picked in the list; "all" takes the filter away."""

        def work() -> str:
            if picked(event) == "all":
                return ALL
            names = self.studio.store.get(str(run_id)).info.class_names
            index = picked_index(event, len(names))
            if index is None:
                raise RunError("There is no such class.")
            return names[index]

        return str(said(work))

    def _turn(self, side: Side, by: int) -> Callable[..., list[Any]]:
        def turn(*values: Any) -> list[Any]:
            pages = _pages(values[-1])
            return self.draw(*values[:-1], pages={**pages, side: pages[side] + by})

        return turn

    def draw(
        self, run: Any, label: Any, disagree: Any, *orders: Any, pages: Any = None
    ) -> list[Any]:
        """Summary, list of classes and both galleries; without pages, the first ones."""
        try:
            looked = look(self.studio, run)
        except StudioError as error:
            nothing = ["", "", gr.update(interactive=False), gr.update(interactive=False)]
            return [empty(str(error)), "", "", _pages(None), *nothing, *nothing]
        outcome = looked.outcome
        chosen = outcome.class_names.index(label) if label in outcome.class_names else None
        drawn: list[Any] = []
        numbers = _pages(pages)
        for side, order in zip(SIDES, orders, strict=True):
            query = Query(side, chosen, bool(disagree), ascending=order == "up")
            page = gallery.page(gallery.select(outcome, query), numbers[side])
            numbers[side] = page.number
            drawn += [
                self._cards(looked, page, side),
                f'<p class="where">{esc(page.label)}</p>',
                gr.update(interactive=page.number > 0),
                gr.update(interactive=page.number < page.pages - 1),
            ]
        listed = cards.class_list(outcome, chosen)
        return [looked.summary(), listed, cards.class_table(outcome), numbers, *drawn]

    def _cards(self, looked: Looked, page: gallery.Page, side: Side) -> str:
        if not page.total:
            return empty(f"No {side} image here.")
        drawn = [cards.card(looked.outcome, i, looked.picture(i)) for i in page.indices]
        return f'<div class="cards">{"".join(drawn)}</div>'

    def open_image(self, run_id: str, event: gr.EventData) -> str:
        """The picked image, large, with everything that is known about it."""

        def work() -> str:
            looked = look(self.studio, run_id)
            index = picked_index(event, len(looked.outcome))
            if index is None:
                raise RunError("There is no such image in this run.")
            return cards.detail(looked.outcome, index, looked.large_picture(index))

        return str(said(work))


def _pages(value: Any) -> dict[str, int]:
    """Page numbers as a page may send them, made safe."""
    known = value if isinstance(value, dict) else {}
    return {
        side: n if isinstance(n := known.get(side), int) and abs(n) < 10**7 else 0 for side in SIDES
    }
