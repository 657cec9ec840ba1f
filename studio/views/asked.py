"""Images that are worth a look: how far one is with them, and what follows the answers, in HTML."""

from __future__ import annotations

from collections.abc import Mapping

from studio.ask.accuracy import Decision
from studio.runs.question import TOGETHER, Progress
from studio.views.render import render

_WAYS = {
    "zero-shot": "zero-shot", TOGETHER: "labelled together", "phase1": "after Phase I",
    "final": "after training",
}  # fmt: skip


def state(progress: Progress, decision: Decision | None = None) -> str:
    """How far one is, and what follows. decision: which way of labelling the answers speak for."""
    ways, best, harm = [], "", False
    if decision is not None:
        ways = [(_WAYS.get(way, way), share) for way, share in decision.shares.items()]
        best = _WAYS.get(decision.best, decision.best) if decision.sure else ""
        harm = decision.sure and "final" in decision.shares and decision.best in (
            "zero-shot", TOGETHER)  # fmt: skip
    return render("explore/asked_state.html", ways=ways, best=best, harm=harm, **vars(progress))


def end(progress: Progress, *, attributes: Mapping[str, str]) -> str:
    """What stands there when all were shown. attributes: data-... that the page's script reads."""
    return render(
        "explore/asked_end.html", done=progress.done, shown=progress.shown, left=progress.left,
        attributes=attributes,
    )  # fmt: skip
