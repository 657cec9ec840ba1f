"""The Compare tab: several runs over each other, and the images on which their labels differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr

from studio.analysis import gallery
from studio.analysis.compared import MOST, ComparedRun, newest_pair, same_folder, warnings
from studio.analysis.differences import card, options
from studio.analysis.matching import ALL, MatchedRuns, match
from studio.cache import Cache
from studio.errors import RunError, StudioError
from studio.files import read_json
from studio.runs.store import ACTIVE
from studio.session.opened import Opened, open_run
from studio.session.rooms import Whose
from studio.ui.handlers import InSession
from studio.ui.parts import (
    POLL,
    PRIVATE,
    Pager,
    box,
    check_list,
    checked,
    curve_board,
    dialog,
    folding,
    guarded,
    pick_list,
    picked_index,
)
from studio.views import compare, compare_figures, differences
from studio.views.render import render

POLL_SECONDS = 4.0
_MATCHES = 4  # kept in memory


class Overview(NamedTuple):
    """What is shown of the chosen runs, by the name of its place on the tab."""

    messages: str
    curves: dict[str, Any]
    numbers: str
    results: str
    settings: str
    tables: Any
    images: Any
    timer: Any


class Differences(NamedTuple):
    """A page of images on which the labels differ, by the name of its place on the tab."""

    summary: str
    show: Any
    cards: str
    where: str
    back: Any
    on: Any
    page: int


@dataclass(frozen=True)
class Matched:
    """The runs with labels over the same folder. opened: the first of them, for the pictures;
    notes: why other chosen runs are left out, and what to know of these.
    """

    runs: MatchedRuns
    letters: tuple[str, ...]
    opened: Opened
    notes: tuple[str, ...]


class CompareTab(InSession):
    """Builds the tab; handlers are methods, so that tests call them without a browser."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)
        self._matches: Cache[tuple[Any, ...], MatchedRuns] = Cache(most=_MATCHES)

    # What is on it ----------------------------------------------------------------------------

    def build(self) -> None:
        """Lay the tab out, inside of gr.Tab."""
        with box("Runs to compare", elem_classes=["wide"]):
            self.runs = check_list(elem_id="compare-runs")
        self.messages = gr.HTML(elem_id="compare-messages")
        self.curves = curve_board(elem_id="compare-curves")
        self.numbers = folding(elem_id="compare-numbers")
        with box("Results and settings", visible=False, elem_classes=["wide"]) as self.tables:
            self.results = gr.HTML(elem_id="compare-results")
            self.settings = folding(elem_id="compare-settings")
        title = "Images on which the labels differ"
        with box(title, visible=False, elem_classes=["wide"]) as self.images:
            self.summary = gr.HTML(elem_id="compare-summary")
            self.show = gr.Dropdown(
                [("All that differ", ALL)], value=ALL, label="Show", elem_id="compare-show"
            )
            self.cards = pick_list(elem_id="compare-cards")
            self.where, self.back, self.on = Pager("compare").outputs
        self.dialog = dialog(label="Image in several runs", elem_id="compare-dialog")
        self.chosen = gr.State([])
        self.page = gr.State(0)
        self.timer = gr.Timer(POLL_SECONDS, active=False)

    def wire(self, tab: gr.Tab) -> None:
        """Connect events."""
        overview: dict[str, Any] = {
            "fn": self.overview,
            "inputs": [self.chosen],
            "outputs": [getattr(self, name) for name in Overview._fields],
        }
        images: dict[str, Any] = {
            "fn": self.differences,
            "inputs": [self.chosen, self.show],
            "outputs": [getattr(self, name) for name in Differences._fields],
            "api_visibility": "private",
            # The first look at a folder may have to read its images again.
            "show_progress_on": [self.summary],
        }
        quiet = {**images, "show_progress": "hidden"}
        for event in (
            tab.select(self.choices, [self.chosen], [self.runs, self.chosen], **PRIVATE),
            self.runs.select(self.choose, None, [self.chosen, self.page], **PRIVATE),
        ):
            event.success(**overview, **PRIVATE).success(**images)
        self.timer.tick(trigger_mode="once", **overview, **POLL)
        self.show.input(**quiet)
        for button, by in ((self.back, -1), (self.on, 1)):
            turned = {**quiet, "fn": self.turn(by), "inputs": [self.chosen, self.show, self.page]}
            button.click(**turned)
        self.cards.select(self.open_image, [self.chosen], [self.dialog], **PRIVATE)

    # What it shows ----------------------------------------------------------------------------

    def choices(self, chosen: Any) -> list[Any]:
        """The table of runs; at first the two newest with labels of the same images are ticked."""
        store = self.session.store
        infos = store.list()
        ids = [info.id for info in infos if info.id in _ids(chosen)]
        ids = ids or newest_pair(store.with_labels(infos))
        return [compare.choices(infos, self.session.results(infos), ids), ids]

    def choose(self, event: gr.EventData) -> list[Any]:
        """Runs were ticked or unticked; the first page of images is shown."""
        return [checked(event)[:MOST], 0]

    def compared(self, chosen: Any) -> tuple[list[ComparedRun], int]:
        """The chosen runs that are there, in order, and how many are not there any more."""
        runs: list[ComparedRun] = []
        ids = _ids(chosen)[:MOST]
        for run_id in ids:
            try:
                runs.append(self._compared(run_id, place=len(runs)))
            except RunError:
                self.session.forget(run_id)
        return runs, len(ids) - len(runs)

    def _compared(self, run_id: str, *, place: int) -> ComparedRun:
        reader = self.session.reader(run_id)
        # Both at once, for a run at work has no result yet that could be kept.
        ended = reader.run.status()["state"] not in ACTIVE
        prompts = read_json(reader.run.path / "prompts.json")
        outcome = self.session.outcome(reader)
        judged = outcome is not None and outcome.judged
        return ComparedRun(
            place,
            reader.run.info,
            root=str(reader.root),
            result=self.session.result(run_id) if ended else None,
            prompts=prompts if isinstance(prompts, dict) else {},
            curves=reader.curves,
            clean=outcome.clean_share if outcome is not None and judged else None,
        )

    def overview(self, chosen: Any) -> Overview:
        """Curves and tables of the chosen runs; needs none of their images."""
        runs, gone = self.compared(chosen)
        enough = len(runs) > 1
        messages = render(
            "compare/messages.html",
            gone=gone,
            warnings=warnings(runs) if enough else [],
            too_few=not enough and len(self.session.store.list()) > 1,
        )
        visible, nothing = gr.update(visible=enough), {"figures": [], "empty": ""}
        if not enough:
            return Overview(messages, nothing, "", "", "", visible, visible, gr.Timer(active=False))
        empty = "None of these runs has trained: there are no curves."
        return Overview(
            messages,
            curves={"figures": compare_figures.figures(runs), "empty": empty},
            numbers=compare_figures.numbers(runs),
            results=compare.results_table(runs),
            settings=compare.settings_table(runs),
            tables=visible,
            images=visible,
            timer=gr.Timer(active=any(run.info.state in ACTIVE for run in runs)),
        )

    def differences(self, chosen: Any, show: Any, page: Any = 0) -> Differences:
        """How far the labels differ, the filter, a page of images and its pager."""
        off = gr.update(interactive=False)
        runs, _ = self.compared(chosen)
        if len(runs) < 2:
            return Differences("", gr.skip(), "", "", off, off, 0)
        try:
            matched = self.match(runs)
        except StudioError as error:
            hidden = gr.update(visible=False, value=ALL)
            return Differences(_notes(str(error)), hidden, "", "", off, off, 0)
        value = show if show in matched.runs.filters else ALL
        part = gallery.page(matched.runs.select(value), gallery.page_number(page))
        cards = []
        for m in part.shown:
            source = matched.opened.picture(int(matched.runs.indices[0, m]))
            cards.append(card(matched.runs, matched.letters, m, source))
        where, back, on = Pager.show(part)
        choices = options(matched.runs, matched.letters)
        summary = differences.summary(matched.runs, matched.letters)
        return Differences(
            summary=_notes(*matched.notes) + summary,
            show=gr.update(choices=choices, value=value, visible=True),
            cards=differences.cards(cards),
            where=where,
            back=back,
            on=on,
            page=part.number,
        )

    def turn(self, by: int) -> Callable[..., Differences]:
        """The handler that turns the page of images by so many pages."""

        def turned(chosen: Any, show: Any, page: Any) -> Differences:
            return self.differences(chosen, show, gallery.page_number(page) + by)

        return turned

    @guarded
    def open_image(self, chosen: Any, event: gr.EventData) -> str:
        """The picked image, large, with what each run says about it."""
        matched = self.match(self.compared(chosen)[0])
        m = picked_index(event, len(matched.runs))
        if m is None:
            raise RunError("There is no such image in these runs.")
        source = matched.opened.large_picture(int(matched.runs.indices[0, m]))
        return differences.detail(matched.runs, matched.letters, m, source)

    def match(self, runs: Sequence[ComparedRun]) -> Matched:
        """The runs brought onto the same images.

        Raises:
            RunError: as of `same_folder`.
        """
        opened: dict[int, Opened] = {}
        for run in runs:
            with suppress(StudioError):  # it has no labels yet
                opened[run.place] = open_run(self.session, run.info.id)
        same, notes = same_folder(runs, opened)
        sources = [opened[run.place] for run in same]
        # By their addresses: what is kept holds its outcomes, so no other can come to the same one.
        outcomes = [source.outcome for source in sources]
        key = tuple(map(id, outcomes))
        return Matched(
            self._matches.get(key, lambda: match(outcomes)),
            tuple(run.letter for run in same),
            sources[0],
            tuple(notes),
        )


def _ids(chosen: Any) -> list[str]:
    """Ids of runs as a page may send them."""
    values = chosen if isinstance(chosen, list) else []
    return list(dict.fromkeys(value for value in values if isinstance(value, str)))


def _notes(*sentences: str) -> str:
    return render("compare/notes.html", sentences=sentences)
