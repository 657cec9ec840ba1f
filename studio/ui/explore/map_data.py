"""What the map's script asks for while it draws: points, the selected ones, an image, the table.

Every answer is made of plain values for JSON, and every question may have been made up by anyone.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from studio.errors import StudioError
from studio.session.layouts import Layout, Layouts
from studio.session.opened import Opened, open_run
from studio.session.session import Session
from studio.session.similar import vectors_of
from studio.session.tasks import Report, Task
from studio.views import map_table, points
from studio.views.cards import opinion
from studio.views.numbers import count, percent, plural
from studio.views.points import Indices, Plane

CLASSES = 20
"""Classes with a colour and a shape of their own, the largest ones; more cannot be told apart."""

_SOON_MS, _LATER_MS = 150, 1500


class MapData:
    """See the module. layouts: where the images of each set stand."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.layouts = Layouts(session.options.cache_dir)

    def points(self, asked: Any) -> dict[str, Any]:
        """The points to draw and how far the layout is.

        asked: {"run", "layout": "umap", "pca" or "" for the best, "have": what the page draws now}.

        Returns:
            text: one line about how it stands; again: milliseconds after which to ask again, 0 =
            never; and if there is anything new to draw, what `points.packed` makes, with names of
            classes, the largest of them, and which layout it is.
        """
        asked = asked if isinstance(asked, dict) else {}
        found = self.placed(asked)
        if isinstance(found, dict):
            return found
        opened, layout, rows = found
        kind = layout.kind if asked.get("layout") not in ("pca", "umap") else asked["layout"]
        kind = kind if kind == "pca" or layout.umap is not None else "pca"
        told = {
            "text": _progress(layout),
            "umap": layout.state,
            "again": _LATER_MS if layout.state == "running" else 0,
            "layout": kind,
            "images": len(opened.outcome),
        }
        if asked.get("have") == kind:
            return told
        last = list(opened.stages.values())[-1]
        indices = points.drawn(last)
        indices = indices if len(rows) == len(last) else indices[np.isin(indices, rows)]
        plane = _whole(layout.plane(kind), rows, len(last))
        sizes = np.bincount(last.labels[last.labels >= 0], minlength=len(last.class_names))
        return {
            **told,
            "names": last.class_names,
            "largest": np.argsort(-sizes, kind="stable")[:CLASSES].tolist(),
            "points": points.packed(indices, plane, opened.stages, last.truth),
            "note": _note(len(indices), len(rows), len(last)),
        }

    def lit(self, asked: Any) -> dict[str, Any]:
        """The selected images, and the points of those that are not drawn without it.

        asked: {"run", "selection", "layout"}.
        """
        asked = asked if isinstance(asked, dict) else {}
        found, chosen = self.placed(asked), self.session.selections.get(asked.get("selection"))
        if isinstance(found, dict) or chosen is None:
            return {}
        opened, layout, rows = found
        last = list(opened.stages.values())[-1]
        mine = chosen.source.same_images(opened.source)
        if not mine or chosen.indices.max(initial=0) >= len(last):
            return {}
        indices = np.sort(chosen.indices)
        if len(rows) < len(last):
            indices = indices[np.isin(indices, rows)]
        if len(indices) > points.DRAWN:
            indices = indices[np.linspace(0, len(indices) - 1, points.DRAWN).astype(np.int64)]
        plane = _whole(layout.plane(asked.get("layout")), rows, len(last))
        more = np.setdiff1d(indices, points.drawn(last), assume_unique=True)
        return {
            "lit": points.packed_indices(indices),
            "more": points.packed(more, plane, opened.stages, last.truth),
        }

    def about(self, asked: Any) -> dict[str, Any]:
        """Thumbnail and label of the image under the pointer. asked: {"run", "stage", "index"}."""
        asked = asked if isinstance(asked, dict) else {}
        try:
            opened = open_run(self.session, asked.get("run"), asked.get("stage"))
        except StudioError:
            return {}
        index, outcome = asked.get("index"), opened.outcome
        if not is_index(index, len(outcome)):
            return {}
        lines = [f"{percent(float(outcome.clean_probability[index]))} clean"]
        if outcome.stage == "zero-shot":
            lines = [f"{percent(float(outcome.confidence[index]))} probable"]
        elif outcome.disagree[index]:
            lines += [f"Model {m + 1}: {opinion(outcome, index, m)}" for m in (0, 1)]
        if outcome.truth is not None and outcome.truth[index] >= 0:
            right = outcome.truth[index] == outcome.labels[index]
            lines.append("right" if right else f"in truth {outcome.name(outcome.truth[index])}")
        name = outcome.name(int(outcome.labels[index]))
        return {"src": opened.picture(index), "title": name, "lines": lines}

    def twin(self, asked: Any) -> str:
        """The map as a table, in HTML. asked: {"run", "stage", "layout"}."""
        asked = asked if isinstance(asked, dict) else {}
        found = self.placed(asked, stage=asked.get("stage"))
        if isinstance(found, dict):
            return ""
        opened, layout, rows = found
        plane = _whole(layout.plane(asked.get("layout")), rows, len(opened.outcome))
        return map_table.html(opened.outcome, plane)

    def placed(
        self, asked: dict[str, Any], stage: Any = None
    ) -> tuple[Opened, Layout, Indices] | dict[str, Any]:
        """A run with its layout, or what to tell the page as long as there is none."""
        try:
            opened = open_run(self.session, asked.get("run"), stage)
        except StudioError as error:
            return {"text": str(error), "again": 0}
        task = self._layout(opened)
        if task is None:
            return {"text": f"{opened.problem} Without them there is no map.", "again": 0}
        if task.error:
            return {"text": f"No map: {task.error}", "again": 0}
        if not task.ready:
            before = vectors_of(opened)
            text = task.text if before is None or before.ready else before.text
            done, total = (before or task).done, (before or task).total
            return {"text": text + (f", {done} of {total}" if total else ""), "again": _SOON_MS}
        rows, layout = task.value
        return opened, layout, rows

    def _layout(self, opened: Opened) -> Task | None:
        """The task whose value is which images have a place, and the layout of these."""
        before = vectors_of(opened)
        if before is None:
            return None

        def make(report: Report) -> tuple[Indices, Layout]:
            if before.error:  # tasks are done in order: it has ended by now
                raise StudioError(before.error)
            report("Placing the images", 0, 0)
            return before.value.rows, self.layouts.get(before.value.units)

        return self.session.tasks.ask(("layout", opened.key), make)


def _whole(plane: Plane, rows: Indices, number: int) -> Plane:
    """(number, 2): places of all images of a run, NaN for those that are gone."""
    if len(rows) == number:
        return plane
    whole = np.full((number, 2), np.nan, np.float32)
    whole[rows] = plane
    return whole


def key_of(opened: Opened) -> str:
    """Changes with everything that is drawn: the page then asks for its points anew."""
    made_of = repr((opened.source.choice, opened.key[:2]))
    digest = hashlib.sha1(made_of.encode(), usedforsecurity=False)
    for name, outcome in opened.stages.items():
        digest.update(repr((name, outcome.class_names)).encode())
        arrays = (outcome.labels, outcome.clean_probability)
        for array in (*arrays, outcome.combined, outcome.clean, outcome.truth):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _note(number: int, placed: int, whole: int) -> str:
    """What is not drawn, in a sentence; empty when all is."""
    told = ""
    if number < placed:
        told = (
            f"{count(number)} of {count(placed)} images are drawn: the doubtful ones and a sample "
            "of the rest. A lasso takes all that lie in it, drawn or not."
        )
    if placed < whole:
        told += f" {plural(whole - placed, 'image')} of the run can no longer be found."
    return told.strip()


def _progress(layout: Layout) -> str:
    """How it stands with the UMAP."""
    if layout.state == "running":
        done = f", {layout.done} of {layout.total}" if layout.total else ""
        return f"PCA for now. UMAP follows: {layout.text[:1].lower()}{layout.text[1:]}{done}."
    return f"{layout.text} The map stays with PCA." if layout.state == "failed" else ""


def is_index(value: Any, length: int) -> bool:
    """Whether what a page sent is the number of one of `length` images."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < length
