"""What the Explore tab answers: every handler that is not about one panel alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from studio.errors import RunError, StudioError
from studio.session import source
from studio.session.session import Session
from studio.session.similar import vectors_of
from studio.ui.explore.confusion import ConfusionPanel
from studio.ui.explore.correct import CorrectPanel
from studio.ui.explore.detail import DetailDialog
from studio.ui.explore.duplicates import CopiesPanel
from studio.ui.explore.galleries import GalleriesPanel
from studio.ui.explore.map import MapPanel
from studio.ui.explore.scene import ALL, Indices, Scene, scene_of
from studio.ui.explore.search import SearchPanel
from studio.ui.explore.selection import SelectionPanel
from studio.ui.parts import guard, picked, picked_index
from studio.views import runs
from studio.views.gallery import Side
from studio.views.markup import empty
from studio.views.numbers import plural

AT_HAND = "The images at hand (before training)"

PAGED = ("selection", "clean", "noisy", "copies")
"""The galleries that have pages."""

FILTERS = 9
"""How many values make the scene: the first ones that handlers are given; see `scene_of`."""


class ExploreAnswers:
    """Handlers as methods, so that tests call them without a browser. `event` comes first in them:
    gradio hands it over by its place.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.galleries, self.chosen = GalleriesPanel(), SelectionPanel()
        self.confusions, self.copies = ConfusionPanel(), CopiesPanel()
        self.detail, self.map = DetailDialog(session), MapPanel(session)
        self.search, self.correct = SearchPanel(session), CorrectPanel(session)
        self.detail.actions = self.correct.actions
        self.detail.functions = [self.correct.answer_of()]

    def scene(self, values: tuple[Any, ...]) -> Scene:
        """What the filters, the first values that a page sends, ask for."""
        return scene_of(self.session, *values[:FILTERS])

    # What there is to choose ------------------------------------------------------------------

    def choices(self, current: Any, label: Any = None) -> list[Any]:
        """The runs and classes to choose from; what was chosen stays while it is there."""
        infos, view = self.session.store.list(), self.session.data.state
        options = [(runs.run_label(info), info.id) for info in infos]
        if view.preview is not None:
            options.insert(0, (AT_HAND, source.AT_HAND.choice))
        ids = [id for _, id in options]
        value = current if current in ids else self._first(ids)
        names = [ALL, *next((info.class_names for info in infos if info.id == value), ())]
        if value == source.AT_HAND.choice and view.preview is not None:
            names = [ALL, *view.preview.class_names]
        stays = label if value == current and label in names else ALL
        return [gr.update(choices=options, value=value), gr.update(choices=names, value=stays)]

    def _first(self, ids: list[str]) -> str | None:
        """What to show when nothing was chosen: the latest run of the images at hand, these
        images themselves, or else the latest run.
        """
        infos, folder = self.session.store.list(), self.session.data.state.folder
        ended = [info for info in infos if info.state in ("finished", "stopped")]
        here = [i.id for i in ended if folder is not None and i.folder == str(folder.root)]
        before = [id for id in ids if id == source.AT_HAND.choice]
        return next(iter([*here, *before, *(i.id for i in ended), *ids]), None)

    def choose(self, chosen: str) -> list[Any]:
        """The run that the Train tab shows."""
        return self.choices(self.session.chosen(chosen))

    def pick_class(self, event: gr.EventData, *values: Any) -> str:
        """A class was picked in the list; "all" takes the filter away."""

        def work() -> str:
            if picked(event) == "all":
                return ALL
            names = self.scene(values).outcome.class_names
            index = picked_index(event, len(names))
            if index is None:
                raise RunError("There is no such class.")
            return names[index]

        return str(guard(work))

    # What is shown ----------------------------------------------------------------------------

    def draw(self, *values: Any, pages: Any = None) -> list[Any]:
        """Summary, pages and all panels; those that cannot be seen are left as they are.

        values: the filters, the panel that is open, and the knobs of the panels; pages: None = the
        first ones.
        """
        active, against, kind, least, target = values[FILTERS : FILTERS + 5]
        numbers = page_numbers(pages)
        try:
            scene = self.scene(values)
        except StudioError as error:
            return [empty(str(error)), numbers, *self.chosen.nothing(), *self.galleries.nothing(),
                    *self.confusions.nothing(), *self.copies.nothing(), *self.map.nothing(),
                    *self.correct.nothing()]  # fmt: skip
        vectors_of(scene.opened)  # begun now, so that the nearest images of the first one are there
        chosen, galleries = _same(self.chosen), _same(self.galleries)
        confusions, copies = _same(self.confusions), _same(self.copies)
        if active == "galleries":
            numbers, galleries = self.galleries.draw(scene, numbers)
        else:
            numbers["selection"], chosen = self.chosen.draw(scene, numbers["selection"])
        if active == "confusions":
            confusions = self.confusions.draw(scene, against)
        if active == "copies":
            numbers["copies"], copies = self.copies.draw(scene, kind, least, numbers["copies"])
        summary = scene.opened.summary()
        placed = self.map.draw(scene, values[6])
        return [summary, numbers, *chosen, *galleries, *confusions, *copies, *placed,
                *self.correct.draw(scene, active, numbers, target)]  # fmt: skip

    def turn(self, name: str, by: int) -> Callable[..., list[Any]]:
        """A handler that turns the page of a gallery; it is given the pages as its last value."""

        def turned(*values: Any) -> list[Any]:
            pages = page_numbers(values[-1])
            return self.draw(*values[:-1], pages={**pages, name: pages[name] + by})

        return turned

    def selected(self, *values: Any) -> list[Any]:
        """Something else was selected: its first page, and the same pages of everything else.

        The last value: the pages.
        """
        pages = {**page_numbers(values[-1]), "selection": 0}
        if values[FILTERS - 2]:  # the galleries show the selection only
            pages.update(clean=0, noisy=0)
        return self.draw(*values[:-1], pages=pages)

    def tick(self, *values: Any) -> list[Any]:
        """What was being computed, when it may be ready: the copies and nothing else."""
        active, _, kind, least = values[FILTERS : FILTERS + 4]
        try:
            scene = self.scene(values)
        except StudioError:
            return self.copies.nothing()
        if active != "copies":
            return _same(self.copies)
        return self.copies.draw(scene, kind, least, 0)[1]

    # What opens and what is selected ----------------------------------------------------------

    def opener(self, source: str) -> Callable[..., Any]:
        """A handler that opens the picked image of one of the scene's lists."""

        def opened(event: gr.EventData, *values: Any) -> Any:
            def work() -> Any:
                scene = self.scene(values)
                index = picked_index(event, len(scene.outcome))
                return self.detail.open(scene, source, -1 if index is None else index)

            return guard(work)

        return opened

    def taker(self, side: Side) -> Callable[..., str]:
        """A handler that selects all images of the clean or the noisy gallery."""

        def taken(*values: Any) -> str:
            def work() -> str:
                scene = self.scene(values)
                found = scene.side(side)
                word: str = side
                if scene.outcome.stage == "zero-shot":
                    word = "sure" if side == "clean" else "unsure"
                return self._select(scene, found, plural(len(found), f"{word} image"))

            return str(guard(work))

        return taken

    def take_copies(self, *values: Any) -> str:
        """Select all images of all groups, or all outliers."""

        def work() -> str:
            scene, kind, least = self.scene(values), values[-2], values[-1]
            found = self.copies.all(scene, kind, least)
            return self._select(scene, found, f"{str(kind).lower()}: {len(found):,}")

        return str(guard(work))

    def pick_cell(self, event: gr.EventData, *values: Any) -> str:
        """Select the images of a cell of the confusions. The last value: held against what."""

        def work() -> str:
            scene = self.scene(values)
            return self._select(scene, *self.confusions.pick(scene, values[-1], event))

        return str(guard(work))

    def pick_map(self, event: gr.EventData, *values: Any) -> str:
        """Select what was picked on the map."""
        return str(guard(lambda: self.map.pick(self.scene(values), event)))

    def pick_stage(self, event: gr.EventData, *values: Any) -> str:
        """The stage that the map's slider was moved to, for all panels."""
        return str(guard(lambda: self.map.pick_stage(self.scene(values), event)))

    def pick_copy(self, event: gr.EventData, *values: Any) -> Any:
        """Select a group of copies, or open an outlier. The last values: kind and least cosine."""

        def work() -> Any:
            scene = self.scene(values)
            found = self.copies.pick(scene, values[-2], values[-1], event)
            if isinstance(found, int):
                listed = self._select(scene, self.copies.all(scene, *values[-2:]), "outliers")
                return [*self.detail.open(scene, listed, found), gr.skip()]
            return [gr.skip(), gr.skip(), self._select(scene, *found)]

        return guard(work)

    def pick_detail(self, event: gr.EventData, *values: Any) -> Any:
        """Something was pressed within the dialog. The last value: what is open."""

        def work() -> Any:
            scene = self.scene(values)
            found = self.detail.pick(scene, values[-1], event)
            if found is None:
                return [gr.skip()] * 3
            if isinstance(found[0], str):
                return [*found, gr.skip()]
            return [gr.skip(), gr.skip(), self._select(scene, *found)]

        return guard(work)

    def _select(self, scene: Scene, indices: Indices, text: str) -> str:
        opened = scene.opened
        return self.session.selections.put(source=opened.source, indices=indices, text=text)


def page_numbers(value: Any) -> dict[str, int]:
    """Page numbers as a page may send them, made safe."""
    known = value if isinstance(value, dict) else {}
    return {
        name: n if isinstance(n := known.get(name), int) and abs(n) < 10**7 else 0 for name in PAGED
    }


def _same(panel: Any) -> list[Any]:
    return [gr.skip() for _ in panel.outputs]
