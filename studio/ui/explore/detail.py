"""The dialog for one image: large, with all that is known about it, and a way to the next one.

It is opened by an event of gradio's, with the list of images that it walks through; from then on
its script (assets/detail.js, assets/correct.js) calls functions of the component, which answer with
the next image at once. What the page has open stands in its HTML, see `Place`. The list may also be
the images that are worth a look (`session.asking`), see `ui.explore.asked`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import gradio as gr
import numpy as np

from studio.errors import RunError
from studio.numbers import count, index_of, plural
from studio.runs.actions import WITHDRAWN
from studio.session.ask import add_class, asking_of, begin, checked_of, follow_now
from studio.session.opened import Opened, open_run
from studio.session.rooms import Whose
from studio.session.similar import vectors_of
from studio.session.source import OpenedRun, parse
from studio.ui.explore.correct import CHANGED, CorrectPanel
from studio.ui.explore.scene import NO_IMAGE, Filters, Indices, Scene, is_index, served
from studio.ui.handlers import InSession
from studio.ui.parts import picked, script
from studio.views import asked as asked_view
from studio.views import detail
from studio.views.render import part, render

NEAREST = 12
ASKED = "asked"
"""In place of a selection's id: the images that are worth a look."""


@dataclass(frozen=True)
class Place:
    """What a page has open. source: text form of what the image belongs to; walk: id of the
    selection that previous and next walk through, or ASKED; index: the image; anchor: the image of
    the walk that they count from, another one while a neighbour is shown.
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
            js_on_load=script("layout", "detail", "correct", "find"),
            server_functions=[
                served("show_image", self.show), served("answer_image", self.answer),
                served("undo_answer", self.undo), served("nearest_images", self.nearest),
                served("ask_more", self.more),
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

    def ask(self, opened: Opened) -> str:
        """The dialog's HTML for the images that are worth a look, from where one was; the asking
        has begun.
        """
        asking = asking_of(opened)
        here, walk = asking.here, asking.walk
        if here is None and not len(walk):
            raise RunError("There is no image left to ask about: all have an answer.")
        index = int(walk[-1]) if here is None else here
        place = Place(opened.source.key(), "", ASKED, index, index)
        return self._html(opened, place, ended=here is None)

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
        ended = False
        if asked.get("ended") is True and asked.get("step") == -1:
            pass  # back from where all were shown, to the last one
        elif asked.get("step") in (1, -1):
            before, place = place, self._step(opened, place, asked["step"])
            ended = asked["step"] == 1 and place == before and place.walk == ASKED
        elif is_index(asked.get("to"), len(opened.outcome)):
            place = replace(place, index=asked["to"])
        else:
            raise RunError(NO_IMAGE)
        return {"html": self._html(opened, place, ended=ended), **self._state(opened, place)}

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Say something of the image, and show the next one.

        asked: a `Place` with `verdict` and, to relabel, `label`, a class as the text of its number.
            Two verdicts are the page's own: `named`, which accepts the label if it is that class
            and relabels else, and `added`, with `name`, which relabels to a class that nobody
            listed. `accepted` with a label is `named`: labels follow answers, and what was on the
            screen was accepted, not what has followed since.
        """
        opened, place = self._opened(asked)
        verdict, names, name = asked.get("verdict"), opened.outcome.class_names, ""
        if verdict == "added":
            return self._add(opened, place, asked.get("name"))
        if verdict == "accepted" and asked.get("label"):
            verdict = "named"
        if verdict in ("relabelled", "named"):
            number = index_of(asked.get("label"), len(names))
            if number is None:
                raise RunError("There is no such class in this run.")
            name = names[number]
            same = number == int(opened.outcome.labels[place.index])
            verdict = "accepted" if verdict == "named" and same else "relabelled"
        corrections = self.session.corrections(opened.source)
        message = corrections.say(str(verdict), opened.outcome, [place.index], name).text
        return self._answered(opened, place, message, stay=verdict == WITHDRAWN)

    def _add(self, opened: Opened, place: Place, name: Any) -> dict[str, Any]:
        """Relabel an image to a class that nobody listed, and find its other images."""
        opened = add_class(opened, name if isinstance(name, str) else "")
        added = opened.outcome.class_names[-1]
        path = opened.outcome.paths[place.index]
        self.session.corrections(opened.source).add("relabelled", {path: added})
        follow_now(opened)
        opened = open_run(self.session, opened.source, place.stage)
        found = int((opened.outcome.labels == len(opened.outcome.class_names) - 1).sum())
        message = f"“{added}” is a class now: {plural(found, 'image')} may show it"
        return self._answered(opened, place, message)

    def _answered(
        self, opened: Opened, place: Place, message: str, *, stay: bool = False
    ) -> dict[str, Any]:
        """What the page shows after an answer; stay: the same image once more."""
        after, ended = place, False
        if place.walk == ASKED:
            asking_of(opened).answered()
        if not stay:
            # After a neighbour comes the image that it is one of.
            after = self._step(opened, place, 1) if place.index == place.anchor else replace(
                place, index=place.anchor)  # fmt: skip
            ended = after == place and place.walk == ASKED
            if after == place and not ended:
                message += ". It is the last one of the list"
        html = self._html(opened, after, ended=ended)
        return {"html": html, "message": f"{message}.", "changed": True,
                **self._state(opened, after)}  # fmt: skip

    def more(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Twenty more images that are worth a look. asked: the `Place` of the last one."""
        opened, _ = self._opened(asked)
        begin(opened, checking=asking_of(opened).checking)
        return {"html": self.ask(open_run(self.session, opened.source))}

    def undo(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Undo the last press of a button, and show its image if it was of one of the walk."""
        opened, place = self._opened(asked)
        undone = self.correct.undo(opened.source, by_person=True)
        paths, walk = list(undone.images), self._walk(opened, place)
        if place.walk == ASKED:
            asking_of(opened).answered()
        if len(paths) == 1 and paths[0] in opened.outcome.paths:
            index = opened.outcome.paths.index(paths[0])
            place = replace(place, index=index, anchor=index if index in walk else place.anchor)
        html = self._html(opened, place)
        return {"html": html, "message": f"Undone: {undone.text}.", "changed": True,
                **self._state(opened, place)}  # fmt: skip

    def nearest(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The nearest images as HTML, and whether to ask again in a while; of images that are worth
        a look, also what follows the answers so far.
        """
        opened, place = self._opened(asked)
        html, again = self._nearest(opened, place)
        state = self._state(opened, place)
        return {"html": html, **state, "again": again or bool(state.get("pending"))}

    def _nearest(self, opened: Opened, place: Place) -> tuple[str, bool]:
        task = vectors_of(opened)
        if task is None:
            return "", False
        if task.pending:
            return part("waiting", task.state), True
        if task.error:
            return part("quiet", task.error), False
        found, cosines = task.value.nearest(place.index, NEAREST)
        label_of = int(opened.outcome.labels[place.index])
        html = detail.nearest(opened.outcome, found, cosines, opened.picture, label=label_of)
        return html, False

    def _state(self, opened: Opened, place: Place) -> dict[str, Any]:
        """How far one is with the images that are worth a look; followed changes with the labels
        that follow.
        """
        if place.walk != ASKED:
            return {}
        asking = asking_of(opened)
        state = asked_view.state(asking.progress, checked_of(opened))
        return {"state": state, "pending": asking.pending, "followed": asking.mark}

    def _opened(self, asked: dict[str, Any]) -> tuple[Opened, Place]:
        """What a place belongs to, as it was when the page showed it."""
        place = Place.of(asked)
        opened = open_run(self.session, place.source, place.stage)
        seen = parse(place.source)
        # Labels that follow answers go on while one answers, which says which class was meant.
        same = seen.same_images if place.walk == ASKED else seen.__eq__
        if not same(opened.source):
            raise RunError(CHANGED)
        if place.walk == ASKED:
            asking_of(opened)  # said before anything is kept
        if not all(is_index(i, len(opened.outcome)) for i in (place.index, place.anchor)):
            raise RunError(NO_IMAGE)
        return opened, place

    def _walk(self, opened: Opened, place: Place) -> Indices:
        """The list that previous and next walk through; it stays while images leave the gallery
        that it was taken from.
        """
        if place.walk == ASKED:
            return asking_of(opened).walk
        found = self.session.selections.get(place.walk)
        mine = found is not None and found.source == parse(place.source)
        return found.indices if found is not None and mine else np.zeros(0, np.int64)

    def _step(self, opened: Opened, place: Place, by: int) -> Place:
        walk = self._walk(opened, place)
        if not len(walk):
            raise RunError("The list that this image was opened from is gone: open it again.")
        number = min(max(0, _position(walk, place.anchor) + by), len(walk) - 1)
        return replace(place, index=int(walk[number]), anchor=int(walk[number]))

    def _html(self, opened: Opened, place: Place, *, ended: bool = False) -> str:
        """ended: all images that are worth a look were shown."""
        walk, index, history = self._walk(opened, place), place.index, None
        question = asking_of(opened).show(index) if place.walk == ASKED else None
        number = _position(walk, place.anchor)
        where = f"{count(number + 1)} of {count(len(walk))}" if number >= 0 else ""
        if index != place.anchor and where:
            where += ", a neighbour"
        ends = {"back": 0, "on": len(walk) - 1}
        attributes = {
            "place": json.dumps(asdict(place)),
            "where": where,
            "steps": " ".join(word for word, end in ends.items() if number not in (-1, end)),
        }
        if place.walk == ASKED:
            attributes["steps"] = "back on" if number else "on"
        if ended:
            ended_place = json.dumps({**asdict(place), "ended": True})
            asking_of(opened).finish()
            attributes |= {"place": ended_place, "where": "", "steps": "back"}
            return asked_view.end(asking_of(opened).progress, attributes=attributes)
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
            attributes=attributes,
            question=question,
        )


def _position(walk: Indices, index: int) -> int:
    found = np.flatnonzero(walk == index)
    return int(found[0]) if len(found) else -1
