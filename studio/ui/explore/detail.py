"""The dialog for one image: large, with all that is known about it, and a way to the next one.

What a page may ask of it (the text of a pick): `image:12` opens an image, `step:1` and `step:-1` go
on in the list that the first one was opened from, `near:12` selects an image and its nearest ones.
Other parts add picks of their own: HTML through `actions`, handled by a listener of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np

from studio.errors import RunError, StudioError
from studio.session.opened import Opened, open_run
from studio.session.session import Session
from studio.session.similar import Vectors, vectors_of
from studio.session.source import OpenedFolder
from studio.ui.explore.scene import SIDES, Indices, Scene
from studio.ui.parts import ASSETS, picked
from studio.views import detail, journey
from studio.views.markup import esc, progress
from studio.views.numbers import count, plural

NEAREST = 12

ShownImage = dict[str, Any]
"""What a page has open, kept in a gr.State: source (a list of the scene, or the id of a selection),
index (the image that is shown), anchor (the image of the list that previous and next count from).
"""

CLOSED: ShownImage = {"source": "", "index": -1, "anchor": -1}

_TEMPLATE = (
    '<dialog class="dialog" aria-label="Image"><div class="dialog-bar">'
    '<button type="button" class="dialog-close" data-step="back" data-pick="step:-1" '
    'aria-keyshortcuts="ArrowLeft" aria-label="Previous image">← <span>Previous</span></button>'
    '<button type="button" class="dialog-close" data-step="on" data-pick="step:1" '
    'aria-keyshortcuts="ArrowRight" aria-label="Next image"><span>Next</span> →</button>'
    '<span class="detail-where" aria-live="polite"></span>'
    '<form method="dialog"><button class="dialog-close">Close</button></form></div>'
    '<div class="dialog-body">${value}</div></dialog>'
)


class DetailDialog:
    """Components and what they show; the Explore tab connects them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.functions: list[Callable[[Any], Any]] = []  # of other parts, called by their scripts
        self.actions: Callable[[Opened, int], str] = _no_actions

    def build(self) -> None:
        """Lay the dialog out; it takes no room on the page."""
        studio = self.session

        def nearest(asked: Any) -> dict[str, Any]:  # a name of its own: the page calls it
            return nearest_html(studio, asked)

        self.dialog = gr.HTML(
            value="",
            html_template=_TEMPLATE,
            js_on_load="\n".join(
                (ASSETS / name).read_text(encoding="utf-8") for name in ("detail.js", "correct.js")
            ),
            server_functions=[nearest, *self.functions],
            elem_id="explore-dialog",
        )
        self.opened = gr.State(CLOSED)

    def open(self, scene: Scene, source: str, index: int) -> tuple[str, ShownImage]:
        """The dialog's HTML for an image of one of the scene's lists, and what is open now.

        Raises:
            RunError: there is no such image.
        """
        if not 0 <= index < len(scene.outcome):
            raise RunError("There is no such image in this run.")
        return self._shown(scene, {"source": source, "index": index, "anchor": index})

    def pick(
        self, scene: Scene, shown: Any, event: gr.EventData
    ) -> tuple[str, ShownImage] | tuple[Indices, str] | None:
        """What a press within the dialog does: another image, or a selection and its text.

        None for the picks of other parts.

        Raises:
            RunError: there is no such image.
        """
        known: ShownImage = {**CLOSED, **(shown if isinstance(shown, dict) else {})}
        what, _, text = picked(event).partition(":")
        number = int(text) if text.lstrip("-").isdigit() and len(text) < 10 else None
        if what not in ("image", "step", "near") or number is None:
            return None
        if what == "step":
            listed = self._listed(scene, known["source"])
            if not len(listed):
                raise RunError("The list that this image was opened from is empty now.")
            place = _place(listed, known["anchor"]) + (1 if number > 0 else -1)
            index = int(listed[min(max(0, place), len(listed) - 1)])
            return self._shown(scene, {**known, "index": index, "anchor": index})
        if not 0 <= number < len(scene.outcome):
            raise RunError("There is no such image in this run.")
        if what == "image":
            return self._shown(scene, {**known, "index": number})
        return self._near(scene, number)

    def _near(self, scene: Scene, index: int) -> tuple[Indices, str]:
        task = vectors_of(scene.opened)
        found = task.value.nearest(index, NEAREST)[0] if task and task.ready else []
        told = f"{scene.outcome.paths[index]} and its {plural(len(found), 'nearest image')}"
        return np.array([index, *found], np.int64), told

    def _shown(self, scene: Scene, shown: ShownImage) -> tuple[str, ShownImage]:
        opened, index = scene.opened, shown["index"]
        listed = self._listed(scene, shown["source"])
        place = _place(listed, shown["anchor"])
        where = f"{count(place + 1)} of {count(len(listed))}" if place >= 0 else ""
        if index != shown["anchor"]:
            where = f"{where}, a neighbour" if where else ""
        select = (
            '<p><button type="button" class="dialog-close" data-closes '
            f'data-pick="near:{index}">'
            "Select it and its nearest</button></p>"
        )
        ends = {"back": 0, "on": len(listed) - 1}
        steps = [word for word, end in ends.items() if place not in (-1, end)]
        body = detail.detail(
            scene.outcome,
            index,
            opened.large_picture(index),
            way=self._way(opened, scene, index),
            actions=select + self.actions(opened, index),
            where=where,
            steps=" ".join(steps),
            look=json.dumps([opened.source.key(), index, scene.outcome.stage]),
        )
        return body, shown

    def _listed(self, scene: Scene, source: str) -> Indices:
        """The list that an image was opened from: one of the scene's, or that of a selection."""
        if source in ("selection", *SIDES):
            return scene.listed(source)
        found = self.session.selections.get(source)
        mine = found is not None and found.source.same_images(scene.opened.source)
        return found.indices if found is not None and mine else np.zeros(0, np.int64)

    def _way(self, opened: Opened, scene: Scene, index: int) -> str:
        if isinstance(opened.source, OpenedFolder):
            return ""
        way = self.session.reader(opened.source.run_id).history
        way.refresh()
        return journey.journey_table(scene.outcome, way.of(index), way.watched)


def _no_actions(_opened: Opened, _index: int) -> str:
    return ""


def _place(listed: Indices, index: int) -> int:
    found = np.flatnonzero(listed == index)
    return int(found[0]) if len(found) else -1


def nearest_html(session: Session, asked: Any) -> dict[str, Any]:
    """The nearest images of an image as HTML, and whether to ask again in a while.

    asked: what the page sends, JSON of [source, index, stage]; anything else gives nothing.
    """
    try:
        run, index, stage = json.loads(asked if isinstance(asked, str) else "")
        opened = open_run(session, run, stage)
        if not isinstance(index, int) or not 0 <= index < len(opened.outcome):
            raise ValueError(index)
    except (ValueError, TypeError, StudioError):
        return {"html": "", "again": False}
    task = vectors_of(opened)
    if task is None:
        return {"html": "", "again": False}
    if task.pending:
        told = progress(task.done, task.total, label=f"Being computed: {task.text.lower()}")
        return {"html": told, "again": True}
    if task.error:
        return {"html": f'<p class="quiet">{esc(task.error)}</p>', "again": False}
    vectors: Vectors = task.value
    found, cosines = vectors.nearest(index, NEAREST)
    label = int(opened.outcome.labels[index])
    html = detail.nearest(opened.outcome, found, cosines, opened.picture, label=label)
    return {"html": html, "again": False}
