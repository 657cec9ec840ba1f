"""What the Explore tab answers: every handler that is not about one panel alone.

Handlers take the `Filters` of a page and, where something was picked, gradio's event; what they
return is a dictionary of components, so that a panel that is not open is left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np

from studio.analysis.gallery import Side
from studio.errors import RunError, StudioError
from studio.numbers import plural
from studio.runs.store import RunInfo
from studio.session.rooms import Whose
from studio.session.similar import vectors_of
from studio.session.source import AT_HAND, OpenedRun, parse
from studio.ui.explore.asked import AskPanel
from studio.ui.explore.confusion import ConfusionPanel
from studio.ui.explore.correct import CHANGED, CorrectPanel, targets
from studio.ui.explore.detail import DetailDialog
from studio.ui.explore.duplicates import DuplicatesPanel
from studio.ui.explore.galleries import Drawn, Find, GalleriesPanel, Panel, SelectionPanel
from studio.ui.explore.judge import JudgePanel
from studio.ui.explore.map import MapPanel
from studio.ui.explore.scene import (
    ALL,
    JUDGED,
    NO_IMAGE,
    Filters,
    Indices,
    Scene,
    event_data,
    indices_in,
    is_index,
)
from studio.ui.explore.search import SearchPanel
from studio.ui.handlers import InSession
from studio.ui.parts import picked, picked_index
from studio.views import cards, runs
from studio.views.render import part

IMAGES_AT_HAND = "The images at hand (before training)"


class ExploreAnswers(InSession):
    """Handlers as methods, so that tests call them without a browser."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)
        self.galleries, self.chosen = GalleriesPanel(), SelectionPanel()
        self.confusions, self.duplicates = ConfusionPanel(), DuplicatesPanel()
        self.map, self.search = MapPanel(session), SearchPanel(session)
        self.correct = CorrectPanel(session)
        self.judge = JudgePanel(session, self.correct)
        self.detail = DetailDialog(session, self.correct)
        self.ask = AskPanel(session, self.detail)
        self.panels: dict[str, Panel] = {
            "map": self.map, "galleries": self.galleries, "confusions": self.confusions,
            "duplicates": self.duplicates,
        }  # fmt: skip
        self.run: gr.Dropdown
        self.label: gr.Dropdown
        self.disagree: gr.Checkbox
        self.by: gr.Dropdown
        self.summary: gr.HTML
        self.selection: gr.State
        self.shown: gr.State
        self.pages: gr.State
        self.panel: gr.Textbox
        self.recalled: gr.Textbox
        self.inner: gr.Tabs
        self.wanted: gr.State

    def scene(self, filters: Filters) -> Scene:
        """What the filters ask for, and the errors that `Scene.of` has."""
        return Scene.of(self.session, filters)

    # What there is to choose ------------------------------------------------------------------

    def open_tab(self, run: Any, label: Any, wanted: Any, remembered: Any) -> Drawn:
        """The tab is opened: which run and panel it shows.

        Args:
            run: the one that the page shows; None when the tab was not open before.
            label: the class that it shows.
            wanted: the run that a button of another tab has asked for; "" for none.
            remembered: what the page showed before it was loaded again, JSON of [run, panel].
        """
        first, before = run is None, self._remembered(remembered)
        choices = self.choices(wanted or (before[0] if first else run), label)
        # A button that asks for a run says which panel, too.
        return {
            **choices,
            self.recalled: before[1] if first and not wanted else "",
            self.wanted: "",
        }

    def _remembered(self, text: Any) -> tuple[Any, str]:
        """Run and panel as a page has kept them."""
        try:
            run, panel = json.loads(text)
        except (TypeError, ValueError):
            return None, "map"
        return run, panel if panel in self.panels else "map"

    def choices(self, current: Any, label: Any = None) -> Drawn:
        """The runs and classes to choose from; what was chosen stays while it is there."""
        infos, state = self.session.store.list(), self.session.data.state
        options = [(runs.run_label(info), info.id) for info in infos]
        if state.preview is not None:
            options.insert(0, (IMAGES_AT_HAND, AT_HAND.choice))
        ids = [id for _, id in options]
        value = current if current in ids else self._first(infos, ids)
        chosen = next((info for info in infos if info.id == value), None)
        names = [ALL, *(() if chosen is None else self.session.reader(chosen.id).class_names)]
        if value == AT_HAND.choice and state.preview is not None:
            names = [ALL, *state.preview.class_names]
        stays = label if value == current and label in names else ALL
        return {
            self.run: gr.update(choices=options, value=value),
            self.label: gr.update(choices=names, value=stays),
        }

    def _first(self, infos: Sequence[RunInfo], ids: list[str]) -> str | None:
        """What to show when nothing was chosen: the latest run of the images at hand, these
        images themselves, or else the latest run.

        A run that was stopped before it had labels has nothing to show.
        """
        folder = self.session.data.state.folder
        stopped = [info for info in infos if info.state in ("finished", "stopped")]
        ended = self.session.store.with_labels(stopped)
        here = [i.id for i in ended if folder is not None and i.folder == str(folder.root)]
        before = [id for id in ids if id == AT_HAND.choice]
        return next(iter([*here, *before, *(i.id for i in ended), *ids]), None)

    def pick_class(self, filters: Filters, event: gr.EventData) -> str:
        """A class was picked in the list; "all" takes the filter away."""
        if picked(event) == "all":
            return ALL
        names = self.scene(filters).outcome.class_names
        index = picked_index(event, len(names))
        if index is None:
            raise RunError("There is no such class.")
        return names[index]

    # What is shown ----------------------------------------------------------------------------

    def draw(self, filters: Filters, _event: Any = None) -> Drawn:
        """Everything that can be seen, on the pages that the filters name."""
        pages = filters.page_numbers()
        try:
            scene = self.scene(filters)
        except StudioError as error:
            drawn = {self.summary: part("empty", str(error)), self.pages: pages, self.shown: ""}
            for panel in (self.chosen, self.correct, self.ask, *self.panels.values()):
                drawn |= panel.nothing()
            return drawn
        vectors_of(scene.opened)  # begun now, so that the nearest images of the first one are there
        shown: Drawn = {
            self.summary: self._summary(scene),
            self.shown: scene.opened.source.key(),
            self.label: gr.update(choices=[ALL, *scene.outcome.class_names]),  # one may be new
            self.disagree: _able(scene.judged, otherwise=False),
            self.by: _able(scene.outcome.combined is not None, otherwise=JUDGED),
        }
        if filters.panel == "galleries":
            drawn = self.galleries.draw(scene, pages)
        else:
            drawn = self.chosen.draw(scene, pages)
        if filters.panel == "confusions":
            drawn |= self.confusions.draw(scene, filters)
        if filters.panel == "duplicates":
            drawn |= self.duplicates.draw(scene, filters, pages)
        return {**shown, self.pages: pages, **drawn, **self.map.draw(scene, filters),
                **self.correct.draw(scene), **self.ask.draw(scene)}  # fmt: skip

    def draw_anew(self, filters: Filters, _event: Any = None) -> Drawn:
        """The filters have changed: the first page of everything."""
        return self.draw(replace(filters, pages=None))

    def draw_again(self, filters: Filters, _event: Any = None) -> Drawn:
        """Corrections have changed: the same pages. A page that had no run yet when it asked is
        left alone: what opens the tab draws it, and must not be overtaken by this.
        """
        return self.draw(filters) if filters.run else {self.summary: gr.skip()}

    def selected(self, filters: Filters, _event: Any = None) -> Drawn:
        """Something else was selected: its first page, and the same pages of everything else."""
        pages = {**filters.page_numbers(), "selection": 0}
        if filters.within:  # the galleries show the selection only
            pages.update(clean=0, noisy=0)
        return self.draw(replace(filters, pages=pages))

    def turn(self, filters: Filters, _event: Any = None, *, name: str, by: int) -> Drawn:
        """Another page of a gallery."""
        pages = filters.page_numbers()
        return self.draw(replace(filters, pages={**pages, name: pages[name] + by}))

    def tick_of_timer(self, filters: Filters, _event: Any = None) -> Drawn:
        """What was being computed, when it may be ready: the duplicates and nothing else."""
        if filters.panel != "duplicates":
            return {self.duplicates.timer: gr.skip()}
        try:
            return self.duplicates.draw(self.scene(filters), filters, Filters().page_numbers())
        except StudioError:
            return self.duplicates.nothing()

    def _summary(self, scene: Scene) -> str:
        """The line at the top, with what is estimated of the stage that is looked at."""
        source, result = scene.opened.source, None
        if isinstance(source, OpenedRun):
            result = self.session.result(source.run_id)
        return cards.summary(
            scene.outcome, result, answered=scene.opened.answered, problem=scene.opened.problem
        )

    # What opens -------------------------------------------------------------------------------

    def open_image(self, filters: Filters, event: gr.EventData, *, name: str) -> str:
        """Open the picked image of a gallery."""
        scene = self.scene(filters)
        index = picked_index(event, len(scene.outcome))
        return self.detail.open(scene, scene.listed(name), index)

    def one_by_one(self, filters: Filters, _event: Any = None) -> str:
        """Open the first image that there is to correct: of those that are ticked or selected, of
        the noisy ones beside the galleries, else of all, least clean first.
        """
        scene = self.scene(filters)
        listed, _ = targets(scene)
        if not len(listed):
            listed = scene.side("noisy") if filters.panel == "galleries" else scene.selected()
        if not len(listed):
            raise RunError("There is no image left to correct here: change the filters above.")
        return self.detail.open(scene, listed, int(listed[0]))

    def pick_duplicate(self, filters: Filters, event: gr.EventData) -> Drawn:
        """Select a group of duplicates, or open an outlier."""
        scene = self.scene(filters)
        index = self.duplicates.outlier(scene, event)
        if index is None:
            return {self.selection: self.select(filters, event, find=self.duplicates.group)}
        listed = self.duplicates.all(scene, filters)
        return {self.detail.dialog: self.detail.open(scene, listed, index)}

    # What selects -----------------------------------------------------------------------------

    def select(self, filters: Filters, event: Any = None, *, find: Find) -> str:
        """Select the images that `find` gives; the selection's id."""
        scene = self.scene(filters)
        indices, text = find(scene, filters, event)
        source = scene.opened.source
        return self.session.selections.put(source=source, indices=indices, text=text)

    def on_map(self, filters: Filters, event: gr.EventData, *, pick: Callable[..., str]) -> str:
        """What a method of the map makes of its event: a selection, or a stage for all panels."""
        return pick(self.scene(filters), event)

    # What corrects ----------------------------------------------------------------------------

    def tick(self, filters: Filters, event: gr.EventData) -> Drawn:
        """Some boxes were ticked, or unticked."""
        scene, data = self.scene(filters), event_data(event)
        images = indices_in(data.get("images"), len(scene.outcome))
        ticks = scene.ticks.changed(images, on=data.get("on") is True)
        return {self.correct.ticks: ticks.state(),
                **self.correct.draw(replace(scene, ticks=ticks))}  # fmt: skip

    def answer_card(self, filters: Filters, event: gr.EventData) -> str:
        """A key has accepted or rejected the label of a card; the id of what was done."""
        scene, data = self.scene(filters), event_data(event)
        if filters.shown != scene.opened.source.key():
            raise RunError(CHANGED)
        if not is_index(data.get("image"), len(scene.outcome)) or data.get("verdict") not in (
            "accepted", "rejected",
        ):  # fmt: skip
            raise RunError(NO_IMAGE)
        corrections = self.session.corrections(scene.opened.source)
        return corrections.say(data["verdict"], scene.outcome, [data["image"]]).id

    def press(
        self, filters: Filters, _event: Any = None, *, verdict: str, sure: bool = True
    ) -> Drawn:
        """Say the same of all images that are ticked or selected."""
        return self.correct.press(self.scene(filters), filters, verdict, sure=sure)

    def undo(self, filters: Filters, _event: Any = None, *, by_person: bool = False) -> str:
        """Undo the last correction; a mark of that. by_person: of those that a person made."""
        seen = parse(filters.shown or filters.run)  # what is undone may not be of other images
        if not seen.same_images(parse(filters.run)):
            raise RunError(CHANGED)
        undone = self.correct.undo(seen, by_person=by_person)
        gr.Info(f"Undone: {undone.text}.", duration=4)
        return f"undone {undone.id}"


def _able(able: bool, *, otherwise: Any) -> Any:
    """A filter that may be used, or one that has nothing to tell apart and says so by its value."""
    return gr.update(interactive=True) if able else gr.update(interactive=False, value=otherwise)


def all_corrected(scene: Scene, _filters: Filters, _event: Any) -> tuple[Indices, str]:
    """All images that a person has ruled on, and what they are."""
    found = np.flatnonzero(scene.corrected)
    return found, plural(len(found), "corrected image")


def all_of_side(scene: Scene, _filters: Filters, _event: Any, *, side: Side) -> tuple[Indices, str]:
    """All images of the clean or the noisy gallery, and what they are."""
    found = scene.side(side)
    return found, plural(len(found), f"{scene.word(side)} image")
