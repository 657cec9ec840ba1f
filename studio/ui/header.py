"""The header: the studio's name, what it is doing, and the explanations of its words."""

from __future__ import annotations

from dataclasses import asdict
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import Markup

from studio.runs.store import ACTIVE
from studio.session.rooms import Whose
from studio.session.state import DataState
from studio.ui.export import exportable
from studio.ui.handlers import InSession
from studio.ui.parts import PRIVATE, UNCHECKED, Lazy, Part, guard, hidden_text, picked, script
from studio.ui.polling import Polling
from studio.ui.theme import ICON
from studio.views import runs, state
from studio.views.render import render
from studio.views.words import words_html

if TYPE_CHECKING:
    from studio.ui.explore.tab import ExploreTab
    from studio.ui.export import ExportTab


_HERE = """() => document.querySelector(
  "#tabs > .tab-wrapper [role=tab][aria-selected=true]").dataset.tabId"""


class Header(InSession):
    """Builds the header; the rest of the page asks it how things stand."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)

    def build(self) -> None:
        """Lay it out, at the top of the page."""
        logo = Markup(ICON.read_text(encoding="utf-8"))
        public = self.session.options.public
        with gr.Row(elem_classes="header"):
            gr.HTML(
                render("page/header.html", logo=logo, public=public), elem_classes="header-brand"
            )
            self.state = gr.HTML(
                state.header(None, None),
                elem_id="header-status",
                js_on_load=script("pick", "page"),
                server_functions=[self.standing_of()],
            )
        gr.HTML(words_html(), elem_id="words")
        self.here = hidden_text()

    def wire(
        self,
        polling: Polling,
        tabs: gr.Tabs,
        status: gr.HTML,
        explore: ExploreTab,
        export: ExportTab,
    ) -> None:
        """Connect events. status: the card of the Train tab, which has the same buttons."""
        polling.watch(self.parts, {"state": self.state})
        places = {
            "tabs": tabs, "export": export.run, "wanted": explore.wanted, "run": explore.run,
            "label": explore.label, "inner": explore.inner, "panel": explore.panel,
            "again": explore.again,
        }  # fmt: skip

        def way_on(event: gr.EventData, here: str) -> dict[Any, Any]:
            values = self.way_on(picked(event), here)
            sent = {places[name]: value for name, value in values.items()}
            if "again" not in values:
                return sent
            # The tab that is open chooses no run by itself.
            return {**explore.choices(values["wanted"]), **sent, explore.wanted: ""}

        for place in (self.state, status):
            gone = place.select(way_on, [self.here], list(places.values()), js=_HERE, **UNCHECKED)
            gone.success(None, js="() => window.scrollTo(0, 0)", **PRIVATE)

    # What its buttons do ----------------------------------------------------------------------

    def way_on(self, asked: str, here: str) -> dict[str, Any]:
        """To the noisy images of a run, or to its export.

        asked: "noisy RUN" or "export RUN"; here: the tab that is open. Values by place.
        """
        way, _, run_id = asked.partition(" ")
        run = guard(lambda: self.session.store.get(run_id)).id
        if way == "export":
            return {"tabs": gr.Tabs(selected="export"), "export": exportable(self.session, run)}
        # A tab that opens draws itself; the one that is open has to be told.
        again = {"again": token_hex(8)} if here == "explore" else {}
        galleries = {"inner": gr.Tabs(selected="galleries"), "panel": "galleries"}
        return {"tabs": gr.Tabs(selected="explore"), "wanted": run, **galleries, **again}

    def standing_of(self) -> Any:
        """What a page that nobody looks at asks: its title, and what to notify about."""

        def standing(_nothing: Any) -> dict[str, Any]:  # gradio hands over what the page gave
            return asdict(state.standing(*self.now()))

        return standing

    # How things stand -------------------------------------------------------------------------

    def now(self) -> tuple[state.Work | None, runs.Ended | None]:
        """What is being done: the run at work, or else what is done to the data set at hand. If it
        is nothing, the newest run of the images at hand, once it has ended.
        """
        data, infos = self.session.data.state, self.session.store.list()
        at_work = next((info for info in infos if info.state in ACTIVE), None)
        if at_work is not None:
            return runs.work_of(at_work, self.session.store.get(at_work.id).status()), None
        work, root = work_on(data), None if data.folder is None else str(data.folder.root)
        ended = next((info for info in infos if info.folder == root), None)
        if work is not None or ended is None:
            return work, None
        return None, runs.ended(ended, self.session.result(ended.id))

    def parts(self, _shown: Any, _request: gr.Request) -> dict[str, Part]:
        """What there is to see, see `fresh`."""
        work, ended = self.now()
        return {"state": ((work, ended), Lazy(state.header, work, ended))}


def work_on(data: DataState) -> state.Work | None:
    """What is being done to the data set at hand."""
    task = data.task
    if task is None or task.ended:
        return None
    return state.Work(
        title="Stopping" if task.stopping else "Preparing",
        step_name=task.text[:1].lower() + task.text[1:],
        step=task.step,
        steps=task.steps,
        share=task.fraction,
        left=None if task.stopping else task.left,
    )
