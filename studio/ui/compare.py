"""The Compare tab: several runs over each other, and the images on which their labels differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from studio.errors import RunError, StudioError
from studio.runs.files import read_json
from studio.runs.store import ACTIVE, RunInfo
from studio.session.opened import Opened, open_run
from studio.session.session import Session
from studio.ui.parts import (
    POLL,
    PRIVATE,
    check_list,
    checked,
    curve_board,
    dialog,
    folding,
    guard,
    pick_list,
    picked_index,
)
from studio.views import compare, compare_figures, differences, gallery
from studio.views.compare import Side
from studio.views.compare_figures import Lines
from studio.views.differences import ALL, Matched
from studio.views.markup import empty, esc, notice

TOO_FEW = "Tick two or more runs to see them over each other."
POLL_SECONDS = 4.0
_KEPT = 4


class CompareTab:
    """Builds the tab; handlers are methods, so that tests call them without a browser."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._matched: dict[tuple[Any, ...], tuple[Matched, Opened]] = {}

    # What is on it ----------------------------------------------------------------------------

    def build(self) -> None:
        """Lay the tab out, inside of gr.Tab."""
        with gr.Column(elem_classes="box wide"):
            gr.HTML('<h3 class="box-title">Runs to compare</h3>')
            self.runs = check_list(elem_id="compare-runs")
        self.told = gr.HTML(elem_id="compare-told")
        self.curves = curve_board(elem_id="compare-curves")
        self.numbers = folding(elem_id="compare-numbers")
        with gr.Row(elem_classes="columns tables", visible=False) as self.tables:
            with gr.Column(min_width=300, elem_classes="box"):
                self.results = gr.HTML(elem_id="compare-results")
            with gr.Column(min_width=300, elem_classes="box"):
                self.settings = folding(elem_id="compare-settings")
        with gr.Column(visible=False, elem_classes="box wide") as self.images:
            gr.HTML('<h3 class="box-title">Images on which the labels differ</h3>')
            self.summary = gr.HTML(elem_id="compare-summary")
            self.show = gr.Dropdown(
                [("All that differ", ALL)], value=ALL, label="Show", elem_id="compare-show"
            )
            self.cards = pick_list(elem_id="compare-cards")
            turn: dict[str, Any] = {"size": "sm", "min_width": 90, "interactive": False}
            with gr.Row(elem_classes="inline pager"):
                self.back = gr.Button("Previous", elem_id="compare-back", **turn)
                self.where = gr.HTML(elem_id="compare-where")
                self.on = gr.Button("Next", elem_id="compare-on", **turn)
        self.dialog = dialog(label="Image in several runs", elem_id="compare-dialog")
        self.chosen = gr.State([])
        self.page = gr.State(0)
        self.timer = gr.Timer(POLL_SECONDS, active=False)

    def wire(self, tab: gr.Tab) -> None:
        """Connect events."""
        above: list[Any] = [self.told, self.curves, self.numbers, self.results, self.settings]
        above += [self.tables, self.images, self.timer]
        below = [self.summary, self.show, self.cards, self.where, self.back, self.on, self.page]
        runs: dict[str, Any] = {"fn": self.draw, "inputs": [self.chosen], "outputs": above}
        pictures: dict[str, Any] = {
            "fn": self.draw_images,
            "inputs": [self.chosen, self.show],
            "outputs": below,
            "api_visibility": "private",
            # The first look at a folder may have to read its images again.
            "show_progress_on": [self.summary],
        }
        quiet = {**pictures, "show_progress": "hidden"}
        for event in (
            tab.select(self.choices, [self.chosen], [self.runs, self.chosen], **PRIVATE),
            self.runs.select(self.choose, None, [self.chosen, self.page], **PRIVATE),
        ):
            event.success(**runs, **PRIVATE).success(**pictures)
        self.timer.tick(trigger_mode="once", **runs, **POLL)
        self.show.input(**quiet)
        for button, by in ((self.back, -1), (self.on, 1)):
            turned = {**quiet, "fn": self._turn(by), "inputs": [self.chosen, self.show, self.page]}
            button.click(**turned)
        self.cards.select(self.open_image, [self.chosen], [self.dialog], **PRIVATE)

    # What it shows ----------------------------------------------------------------------------

    def choices(self, chosen: Any) -> list[Any]:
        """The table of runs; at first the two newest that ended over the same images are ticked."""
        infos = self.session.store.list()
        ids = [info.id for info in infos if info.id in _ids(chosen)] or self._first(infos)
        results = {i.id: self.session.result(i.id) for i in infos if i.state not in ACTIVE}
        return [compare.choices(infos, results, ids), ids]

    def _first(self, infos: Sequence[RunInfo]) -> list[str]:
        ended = [info for info in infos if info.state in ("finished", "stopped")]
        same = [info.id for info in ended if info.folder == ended[0].folder]
        return same[:2] if len(same) > 1 else []

    def choose(self, event: gr.EventData) -> list[Any]:
        """Runs were ticked or unticked; the first page of images is shown."""
        return [checked(event)[: compare.MOST], 0]

    def sides(self, chosen: Any) -> tuple[list[Side], int]:
        """The chosen runs that are there, in order, and how many are not there any more."""
        sides: list[Side] = []
        asked = _ids(chosen)[: compare.MOST]
        for run_id in asked:
            try:
                reader = self.session.reader(run_id)
                # Both at once, for a run at work has no result yet that could be kept.
                ended = reader.run.status()["state"] not in ACTIVE
                result = self.session.result(run_id) if ended else None
                root = str(reader.root)
                prompts = read_json(reader.run.path / "prompts.json")
                prompts = prompts if isinstance(prompts, dict) else {}
                sides.append(Side(len(sides), reader.run.info, root, result, prompts))
            except RunError:
                self.session.forget(run_id)
        return sides, len(asked) - len(sides)

    def draw(self, chosen: Any) -> list[Any]:
        """Curves and tables of the chosen runs; needs none of their images."""
        sides, gone = self.sides(chosen)
        told = notice(_gone(gone), kind="warn") if gone else ""
        hide, show = gr.update(visible=False), gr.update(visible=True)
        if len(sides) < 2:
            board: dict[str, Any] = {"figures": [], "empty": ""}
            none = empty(TOO_FEW) if len(self.session.store.list()) > 1 else ""
            return [told + none, board, "", "", "", hide, hide, gr.Timer(active=False)]
        readers = [self.session.reader(side.info.id) for side in sides]
        lines = [
            Lines(side.place, side.info.name, reader.curves)
            for side, reader in zip(sides, readers, strict=True)
        ]
        board = {
            "figures": compare_figures.figures(lines),
            "empty": "None of these runs has trained: there are no curves.",
        }
        return [
            told + compare.warnings(sides),
            board,
            compare_figures.numbers(lines),
            compare.results_table(sides),
            compare.settings_table(sides),
            show,
            show,
            gr.Timer(active=any(side.info.state in ACTIVE for side in sides)),
        ]

    def draw_images(self, chosen: Any, show: Any, page: Any = 0) -> list[Any]:
        """What is said of the differing images, the filter, a page of them and its pager."""
        off = gr.update(interactive=False)
        sides, _ = self.sides(chosen)
        if len(sides) < 2:
            return ["", gr.skip(), "", "", off, off, 0]
        try:
            matched, opened, told = self.match(sides)
        except StudioError as error:
            hidden = gr.update(visible=False, value=ALL)
            return [notice(str(error)), hidden, "", "", off, off, 0]
        options = differences.options(matched)
        value = show if show in [value for _, value in options] else ALL
        part = gallery.page(differences.select(matched, value), _number(page))
        cards = [
            differences.card(matched, m, opened.picture(int(matched.indices[0, m])))
            for m in part.indices
        ]
        nothing = empty("No image here: on these the labels agree.")
        return [
            told + differences.summary(matched),
            gr.update(choices=options, value=value, visible=True),
            f'<div class="cards">{"".join(cards)}</div>' if cards else nothing,
            f'<p class="where">{esc(part.label)}</p>',
            gr.update(interactive=part.number > 0),
            gr.update(interactive=part.number < part.pages - 1),
            part.number,
        ]

    def _turn(self, by: int) -> Callable[..., list[Any]]:
        def turn(chosen: Any, show: Any, page: Any) -> list[Any]:
            return self.draw_images(chosen, show, _number(page) + by)

        return turn

    def open_image(self, chosen: Any, event: gr.EventData) -> str:
        """The picked image, large, with what each run says about it."""

        def work() -> str:
            matched, opened, _ = self.match(self.sides(chosen)[0])
            m = picked_index(event, len(matched))
            if m is None:
                raise RunError("There is no such image in these runs.")
            source = opened.large_picture(int(matched.indices[0, m]))
            return differences.detail(matched, m, source)

        return str(guard(work))

    def match(self, sides: Sequence[Side]) -> tuple[Matched, Opened, str]:
        """The runs brought onto the same images, the first of them with its pictures, and what has
        to be said about runs that were left out.

        Runs over the folder that most of them are over are taken; of two such folders, the first
        run's.

        Raises:
            RunError: there are no two runs with labels over the same folder.
        """
        looks: list[tuple[Side, Opened]] = []
        left_out, told = [], ""
        for side in sides:
            try:
                looks.append((side, open_run(self.session, side.info.id)))
            except StudioError:
                left_out.append(side.letter)
        if left_out:
            told += notice(f"Without labels so far: {', '.join(left_out)}.")
        roots = [side.root for side, _ in looks]
        most = max(roots, key=roots.count, default="")
        same = [(side, opened) for side, opened in looks if side.root == most]
        if len(same) < 2:
            reason = (
                "no two of these runs have labels yet"
                if len(looks) < 2
                else "these runs are over different folders"
            )
            raise RunError(f"There are no labels to compare image by image: {reason}.")
        if others := [side.letter for side, _ in looks if side.root != most]:
            told += notice(f"Over another folder, and so left out here: {', '.join(others)}.")
        early = [s.letter for s, _ in same if s.info.state in ACTIVE]
        if early:
            told += notice(f"Still at work, with the labels of now: {', '.join(early)}.")
        key = tuple((side.place, side.info.id, opened.outcome.stage, id(opened.outcome))
                    for side, opened in same)  # fmt: skip
        found = self._matched.get(key)
        if found is None:
            made = differences.match([(side.place, opened.outcome) for side, opened in same])
            # What is kept holds its outcomes, so that no other can come to the same address.
            found = self._matched[key] = made, same[0][1]
            for old in list(self._matched)[:-_KEPT]:
                self._matched.pop(old, None)
        return (*found, told)


def _ids(chosen: Any) -> list[str]:
    """Ids of runs as a page may send them."""
    values = chosen if isinstance(chosen, list) else []
    return list(dict.fromkeys(value for value in values if isinstance(value, str)))


def _number(value: Any) -> int:
    """A page number as a page may send it."""
    return value if isinstance(value, int) and abs(value) < 10**7 else 0


def _gone(number: int) -> str:
    if number == 1:
        return "One of the chosen runs is no longer there."
    return f"{number} of the chosen runs are no longer there."
