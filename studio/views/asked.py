"""Images that are worth a look: how far one is with them, and what follows the answers, in HTML."""

from __future__ import annotations

from collections.abc import Mapping

from studio.runs.deciding import Checked
from studio.runs.outcome import ANSWERED
from studio.runs.question import Progress
from studio.views.render import render


def state(progress: Progress | None, checked: Checked | None = None) -> str:
    """How far one is, and what follows. progress: None = nobody is asked; checked: what the answers
    about drawn images say.
    """
    followed = None if progress is None else progress.followed
    # Drawn images tell it better, where they are about the same labels.
    told = checked is not None and checked.way == ANSWERED and checked.share.tells
    return render(
        "explore/asked_state.html", checked=checked,
        estimate=None if told or followed is None else followed.estimate,
        progress=progress if progress is not None and progress.shown else None,
    )  # fmt: skip


def end(progress: Progress, *, attributes: Mapping[str, str]) -> str:
    """What stands there when all were shown. attributes: data-... that the page's script reads."""
    return render(
        "explore/asked_end.html", done=progress.done, shown=progress.shown, left=progress.left,
        attributes=attributes,
    )  # fmt: skip
