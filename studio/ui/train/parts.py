"""How the Train tab looks: what it shows of the data at hand, of a run and of all runs."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.methods import resumes
from studio.runs.again import command_of
from studio.runs.given import Counts, count
from studio.runs.resume import obstacle
from studio.runs.store import ACTIVE, RunInfo
from studio.session.rooms import Whose
from studio.session.state import DataState
from studio.ui.handlers import InSession
from studio.ui.parts import Lazy, Part, field_of
from studio.views import figures, runs
from studio.views.render import render


class TrainParts(InSession):
    """The parts of the tab as they are now."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)

    def all(self, seen: bool, chosen: str, page: str) -> dict[str, Part]:
        """Every part by its name. seen: this page has shown them before; chosen: the run to show;
        else the one at work, else the newest; page: which one asks; what was typed there stays.
        """
        infos = self.session.store.list()
        at_work = next((info for info in infos if info.state in ACTIVE), None)
        view = self.session.data.state
        can_start = at_work is None and view.folder is not None
        stopping = at_work is not None and at_work.state == "stopping"
        can_pause = at_work is not None and not stopping and resumes(at_work.method)
        typed_here = seen and view.by == page
        counts, number = self._given()
        question = runs.given(counts, number)
        check = runs.to_check(view.table)
        ready = self._ready(view)
        stop = gr.update(
            interactive=at_work is not None and not stopping,
            value="Stopping" if stopping else "Stop",
        )
        picked = next((info for info in infos if info.id == chosen), None)
        shown = picked or at_work or next(iter(infos), None)
        results = self.session.results(infos)
        table = runs.runs_table(infos, results, shown.id if shown else "")
        return {
            "ready": (ready, ready),
            "model": (view.inputs, gr.skip() if typed_here else field_of(view.model)),
            "given": ((question, number), gr.update(visible=number > 0, label=question)),
            "check": (check, gr.update(visible=check != "", label=check)),
            "start": (can_start, gr.update(interactive=can_start)),
            "stop": ((at_work is None, stopping), stop),
            "pause": (can_pause, gr.update(interactive=can_pause)),
            "runs": (table, table),
            "actions": (bool(infos), gr.update(visible=bool(infos))),
            **(
                self._run(shown, free=at_work is None)
                if shown
                else _no_run(ready=view.folder is not None)
            ),
        }

    def _ready(self, view: DataState) -> Markup:
        return render(
            "train/ready.html",
            images=view.folder is not None,
            classes=len(view.names),
            where={"demo": "the demo set", "upload": "your upload"}.get(view.source, view.path),
            model=view.model,
            prompts=view.prompts.only(view.names).summary(),
            doubt=view.doubt,
        )

    def _given(self) -> tuple[Counts, int]:
        """What a run can use of what people gave for the images at hand, and how much they gave."""
        data = self.session.data
        given = data.corrections().current() if data.state.folder is not None else {}
        return count(data.given()), len(given)

    def _run(self, info: RunInfo, *, free: bool) -> dict[str, Part]:
        """What is shown of a run. free: none is at work."""
        if info.damage:
            return self._damaged(info)
        run_id, reader = info.id, self.session.reader(info.id)
        status = reader.run.status()
        result = None if status["state"] in ACTIVE else self.session.result(run_id)
        card = runs.status_card(info, status, result)
        warnings = runs.warnings_html(reader.warnings)
        mark = (run_id, reader.curves.seen, status["state"])
        named = (run_id, info.name, info.note)
        can_go_on = free and not obstacle(reader.run)

        def board() -> dict[str, Any]:
            empty = runs.no_curves(info.method, status["state"])
            return {"figures": figures.figures(reader.curves), "empty": empty}

        return {
            "status": (card, card),
            "resume": (can_go_on, gr.update(visible=can_go_on)),
            "warnings": (warnings, warnings),
            "curves": (mark, Lazy(board)),
            "numbers": (mark, Lazy(figures.numbers, reader.curves)),
            "facts": ((mark, named), Lazy(self._facts, run_id)),
            "shown_run": (run_id, run_id),
            "rename": (named, info.name),
            "note": (named, info.note),
        }

    def _damaged(self, info: RunInfo) -> dict[str, Part]:
        """Of a run whose files are not what they should be: what is wrong with them."""
        card, named = runs.damaged_card(info), (info.id, info.name, info.note)
        return {
            **_no_run(ready=True),
            "status": (card, card),
            "shown_run": (info.id, info.id),
            "rename": (named, info.name),
            "note": (named, info.note),
        }

    def _facts(self, run_id: str) -> Markup:
        run = self.session.store.get(run_id)
        return runs.facts(run.info, self.session.result(run_id), command=command_of(run))


def _no_run(*, ready: bool) -> dict[str, Part]:
    """What is shown in the place of a run while there is none."""
    card = render("train/idle.html", ready=ready)
    hidden = gr.update(visible=False)
    texts = ("warnings", "numbers", "facts", "shown_run", "rename", "note")
    return {
        "status": (card, card),
        "resume": (False, hidden),
        "curves": ("", {"figures": [], "empty": ""}),
        **dict.fromkeys(texts, ("", "")),
    }
