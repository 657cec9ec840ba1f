"""The dialog for one image: large, with all that is known about it, and a way to the next one.

It is opened by an event of gradio's, with the list of images that it walks through; from then on
its script (assets/detail.js, assets/correct.js) calls functions of the component, which answer with
the next image at once. What the page has open stands in its HTML, see `Place`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import gradio as gr
import numpy as np

from studio.errors import RunError
from studio.numbers import count, index_of, plural
from studio.runs.corrections import WITHDRAWN
from studio.session.opened import Opened, open_run
from studio.session.rooms import Whose
from studio.session.similar import vectors_of
from studio.session.source import OpenedRun, parse
from studio.ui.explore.correct import CHANGED, CorrectPanel
from studio.ui.explore.scene import NO_IMAGE, Filters, Indices, Scene, is_index, served
from studio.ui.handlers import InSession
from studio.ui.parts import picked, script
from studio.views import detail
from studio.views.render import part, render

NEAREST = 12


@dataclass(frozen=True)
class Place:
    """What a page has open. source: text form of what the image belongs to; walk: id of the
    selection that previous and next walk through; index: the image; anchor: the image of the walk
    that they count from, another one while a neighbour is shown.
    """

    source: str
    stage: str
    walk: str
    index: int
    anchor: int

    @classmethod
    def of(cls, asked: dict[str, Any]) -> Place:
        """From what a page sent.

        Raises:
            RunError: it is none.
        """
        try:
            place = cls(*(asked[name] for name in ("source", "stage", "walk", "index", "anchor")))
        except (KeyError, TypeError):
            raise RunError(NO_IMAGE) from None
        if not all(isinstance(text, str) for text in (place.source, place.stage, place.walk)):
            raise RunError(NO_IMAGE)
        return place


class DetailDialog(InSession):
    """Components and what they show; the Explore tab connects them."""

    def __init__(self, session: Whose, correct: CorrectPanel) -> None:
        super().__init__(session)
        self.correct = correct

    def build(self) -> None:
        """Lay the dialog out; it takes no room on the page."""
        self.dialog = gr.HTML(
            value="",
            html_template=render("explore/dialog.html"),
            js_on_load=script("detail", "correct"),
            server_functions=[
                served("show_image", self.show), served("answer_image", self.answer),
                served("undo_answer", self.undo), served("nearest_images", self.nearest),
            ],
            elem_id="explore-dialog",
        )  # fmt: skip

    def open(self, scene: Scene, listed: Indices, index: int | None) -> str:
        """The dialog's HTML for an image of a list.

        Raises:
            RunError: there is no such image.
        """
        opened = scene.opened
        if index is None or not is_index(index, len(opened.outcome)):
            raise RunError(NO_IMAGE)
        walk = self.session.selections.put(source=opened.source, indices=listed, text="open")
        stage = opened.outcome.stage if opened.outcome.stage in opened.stages else ""
        return self._html(opened, Place(opened.source.key(), stage, walk, index, index))

    def near(self, scene: Scene, _filters: Filters, event: Any) -> tuple[Indices, str]:
        """What `near:12` selects: an image and its nearest ones, see `Find`."""
        what, _, text = picked(event).partition(":")
        index = index_of(text, len(scene.outcome))
        if what != "near" or index is None:
            raise RunError(NO_IMAGE)
        task = vectors_of(scene.opened)
        near = task.value.nearest(index, NEAREST)[0] if task and task.ready else []
        text = f"{scene.outcome.paths[index]} and its {plural(len(near), 'nearest image')}"
        return np.array([index, *near], np.int64), text

    def show(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Another image. asked: a `Place` with `step`, 1 or -1 in the walk, or `to`, an index."""
        opened, place = self._opened(asked)
        if asked.get("step") in (1, -1):
            place = self._step(place, asked["step"])
        elif is_index(asked.get("to"), len(opened.outcome)):
            place = replace(place, index=asked["to"])
        else:
            raise RunError(NO_IMAGE)
        return {"html": self._html(opened, place)}

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Say something of the image, and show the next one.

        asked: a `Place` with `verdict` and, to relabel, `label`, a class as the text of its number.
        """
        opened, place = self._opened(asked)
        verdict, names, name = asked.get("verdict"), opened.outcome.class_names, ""
        if verdict == "relabelled":
            number = index_of(asked.get("label"), len(names))
            if number is None:
                raise RunError("There is no such class in this run.")
            name = names[number]
        corrections = self.session.corrections(opened.source)
        message = corrections.say(str(verdict), opened.outcome, [place.index], name).text
        after = place
        if verdict != WITHDRAWN:
            # After a neighbour comes the image that it is one of.
            after = self._step(place, 1) if place.index == place.anchor else replace(
                place, index=place.anchor)  # fmt: skip
            if after == place:
                message += ". It is the last one of the list"
        return {"html": self._html(opened, after), "message": f"{message}.", "changed": True}

    def undo(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Undo the last press of a button, and show its image if it was of one of the walk."""
        opened, place = self._opened(asked)
        undone = self.correct.undo(opened.source)
        paths, walk = list(undone.images), self._walk(place)
        if len(paths) == 1 and paths[0] in opened.outcome.paths:
            index = opened.outcome.paths.index(paths[0])
            place = replace(place, index=index, anchor=index if index in walk else place.anchor)
        html = self._html(opened, place)
        return {"html": html, "message": f"Undone: {undone.text}.", "changed": True}

    def nearest(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The nearest images as HTML, and whether to ask again in a while."""
        opened, place = self._opened(asked)
        task = vectors_of(opened)
        if task is None:
            return {"html": "", "again": False}
        if task.pending:
            return {"html": part("waiting", task.state), "again": True}
        if task.error:
            return {"html": part("quiet", task.error), "again": False}
        found, cosines = task.value.nearest(place.index, NEAREST)
        label_of = int(opened.outcome.labels[place.index])
        html = detail.nearest(opened.outcome, found, cosines, opened.picture, label=label_of)
        return {"html": html, "again": False}

    def _opened(self, asked: dict[str, Any]) -> tuple[Opened, Place]:
        """What a place belongs to, as it was when the page showed it."""
        place = Place.of(asked)
        opened = open_run(self.session, place.source, place.stage)
        if parse(place.source) != opened.source:
            raise RunError(CHANGED)
        if not all(is_index(i, len(opened.outcome)) for i in (place.index, place.anchor)):
            raise RunError(NO_IMAGE)
        return opened, place

    def _walk(self, place: Place) -> Indices:
        """The list that previous and next walk through; it stays while images leave the gallery
        that it was taken from.
        """
        found = self.session.selections.get(place.walk)
        mine = found is not None and found.source == parse(place.source)
        return found.indices if found is not None and mine else np.zeros(0, np.int64)

    def _step(self, place: Place, by: int) -> Place:
        walk = self._walk(place)
        if not len(walk):
            raise RunError("The list that this image was opened from is gone: open it again.")
        number = min(max(0, _position(walk, place.anchor) + by), len(walk) - 1)
        return replace(place, index=int(walk[number]), anchor=int(walk[number]))

    def _html(self, opened: Opened, place: Place) -> str:
        walk, index, history = self._walk(place), place.index, None
        number = _position(walk, place.anchor)
        where = f"{count(number + 1)} of {count(len(walk))}" if number >= 0 else ""
        if index != place.anchor and where:
            where += ", a neighbour"
        ends = {"back": 0, "on": len(walk) - 1}
        if isinstance(opened.source, OpenedRun):
            history = self.session.reader(opened.source.run_id).history
        return detail.detail(
            opened.outcome,
            index,
            opened.large_picture(index),
            correction=opened.corrections.get(opened.outcome.paths[index]),
            stages=list(opened.stages.values()),
            history=history.of(index) if history else (),
            watched=history.watched if history else 0,
            asked=self.session.judging.said(opened, index),
            attributes={
                "place": json.dumps(asdict(place)),
                "where": where,
                "steps": " ".join(word for word, end in ends.items() if number not in (-1, end)),
            },
        )


def _position(walk: Indices, index: int) -> int:
    found = np.flatnonzero(walk == index)
    return int(found[0]) if len(found) else -1
