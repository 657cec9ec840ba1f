"""How the Train tab looks: what it shows of the data at hand, of a run and of all runs."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.runs.curves import Curves
from studio.runs.given import Counts, count
from studio.runs.store import ACTIVE, RunInfo
from studio.session.session import Session
from studio.session.state import DataState
from studio.ui.parts import Lazy, Part, field_of
from studio.views import figures
from studio.views import runs as look


class TrainLook:
    """The parts of the tab as they are now."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def parts(self, seen: bool, chosen: str, page: str) -> dict[str, Part]:
        """Every part by its name.

        Args:
            seen: This page has shown them before.
            chosen: The run to show; else the one at work, else the newest.
            page: Which page asks; what was typed there is left alone.
        """
        infos = self.session.store.list()
        at_work = next((info for info in infos if info.state in ACTIVE), None)
        view = self.session.data.state
        ready = look.ready(
            images=view.folder is not None,
            classes=len(view.names),
            where={"demo": "the demo set", "upload": "your upload"}.get(view.source, view.path),
            model=view.model,
            prompts=view.prompts.only(view.names).summary(),
            doubt=view.doubt,
        )
        can_start = at_work is None and view.folder is not None
        chosen_here = seen and view.by == page
        stopping = at_work is not None and at_work.state == "stopping"
        ids = [info.id for info in infos]
        newest = at_work.id if at_work else next(iter(ids), None)
        run_id = chosen if chosen in ids else newest
        given, said = self._given()
        listed = self._table(infos, run_id)
        head = self._header(at_work)
        return dict(
            ready=(ready, ready),
            model=(view.inputs, gr.skip() if chosen_here else field_of(view.model)),
            given=((given, said), gr.update(visible=said > 0, label=look.given(given, said))),
            start=(can_start, gr.update(interactive=can_start)),
            stop=(
                (at_work is None, stopping),
                gr.update(
                    interactive=at_work is not None and not stopping,
                    value="Stopping" if stopping else "Stop",
                ),
            ),
            **self._run(run_id, view),
            runs=(listed, listed),
            actions=(bool(infos), gr.update(visible=bool(infos))),
            header=(head, head),
        )

    def _given(self) -> tuple[Counts, int]:
        """What a run can take of that which was said of the images at hand, and how much was."""
        data = self.session.data
        said = data.corrections().current() if data.state.folder is not None else {}
        return count(data.given()), len(said)

    def _run(self, run_id: str | None, view: DataState) -> dict[str, Part]:
        """What is shown of a run; None: there is none."""
        if run_id is None:
            card = look.idle_card(ready=view.folder is not None)
            nothing = {"figures": [], "empty": ""}
            return {
                "status": (card, card),
                "warnings": ("", ""),
                "curves": ("", nothing),
                "numbers": ("", ""),
                "facts": ("", ""),
            }
        reader = self.session.reader(run_id)
        status = reader.run.status()
        card = look.status_card(reader.info, status)
        warnings = look.warnings_html(reader.warnings)
        mark = (run_id, reader.curves.seen, status["state"])
        empty = look.no_curves(reader.info.method, status["state"])
        return {
            "status": (card, card),
            "warnings": (warnings, warnings),
            "curves": (mark, Lazy(_board, reader.curves, empty)),
            "numbers": (mark, Lazy(figures.numbers, reader.curves)),
            "facts": (mark, Lazy(look.facts, reader.run, reader.info)),
        }

    def _table(self, infos: list[RunInfo], chosen: str | None) -> str:
        done = [info.id for info in infos if info.state not in ACTIVE]
        results = {run_id: self.session.result(run_id) for run_id in done}
        return look.runs_table(infos, results, chosen)

    def _header(self, at_work: RunInfo | None) -> str:
        """The chip at the top of the page, seen from every tab."""
        if at_work is None:
            return look.header_chip(None)
        return look.header_chip(self.session.store.get(at_work.id).status())


def _board(curves: Curves, empty: str) -> dict[str, Any]:
    return {"figures": figures.figures(curves), "empty": empty}
