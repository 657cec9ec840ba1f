"""Images that are worth a look: how far one is with them, and what follows the answers, in HTML."""

from __future__ import annotations

from collections.abc import Mapping

from studio.runs.question import Progress
from studio.views.render import render


def state(progress: Progress) -> str:
    """How far one is, and what follows."""
    return render("explore/asked_state.html", **vars(progress))


def end(progress: Progress, *, attributes: Mapping[str, str]) -> str:
    """What stands there when all were shown. attributes: data-... that the page's script reads."""
    return render(
        "explore/asked_end.html", done=progress.done, shown=progress.shown, left=progress.left,
        state=state(progress), attributes=attributes,
    )  # fmt: skip
