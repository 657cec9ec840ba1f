"""Duplicates and outliers: lists whose entries select their images."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from studio.errors import RunError
from studio.scores import duplicates as found_duplicates
from studio.scores.duplicates import Group
from studio.scores.neighbours import Floats
from studio.session.similar import Similar, similar_of
from studio.session.tasks import Task
from studio.ui.explore.paged import Paged, blank, drawn, paged
from studio.ui.explore.scene import Indices, Scene
from studio.ui.parts import picked
from studio.views import duplicates
from studio.views.gallery import PAGE_SIZE
from studio.views.markup import empty, esc, progress
from studio.views.numbers import plural

EXACT, NEAR, FAR = "Equal images", "Nearly equal", "Outliers"
_LEAST, _MOST = 0.8, 0.99

_GONE = "The images are no longer in their folder, so that they cannot be compared."
_TOLD = {
    EXACT: "Files whose pictures are the same, pixel by pixel, as the model sees them.",
    NEAR: "Images that the model can hardly tell apart: the same picture cut, saved or mirrored "
    "anew, or frames of one film. Equal ones are left out.",
    FAR: "Images far from their ten nearest ones: something that belongs to no class, a broken "
    "file, or a rare sight. Farthest first.",
}


class CopiesPanel:
    """Components and what they show; the Explore tab connects them."""

    def build(self) -> None:
        """Lay the panel out, inside of its gr.Tab."""
        self.kind = gr.Radio(
            [EXACT, NEAR, FAR], value=EXACT, label="Show", show_label=False, container=False,
            elem_id="copies-kind",
        )  # fmt: skip
        self.least = gr.Slider(
            _LEAST, _MOST, value=found_duplicates.NEAR, step=0.01, label="At least this much alike",
            info="Cosine of the model's features: 1 = the same", elem_id="copies-least",
            visible=False,
        )  # fmt: skip
        self.head = gr.HTML(elem_id="copies-head")
        self.gallery: Paged = paged("copies", cards_id="gallery-copies")
        self.take = gr.Button("Select all of these", elem_id="copies-take", size="sm",
                              interactive=False)  # fmt: skip
        # Ticks only while something is being computed that the page waits for.
        self.timer = gr.Timer(1.0, active=False)

    @property
    def outputs(self) -> list[Any]:
        """In the order in which `draw` gives them."""
        return [self.least, self.head, self.take, self.timer, *self.gallery.outputs]

    def draw(self, scene: Scene, kind: Any, least: Any, number: int) -> tuple[int, list[Any]]:
        """The number of the page that is shown, and the values of `outputs`."""
        kind, task = _kind(kind), similar_of(scene.opened)
        slider = gr.update(visible=kind == NEAR)
        if task is None or not task.ready:
            waits = task is not None and task.pending
            return 0, [slider, _wait(task), gr.update(interactive=False), gr.Timer(active=waits),
                       *blank()]  # fmt: skip
        told, alike = f'<p class="quiet">{esc(_TOLD[kind])}</p>', task.value
        if kind == FAR:
            indices = _outliers(scene, alike)
            told += f"<p><b>{_stand_out(alike)}</b></p>"
            card = duplicates.outlier_card(_distances(scene, alike))
            number, each = drawn(scene, indices, number, card, nothing="No image here.", small=True)
        else:
            groups = _groups(scene, alike, kind, _least(least))
            indices = _members(groups)
            images = plural(len(indices), "image")
            told += f"<p><b>{plural(len(groups), 'group')}</b>, {images}.</p>"
            number, each = _group_page(scene, groups, number)
        take = gr.update(
            value=f"Select all {plural(len(indices), 'image')}", interactive=bool(len(indices))
        )
        return number, [slider, told, take, gr.Timer(active=False), *each]

    def nothing(self) -> list[Any]:
        """The values of `outputs` while there is nothing to show."""
        off = gr.update(interactive=False)
        return [gr.update(visible=False), "", off, gr.Timer(active=False), *blank()]

    def all(self, scene: Scene, kind: Any, least: Any) -> Indices:
        """The images of all groups, group by group; or all outliers, the farthest first."""
        task, kind = similar_of(scene.opened), _kind(kind)
        if task is None or not task.ready:
            return np.zeros(0, np.int64)
        if kind == FAR:
            return _outliers(scene, task.value)
        return _members(_groups(scene, task.value, kind, _least(least)))

    def pick(
        self, scene: Scene, kind: Any, least: Any, event: gr.EventData
    ) -> tuple[Indices, str] | int:
        """The images of the group that was pressed, and what they are; or one image's index.

        Raises:
            RunError: there is no such group or image.
        """
        what, _, text = picked(event).partition(":")
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
        if what == "image" and 0 <= number < len(scene.outcome):
            return number
        task, kind = similar_of(scene.opened), _kind(kind)
        if what == "group" and task is not None and task.ready and kind != FAR:
            for group in _groups(scene, task.value, kind, _least(least)):
                if group.indices[0] == number:
                    word = "equal" if group.exact else "nearly equal"
                    told = f"{len(group.indices)} {word} images"
                    return np.array(group.indices, np.int64), told
        raise RunError("There is no such group any more; choose another one.")


def _kind(value: Any) -> str:
    return value if value in _TOLD else EXACT


def _least(value: Any) -> float:
    known = isinstance(value, (int, float)) and _LEAST <= value <= _MOST
    return float(value) if known else found_duplicates.NEAR


def _groups(scene: Scene, alike: Similar, kind: str, least: float) -> list[Group]:
    """Groups of the run's images; with a filter, those that one of its images belongs to."""
    found = alike.exact
    if kind == NEAR:
        found = found_duplicates.near_groups(alike.neighbours, at_least=least, exact=alike.exact)
    groups = [Group(tuple(alike.rows[list(g.indices)].tolist()), g.cosine, g.exact) for g in found]
    return [g for g in groups if scene.allowed[list(g.indices)].any()]


def _members(groups: list[Group]) -> Indices:
    return np.array([i for g in groups for i in g.indices], np.int64)


def _outliers(scene: Scene, alike: Similar) -> Indices:
    """Those that stand out, or else a page of the farthest, as far as the filters leave them."""
    number = alike.outliers.number or PAGE_SIZE
    order = alike.rows[alike.outliers.order[:number]]
    return np.asarray(order[scene.allowed[order]], np.int64)


def _stand_out(alike: Similar) -> str:
    number = alike.outliers.number
    if not number:
        return "No image stands out; these are the farthest."
    return f"{plural(number, 'image stands', 'images stand')} out."


def _distances(scene: Scene, alike: Similar) -> Floats:
    distances = np.zeros(len(scene.outcome), np.float32)
    distances[alike.rows] = alike.outliers.distances
    return distances


def _group_page(scene: Scene, groups: list[Group], number: int) -> tuple[int, list[Any]]:
    size = duplicates.PAGE_SIZE
    pages = max(1, -(-len(groups) // size))
    number = min(max(0, number), pages - 1)
    shown = groups[number * size : (number + 1) * size]
    none = "None found here."
    body = duplicates.group_list(scene.outcome, shown, scene.opened.picture, none=none)
    where = f"{number * size + 1}–{number * size + len(shown)} of {len(groups)}" if shown else ""
    turns = [gr.update(interactive=on) for on in (number > 0, number < pages - 1)]
    return number, [body, f'<p class="where">{where}</p>', *turns]


def _wait(task: Task | None) -> str:
    if task is None:
        return empty(_GONE)
    if task.error:
        return empty(f"The images cannot be compared: {task.error}")
    return progress(task.done, task.total, label=f"Being computed: {task.text.lower()}")
