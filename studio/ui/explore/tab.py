"""The Explore tab: a map, galleries, confusions, duplicates and outliers, and each image large.

All parts look at one scene, which the filter row and the selection make (`ui.explore.scene`), and
hand each other images as selections: the gr.State `selection` holds an id (`session.selections`).
Whoever sets it fills the gallery beside the map and lights its points.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from studio.ui.explore.answers import ExploreAnswers, all_corrected, all_of_side
from studio.ui.explore.galleries import Find, PagedCards
from studio.ui.explore.judge import all_judged
from studio.ui.explore.scene import ALL, COMBINED, JUDGED, SIDES, Filters
from studio.ui.parts import POLL, PRIVATE, UNCHECKED, guard, hidden_text
from studio.ui.polling import Polling

_KEPT = "studio-explore"
_REMEMBER = f"""(run, panel) => {{
  if (run) sessionStorage.setItem("{_KEPT}", JSON.stringify([run, panel]));
}}"""
_RECALL = f"""(run, label, wanted, _) => [run, label, wanted, sessionStorage.getItem("{_KEPT}")]"""
# Presses the panel's tab, unless another was pressed while the answer that names it was on its way.
_PRESS = """panel => {
  const tab = id => document.querySelector(`#explore-tabs > .tab-wrapper [data-tab-id=${id}]`);
  if (panel && tab("map")?.ariaSelected === "true") tab(panel)?.click();
}"""
_TO_TOP = "() => window.scrollTo(0, 0)"

_TITLES = {"duplicates": "Duplicates and outliers"}


class ExploreTab(ExploreAnswers):
    """Builds the tab and connects it; what it answers is in `ui.explore.answers`."""

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
                [("the other model", JUDGED), ("combined score", COMBINED)], value=JUDGED,
                label="How clean, by", elem_id="explore-by", scale=2, min_width=180,
            )  # fmt: skip
            self.search.build()
        self.search.build_line()
        self.summary = gr.HTML(elem_id="explore-summary")
        self.stage = gr.State("")  # of the run; anything else than a stage is the latest
        self.selection, self.shown, self.wanted = gr.State(""), gr.State(""), gr.State("")
        self.pages = gr.State({})
        self.panel, self.remembered = hidden_text("map"), hidden_text()
        self.recalled = hidden_text()  # the panel that a page loaded again is to show
        self.again = hidden_text()  # changes when the header wants another run of the open tab
        self.ask.build()
        self.correct.build()
        self.judge.build()
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
            for name, panel in self.panels.items():
                title = _TITLES.get(name, name.capitalize())
                with gr.Tab(title, id=name) as self.tabs[name]:
                    panel.build()

    def controls(self) -> dict[str, Any]:
        """The components whose values a page sends, by the names of `Filters`."""
        return {
            "run": self.run, "stage": self.stage, "label": self.label, "disagree": self.disagree,
            "clean_order": self.galleries.orders["clean"],
            "noisy_order": self.galleries.orders["noisy"],
            "selection": self.selection, "within": self.galleries.within, "by": self.by,
            "panel": self.panel, "against": self.confusions.against, "kind": self.duplicates.kind,
            "at_least": self.duplicates.at_least, "relabel_to": self.correct.label,
            "shown": self.shown, "pages": self.pages, "ticks": self.correct.ticks,
        }  # fmt: skip

    def event(
        self, answer: Callable[[Filters, gr.EventData], Any], outputs: list[Any], **more: Any
    ) -> dict[str, Any]:
        """The arguments of an event of gradio's that a method of `ExploreAnswers` answers."""
        controls = self.controls()

        def answered(event: gr.EventData, values: dict[Any, Any]) -> Any:
            filters = Filters(**{name: values[control] for name, control in controls.items()})
            return guard(lambda: answer(filters, event))

        return {"fn": answered, "inputs": set(controls.values()), "outputs": outputs,
                **UNCHECKED, **more}  # fmt: skip

    def watch(self, polling: Polling) -> None:
        """Have the part that changes by itself asked for, see `ui.polling`."""
        self.judge_watched = self.judge.watch(polling, self.shown)

    def wire(self, tab: gr.Tab, tabs: gr.Tabs, explore: gr.Button, chosen: gr.State) -> None:
        """Connect events. explore, chosen: the button of the Train tab and the run it shows."""
        drawn = [
            self.summary, self.pages, self.shown, self.label, self.disagree, self.by,
        ]  # fmt: skip
        for part in (self.chosen, self.correct, self.ask, *self.panels.values()):
            drawn += part.outputs
        # Of one page one after another: an answer must not put back what a later one has changed.
        draws = partial(self.event, outputs=drawn, concurrency_id="explore")
        redraw = draws(self.draw_anew)
        # Opening a run may have to read its images again: that one shows a spinner.
        spins = {"show_progress": "full", "show_progress_on": [self.summary]}
        open_run = {**redraw, **spins}
        choices: dict[str, Any] = {"outputs": [self.run, self.label], **POLL, **UNCHECKED}
        # A button of another tab says which run it wants before this tab opens; what opens the tab
        # is the only one to choose a run, so that no two answers can overtake each other.
        opened = {**choices, "outputs": [self.run, self.label, self.recalled, self.wanted]}
        asked = [self.run, self.label, self.wanted, self.remembered]
        tab.select(self.open_tab, asked, js=_RECALL, **opened).then(**open_run)
        self.recalled.change(None, [self.recalled], js=_PRESS, **UNCHECKED)
        explore.click(
            lambda run: [self.session.chosen(run) or "", gr.Tabs(selected="explore")],
            [chosen], [self.wanted, tabs], **PRIVATE,
        ).then(None, js=_TO_TOP)  # fmt: skip
        self.run.input(self.choices, [self.run], **choices).then(**open_run)
        gr.on(
            [self.run.change, self.panel.change], None, [self.run, self.panel], js=_REMEMBER,
            **UNCHECKED,
        )  # fmt: skip
        watched: list[Any] = [self.label, self.disagree, self.by, self.galleries.within]
        watched += [self.confusions.against, self.duplicates.kind, self.duplicates.at_least]
        for control in (*watched, *self.galleries.orders.values()):
            control.input(**redraw)
        self.stage.change(**redraw)
        for name, panel in self.tabs.items():
            panel.select(None, js=f"() => '{name}'", outputs=[self.panel], **PRIVATE)
        # Not at each select: opening the whole tab selects its panel too, and has drawn it.
        self.panel.change(**redraw)
        self.again.change(**open_run)
        timer = self.event(self.tick_of_timer, self.duplicates.outputs, **POLL)
        self.duplicates.timer.tick(**timer)
        self.selection.change(**draws(self.selected))
        for gallery in self._galleries():
            for button, by in ((gallery.pager.back, -1), (gallery.pager.on, 1)):
                turn = partial(self.turn, name=gallery.name, by=by)
                button.click(**draws(turn))
        self.search.wire(
            [self.run, self.stage, self.panel], [self.selection, self.inner, self.panel]
        )
        self._wire_picks(redraw)
        self._wire_corrections(draws(self.draw_again), tabs, chosen)
        self.judge.wire(self.judge_watched, self.shown)

    def _galleries(self) -> list[PagedCards]:
        return [self.chosen.gallery, *self.galleries.sides.values(), self.duplicates.gallery]

    def _wire_picks(self, redraw: dict[str, Any]) -> None:
        """What opens an image, and what selects some."""
        taken, dialog = [self.selection], [self.detail.dialog]
        for gallery in (self.chosen.gallery, *self.galleries.sides.values()):
            gallery.cards.select(**self.event(partial(self.open_image, name=gallery.name), dialog))
        finds: list[tuple[Any, Find]] = [
            (self.galleries.take[side].click, partial(all_of_side, side=side)) for side in SIDES
        ]
        finds += [
            (self.confusions.map.select, self.confusions.pick),
            (self.duplicates.take.click, self.duplicates.take_all),
            (self.detail.dialog.select, self.detail.near),
            (self.correct.take.click, all_corrected),
            (self.judge.take.click, all_judged),
        ]
        for happens, find in finds:
            happens(**self.event(partial(self.select, find=find), taken))
        self.galleries.classes.select(**self.event(self.pick_class, [self.label])).success(**redraw)
        self.duplicates.gallery.cards.select(**self.event(self.pick_duplicate, [*dialog, *taken]))
        self.map.board.select(**self.event(partial(self.on_map, pick=self.map.pick), taken))
        to_stage = partial(self.on_map, pick=self.map.pick_stage)
        self.map.board.stage(**self.event(to_stage, [self.stage]))
        self.chosen.clear.click(lambda: "", outputs=taken, **PRIVATE)

    def _wire_corrections(
        self, same_pages: dict[str, Any], tabs: gr.Tabs, chosen: gr.State
    ) -> None:
        """What corrects labels, and what trains with them. same_pages: draws what is shown."""
        correct = self.correct
        changed, all_of_them = [correct.changed], {"trigger_mode": "multiple"}
        for gallery in self._galleries():
            cards = gallery.cards
            cards.tick(**self.event(self.tick, [correct.ticks, *correct.outputs], **all_of_them))
            cards.answer(**self.event(self.answer_card, changed, **all_of_them))
            cards.undo(**self.event(partial(self.undo, by_person=True), changed))
        asks = [correct.changed, correct.ticks, correct.buttons["rejected"], correct.sure,
                correct.keep]  # fmt: skip
        for verdict, button in correct.buttons.items():
            press = partial(self.press, verdict=verdict, sure=False)
            button.click(**self.event(press, asks))
        correct.sure.click(**self.event(partial(self.press, verdict="rejected"), asks))
        correct.keep.click(correct.unasked, outputs=asks[2:], **PRIVATE)
        correct.undo_button.click(**self.event(self.undo, changed))
        self.ask.wire(self.run, self.detail.dialog)
        self.ask.reverse.click(
            lambda run: guard(lambda: self.ask.turn_round(run)), [self.run], [changed[0]],
            **UNCHECKED,
        )  # fmt: skip
        correct.upload.upload(
            lambda run, sent: guard(lambda: correct.take_table(run, sent)),
            [self.shown, correct.upload], changed, **UNCHECKED,
        )  # fmt: skip
        correct.one_by_one.click(**self.event(self.one_by_one, [self.detail.dialog]))
        correct.changed.change(**same_pages)
        self.detail.dialog.corrected(**{**same_pages, "trigger_mode": "always_last"})
        started = correct.again.click(
            lambda run: guard(lambda: correct.train(run)), [self.run], [chosen],
            **{**UNCHECKED, "show_progress": "full"},
        )  # fmt: skip
        started.success(lambda: gr.Tabs(selected="train"), outputs=[tabs], **PRIVATE)
