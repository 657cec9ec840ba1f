"""What the studio is doing, as the page's header and the title of the browser's tab say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from studio.numbers import duration, percent
from studio.runs.pace import rounded
from studio.views.render import render

if TYPE_CHECKING:
    from studio.views.runs import Ended

PAGE = "CoFT Studio"


@dataclass(frozen=True)
class Work:
    """Work that takes a while, of which a page shows how far it is.

    title: what it is; step_name: what is being done of it; step, steps: its number of how many, 0
    where there is but one; share: of the whole, in [0, 1], None while it cannot be told; left:
    seconds until all of it is done, None likewise; run: id of the run that it is, "" for others.
    """

    title: str
    step_name: str = ""
    step: int = 0
    steps: int = 0
    share: float | None = None
    left: float | None = None
    run: str = ""

    @property
    def text(self) -> str:
        """`step 3 of 6: checking each other's labels`."""
        if self.steps > 1:
            return f"step {self.step} of {self.steps}: {self.step_name}"
        return self.step_name

    @property
    def detail(self) -> str:
        """`42 %, about 3 min left`."""
        share = [] if self.share is None else [percent(self.share)]
        left = [] if self.left is None else [f"about {duration(rounded(self.left))} left"]
        return ", ".join([*share, *left])


@dataclass(frozen=True)
class Standing:
    """How things stand, for a page that nobody looks at: its title, and what to notify about.

    run: id of the run that is at work or has ended; active: whether it is at work; message: what
    a notification says once it has ended.
    """

    title: str
    run: str = ""
    active: bool = False
    message: str = ""


def standing(work: Work | None, ended: Ended | None) -> Standing:
    """See `Standing`. ended: the newest run, where none is at work."""
    if work is not None:
        share = work.title if work.share is None else percent(work.share)
        return Standing(f"{share} – {PAGE}", work.run, True)
    if ended is None:
        return Standing(PAGE)
    return Standing(f"{ended.short} – {PAGE}", ended.run, False, ended.message)


def header(work: Work | None, ended: Ended | None) -> Markup:
    """The state at the top of the page, seen from every tab."""
    return render("page/state.html", work=work, ended=ended, standing=standing(work, ended))
