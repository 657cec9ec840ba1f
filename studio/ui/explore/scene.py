"""What the controls of the Explore tab ask for, and which images that is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from studio.analysis import gallery
from studio.analysis.gallery import Order, Query, Side
from studio.errors import StudioError
from studio.runs.outcome import Outcome
from studio.session.opened import Opened, open_run
from studio.session.selections import Selection
from studio.session.session import Session

ALL = "All classes"
JUDGED, COMBINED = "judged", "combined"
"""What images are sorted by: the other model's judgement, or the combined score."""
AGAINST_MODEL, AGAINST_TRUTH = "the other model", "the sub-folder"
EXACT, NEAR, FAR = "Equal images", "Nearly equal", "Outliers"
OF_NONE = "Of no class"

SIDES: tuple[Side, Side] = ("clean", "noisy")
GALLERIES = ("selection", *SIDES, "duplicates")
"""The galleries that have pages."""

NO_IMAGE = "There is no such image in this run."

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Filters:
    """What a page sends with every event: the value of each control and gr.State of the tab by its
    name. Anyone may have made it up, so that whoever reads a value checks it.

    panel: the inner tab that is open; kind, at_least: of duplicates; relabel_to: the class that is
    chosen for a correction; shown: the text form of the source that the page shows; pages: the
    number of each gallery's page; ticks: see `Ticks`.
    """

    run: Any = None
    stage: Any = ""
    label: Any = ALL
    disagree: Any = False
    clean_order: Any = "down"
    noisy_order: Any = "up"
    selection: Any = ""
    within: Any = False
    by: Any = JUDGED
    panel: Any = "map"
    against: Any = AGAINST_MODEL
    kind: Any = EXACT
    at_least: Any = 0.9
    relabel_to: Any = None
    shown: Any = ""
    pages: Any = None
    ticks: Any = None

    def page_numbers(self) -> dict[str, int]:
        """The number of each gallery's page, made safe."""
        sent = self.pages if isinstance(self.pages, dict) else {}
        return {name: gallery.page_number(sent.get(name)) for name in GALLERIES}


@dataclass(frozen=True)
class Ticks:
    """Images that are ticked, kept in a gr.State as `state`. source: the text form of what they are
    images of, with the labels that were seen; version: changes when they are cleared, which cards
    that are drawn already hear of by it.
    """

    source: str = ""
    version: int = 0
    images: frozenset[int] = frozenset()

    @classmethod
    def of(cls, state: Any, source: str, number: int) -> Ticks:
        """Those of a source with `number` images; none when they belong to another one."""
        kept = state if isinstance(state, dict) else {}
        version = kept.get("version")
        version = version if isinstance(version, int) else 0
        if kept.get("source") != source:
            return cls(source, version)
        return cls(source, version, frozenset(indices_in(kept.get("images"), number)))

    def changed(self, images: list[int], *, on: bool) -> Ticks:
        """With some more of them, or some fewer."""
        given = frozenset(images)
        return replace(self, images=self.images | given if on else self.images - given)

    def cleared(self) -> Ticks:
        """None is ticked any more."""
        return replace(self, images=frozenset(), version=self.version + 1)

    def state(self) -> dict[str, Any]:
        """What a gr.State holds."""
        return {"source": self.source, "version": self.version, "images": sorted(self.images)}


@dataclass(frozen=True)
class Scene:
    """What is looked at. label: index of the class, None = all; selection: of this run, or None;
    orders: of the clean and of the noisy gallery; within: whether the galleries show the selection
    only.
    """

    opened: Opened
    label: int | None = None
    disagree: bool = False
    selection: Selection | None = None
    orders: tuple[Order, Order] = ("down", "up")
    within: bool = False
    ticks: Ticks = field(default_factory=Ticks)

    @classmethod
    def of(cls, session: Session, filters: Filters) -> Scene:
        """What the filters ask for.

        Raises:
            RunError: no such run, or it has nothing to show yet.
        """
        opened = open_run(session, filters.run, filters.stage)
        if filters.by == COMBINED:
            opened = replace(opened, outcome=replace(opened.outcome, by_combined=True))
        names, label = opened.outcome.class_names, filters.label
        selection = session.selections.get(filters.selection)
        if selection is not None and (
            not selection.source.same_images(opened.source)
            or (len(selection) and int(selection.indices.max()) >= len(opened.outcome))
        ):
            selection = None  # of another run, or of images that are no longer at hand
        return cls(
            opened,
            label=names.index(label) if isinstance(label, str) and label in names else None,
            disagree=bool(filters.disagree) and opened.outcome.judged,
            selection=selection,
            orders=(_order(filters.clean_order, "down"), _order(filters.noisy_order, "up")),
            within=bool(filters.within),
            ticks=Ticks.of(filters.ticks, opened.source.key(), len(opened.outcome)),
        )

    @property
    def outcome(self) -> Outcome:
        """The labels that are looked at."""
        return self.opened.outcome

    @property
    def judged(self) -> bool:
        """Whether labels have been judged: before training there is their confidence only."""
        return self.outcome.judged

    def word(self, side: Side) -> str:
        """What the images of a side are called."""
        return side if self.judged else {"clean": "confident", "noisy": "not confident"}[side]

    @cached_property
    def corrected(self) -> NDArray[np.bool_]:
        """(N,) which images a person has ruled on."""
        paths = self.outcome.paths
        found = np.zeros(len(paths), bool)
        if corrections := self.opened.corrections:
            said = map(corrections.get, paths)
            found[:] = [one is not None and one.by_person for one in said]
        return found

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """(N,) which images the filters leave in."""
        return gallery.allowed(self.outcome, self.label, self.disagree)

    def side(self, side: Side) -> Indices:
        """The images of the clean or the noisy gallery, in order. Of the noisy ones, those that a
        person has ruled on are done with; a selection shows them.
        """
        query = Query(side, self.label, self.disagree, self.orders[SIDES.index(side)])
        found = gallery.select(self.outcome, query)
        if self.within and self.selection is not None:
            return found[np.isin(found, self.selection.indices)]
        return found[~self.corrected[found]] if side == "noisy" else found

    def selected(self) -> Indices:
        """The selection as far as the filters leave it in; without one, all images that nobody has
        ruled on, least clean first.

        A plain set (ascending indices) comes least clean first too; a selection that has an order
        of its own, as the answer to a search has, keeps it.
        """
        if self.selection is None:
            return self.outcome.least_clean_first(np.flatnonzero(self.allowed & ~self.corrected))
        found = self.selection.indices[self.allowed[self.selection.indices]]
        plain = len(found) > 1 and (np.diff(self.selection.indices) > 0).all()
        return self.outcome.least_clean_first(found) if plain else found

    def listed(self, gallery_name: object) -> Indices:
        """All images of one of the galleries; of the selection's when it is none that there is."""
        return self.side(gallery_name) if gallery_name in SIDES else self.selected()


def is_index(value: Any, length: int) -> bool:
    """Whether what a page sent is the number of one of `length` images."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < length


def indices_in(values: object, length: int) -> list[int]:
    """Those numbers of `length` images that a list from a page holds."""
    return [i for i in values if is_index(i, length)] if isinstance(values, list) else []


def served(name: str, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    """A function of a component that its script calls by this name, with an object or JSON of one.

    What cannot be answered comes back as {"error": one line}.
    """

    def call(asked: Any) -> dict[str, Any]:
        try:
            question = json.loads(asked) if isinstance(asked, str) else asked
            return answer(question if isinstance(question, dict) else {})
        except StudioError as error:
            return {"error": str(error)}
        except (LookupError, TypeError, ValueError):
            return {"error": NO_IMAGE}

    call.__name__ = name
    return call


def event_data(event: Any) -> dict[str, Any]:
    """What a script sent with an event; empty when it is not what ours send."""
    data = getattr(event, "_data", None)
    return data if isinstance(data, dict) else {}


def _order(asked: Any, default: Order) -> Order:
    return asked if asked in get_args(Order) else default
