"""What the filter row of the Explore tab asks for, and which images that is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from studio.runs.outcome import Outcome
from studio.session.opened import Opened, open_run
from studio.session.selections import Selection
from studio.session.session import Session
from studio.views import gallery
from studio.views.gallery import Order, Query, Side

ALL = "All classes"
JUDGED, COMBINED = "judged", "combined"
"""What images are sorted by: the other model's judgement, or the combined score."""

SIDES: tuple[Side, Side] = ("clean", "noisy")

Source = Literal["clean", "noisy", "selection"]
"""Lists of images that a page shows and that previous and next walk through."""

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Scene:
    """See the module. label: index of the class, None = all; selection: of this run, or None;
    orders: of the clean and of the noisy gallery; within: whether the galleries show the selection
    only.
    """

    opened: Opened
    label: int | None = None
    disagree: bool = False
    selection: Selection | None = None
    orders: tuple[Order, Order] = ("down", "up")
    within: bool = False

    @property
    def outcome(self) -> Outcome:
        """The labels that are looked at."""
        return self.opened.outcome

    def side(self, side: Side) -> Indices:
        """The images of the clean or the noisy gallery, in order."""
        query = Query(side, self.label, self.disagree, self.orders[SIDES.index(side)])
        found = gallery.select(self.outcome, query)
        if self.within and self.selection is not None:
            found = found[np.isin(found, self.selection.indices)]
        return found

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """(N,) which images the filters leave in."""
        return gallery.allowed(self.outcome, self.label, self.disagree)

    def selected(self) -> Indices:
        """The selection as far as the filters leave it in; without one, the most doubtful images.

        A plain set (ascending indices) comes most suspicious first; a selection that has an order
        of its own, as the answer to a search has, keeps it.
        """
        if self.selection is None:
            found = np.flatnonzero(self.allowed)
            return found[np.argsort(self.outcome.cleanliness[found], kind="stable")]
        found = self.selection.indices[self.allowed[self.selection.indices]]
        if len(found) > 1 and (np.diff(self.selection.indices) > 0).all():
            found = found[np.argsort(self.outcome.cleanliness[found], kind="stable")]
        return found

    def listed(self, source: object) -> Indices:
        """All images of one of the lists; of the selection's when it is no list that there is."""
        return self.side(source) if source in SIDES else self.selected()


def scene_of(
    session: Session,
    run: Any,
    stage: Any,
    label: Any,
    disagree: Any,
    clean_order: Any,
    noisy_order: Any,
    selection: Any,
    within: Any,
    by: Any,
) -> Scene:
    """The scene from what a page sent.

    Raises:
        RunError: no such run, or it has nothing to show yet.
    """
    opened = open_run(session, run, stage)
    if by == COMBINED:
        opened = replace(opened, outcome=replace(opened.outcome, by_combined=True))
    names = opened.outcome.class_names
    chosen = names.index(label) if isinstance(label, str) and label in names else None
    found = session.selections.get(selection)
    if found is not None and (
        not found.source.same_images(opened.source)
        or (len(found) and int(found.indices.max()) >= len(opened.outcome))
    ):
        found = None  # of another run, or of images that are no longer at hand
    orders = (_order(clean_order, "down"), _order(noisy_order, "up"))
    return Scene(opened, chosen, bool(disagree), found, orders, bool(within))


def _order(asked: Any, default: Order) -> Order:
    return asked if asked in get_args(Order) else default
