"""Duplicates, outliers and images of no class: lists whose entries select their images."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from studio.analysis.gallery import PAGE_SIZE, Page
from studio.errors import RunError
from studio.numbers import count, percent, plural
from studio.scores.duplicates import NEAR as NEARLY
from studio.scores.duplicates import Group
from studio.scores.similar import Similar
from studio.scores.strangers import STRONG
from studio.session.similar import similar_of
from studio.session.strangers import strangers_of
from studio.session.tasks import Task
from studio.ui.explore.galleries import Drawn, PagedCards, Panel
from studio.ui.explore.scene import EXACT, FAR, NEAR, OF_NONE, Filters, Indices, Scene
from studio.ui.parts import picked, picked_index
from studio.views import duplicates
from studio.views.render import part, render

_LEAST, _MOST = 0.8, 0.99

_GONE = "The images are no longer in their folder, so that they cannot be compared."


class DuplicatesPanel(Panel):
    """Components and what they show; the Explore tab connects them."""

    def __init__(self) -> None:
        self.gallery = PagedCards("duplicates")

    def build(self) -> None:
        """Lay the panel out, inside of its gr.Tab."""
        self.kind = gr.Radio(
            [EXACT, NEAR, FAR, OF_NONE], value=EXACT, label="Show", show_label=False,
            container=False, elem_id="duplicates-kind",
        )  # fmt: skip
        self.at_least = gr.Slider(
            _LEAST, _MOST, value=NEARLY, step=0.01, label="At least this similar",
            info="Cosine of the model's features: 1 = the same", elem_id="duplicates-at-least",
            visible=False,
        )  # fmt: skip
        self.head = gr.HTML(elem_id="duplicates-head")
        self.gallery.build()
        self.take = gr.Button("Select all of these", elem_id="duplicates-take", size="sm",
                              interactive=False)  # fmt: skip
        # Ticks only while something is being computed that the page waits for.
        self.timer = gr.Timer(1.0, active=False)
        self.outputs = [self.at_least, self.head, self.take, self.timer, *self.gallery.outputs]

    def draw(self, scene: Scene, filters: Filters, pages: dict[str, int]) -> Drawn:
        """What the panel shows. pages: see `PagedCards.draw`."""
        kind, task = _kind(filters), similar_of(scene.opened)
        if kind == OF_NONE:
            return self._of_none(scene, pages)
        slider = gr.update(visible=kind == NEAR)
        if task is None or not task.ready:
            return self._waits(task, pages) | {self.at_least: slider}
        similar: Similar = task.value
        groups = [] if kind == FAR else _groups(scene, similar, filters)
        if kind == FAR:
            indices = _outliers(scene, similar)
            shown = self.gallery.draw(
                scene, indices, pages, note=lambda i: f"distance {similar.distance(i):.2f}"
            )
        else:
            indices = _members(groups)
            page = Page.of(groups, pages[self.gallery.name], size=duplicates.PAGE_SIZE)
            body = duplicates.group_list(
                scene.outcome, page.shown, scene.opened.picture, none="None found here."
            )
            shown = self.gallery.show(body, page, pages)
            if not groups:
                shown[self.gallery.pager.where] = ""
        head = render(
            "explore/duplicates_head.html",
            kind={EXACT: "exact", NEAR: "near", FAR: "far"}[kind],
            outliers=similar.outliers.number,
            groups=len(groups),
            images=len(indices),
        )
        take = gr.update(
            value=f"Select all {plural(len(indices), 'image')}", interactive=bool(len(indices))
        )
        return {**shown, self.at_least: slider, self.head: head, self.take: take,
                        self.timer: gr.Timer(active=False)}  # fmt: skip

    def _waits(self, task: Task | None, pages: dict[str, int]) -> Drawn:
        """What is shown while it is being computed, or where it cannot be."""
        pages[self.gallery.name] = 0
        waits = gr.Timer(active=task is not None and task.pending)
        return self.nothing() | {self.head: _wait(task), self.timer: waits}

    def _of_none(self, scene: Scene, pages: dict[str, int]) -> Drawn:
        """Images that seem to be of none of the classes, those that seem so most first."""
        task = strangers_of(scene.opened)
        if task is None or not task.ready:
            return self._waits(task, pages) | {self.at_least: gr.update(visible=False)}
        scores = task.value
        indices = _strangers(scene)
        shown = self.gallery.draw(
            scene, indices, pages, note=lambda i: f"of none: {percent(float(scores[i]))}"
        )
        head = render(
            "explore/duplicates_head.html", kind="none", outliers=int((scores >= STRONG).sum()),
            groups=0, images=len(indices), strong=STRONG,
        )  # fmt: skip
        take = gr.update(
            value=f"Select all {plural(len(indices), 'image')}", interactive=bool(len(indices))
        )
        return {**shown, self.at_least: gr.update(visible=False), self.head: head,
                self.take: take, self.timer: gr.Timer(active=False)}  # fmt: skip

    def all(self, scene: Scene, filters: Filters) -> Indices:
        """The images of all groups, group by group; or all outliers, the farthest first; or those
        of no class.
        """
        if _kind(filters) == OF_NONE:
            return _strangers(scene)
        task = similar_of(scene.opened)
        if task is None or not task.ready:
            return np.zeros(0, np.int64)
        if _kind(filters) == FAR:
            return _outliers(scene, task.value)
        return _members(_groups(scene, task.value, filters))

    def take_all(self, scene: Scene, filters: Filters, _event: Any) -> tuple[Indices, str]:
        """The same, and what they are."""
        found = self.all(scene, filters)
        return found, f"{str(filters.kind).lower()}: {count(len(found))}"

    def outlier(self, scene: Scene, event: gr.EventData) -> int | None:
        """The index of the image that was pressed; None when it was a group."""
        return picked_index(event, len(scene.outcome))

    def group(self, scene: Scene, filters: Filters, event: Any) -> tuple[Indices, str]:
        """The images of the group that was pressed, see `Find`."""
        what, _, first = picked(event).partition(":")
        task = similar_of(scene.opened)
        if what == "group" and task is not None and task.ready and _kind(filters) in (EXACT, NEAR):
            for group in _groups(scene, task.value, filters):
                if str(group.indices[0]) == first:
                    word = "equal" if group.exact else "nearly equal"
                    text = f"{len(group.indices)} {word} images"
                    return np.array(group.indices, np.int64), text
        raise RunError("There is no such group any more; choose another one.")


def _kind(filters: Filters) -> str:
    return filters.kind if filters.kind in (NEAR, FAR, OF_NONE) else EXACT


def _groups(scene: Scene, similar: Similar, filters: Filters) -> list[Group]:
    """Groups of the run's images; with a filter, those that one of its images belongs to."""
    least = filters.at_least
    valid = isinstance(least, (int, float)) and _LEAST <= least <= _MOST
    at_least = (float(least) if valid else NEARLY) if _kind(filters) == NEAR else None
    return [g for g in similar.groups(at_least) if scene.allowed[list(g.indices)].any()]


def _members(groups: list[Group]) -> Indices:
    return np.array([i for g in groups for i in g.indices], np.int64)


def _strangers(scene: Scene) -> Indices:
    """Those with strong evidence, or else a page of the nearest to it, as far as the filters leave
    them.
    """
    task = strangers_of(scene.opened)
    if task is None or not task.ready:
        return np.zeros(0, np.int64)
    scores = task.value
    order = np.argsort(-scores, kind="stable")
    order = order[: max(int((scores >= STRONG).sum()), PAGE_SIZE)]
    return order[scene.allowed[order]]


def _outliers(scene: Scene, similar: Similar) -> Indices:
    """Those that stand out, or else a page of the farthest, as far as the filters leave them."""
    order = similar.farthest(PAGE_SIZE)
    return order[scene.allowed[order]]


def _wait(task: Task | None) -> str:
    if task is None:
        return part("empty", _GONE)
    if task.error:
        return part("empty", f"The images cannot be compared: {task.error}")
    return part("waiting", task.state)
