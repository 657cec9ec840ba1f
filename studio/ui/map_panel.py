"""The map of all images: what the page asks for while it draws, and what was picked on it.

The component's value is small: which run, stage, filters and selection. The points themselves, up
to megabytes, come by the component's own server functions when the map can be seen, so that they
are not part of every event, nor of the page as each visitor loads it (`/config`).
"""

from __future__ import annotations

import hashlib
from typing import Any

import gradio as gr
import numpy as np

from studio.errors import RunError, StudioError
from studio.ui.alike import vectors_of
from studio.ui.background import Report, Task
from studio.ui.looked import Looked, look
from studio.ui.parts import ASSETS, file_url, plotly_file
from studio.ui.scene import Scene
from studio.ui.studio import Studio
from studio.views import map_table, points
from studio.views.cards import opinion
from studio.views.layouts import Layout, Layouts
from studio.views.markup import count, percent, plural
from studio.views.points import Indices, Plane

CLASSES = 20
"""Classes with a colour and a shape of their own, the largest ones; more cannot be told apart."""

STAGES = {"zero-shot": "Before training", "phase1": "After Phase I", "final": "After training"}

_SOON_MS, _LATER_MS = 400, 1500


class MapPanel:
    """Components, answers to the page, and what a pick selects; the Explore tab connects them."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.layouts = Layouts(studio.options.cache_dir)

    def build(self) -> None:
        """Lay the panel out, inside of a gr.Tab."""

        # The names are those by which assets/map.js calls them.
        def map_points(asked: Any) -> Any:
            return self.points(asked)

        def map_lit(asked: Any) -> Any:
            return self.lit(asked)

        def map_about(asked: Any) -> Any:
            return self.about(asked)

        def map_twin(asked: Any) -> Any:
            return self.twin(asked)

        scripts = [ASSETS / name for name in ("map_groups.js", "map.js")]
        self.board = gr.HTML(
            value={},
            html_template=(ASSETS / "map.html").read_text(encoding="utf-8"),
            js_on_load="\n".join(file.read_text(encoding="utf-8") for file in scripts),
            head=f'<script src="{file_url(plotly_file())}"></script>',
            server_functions=[map_points, map_lit, map_about, map_twin],
            elem_id="map",
        )

    # What the component shows -----------------------------------------------------------------

    @property
    def outputs(self) -> list[Any]:
        """In the order in which `draw` gives them."""
        return [self.board]

    def draw(self, scene: Scene, selection: Any) -> list[Any]:
        """The values of `outputs`. selection: the id that the page sent."""
        looked = scene.looked
        value = {
            "run": looked.run_id,
            "key": _key(looked),
            "stage": scene.outcome.stage if scene.outcome.stage in looked.stages else "final",
            "stages": [[name, STAGES.get(name, name)] for name in looked.stages],
            "label": scene.label,
            "disagree": scene.disagree,
            "selection": selection if scene.selection is not None else "",
            "selected": 0 if scene.selection is None else len(scene.selection),
        }
        return [value]

    def nothing(self) -> list[Any]:
        """The values of `outputs` while there is nothing to show."""
        return [{}]

    # What its script asks for -----------------------------------------------------------------

    def points(self, asked: Any) -> dict[str, Any]:
        """The points to draw and how far the layout is.

        asked: {"run", "layout": "umap", "pca" or "" for the best, "have": what the page draws now}.

        Returns:
            text: one line about how it stands; again: milliseconds after which to ask again, 0 =
            never; and if there is anything new to draw, what `points.packed` makes, with names of
            classes, the largest of them, and which layout it is.
        """
        asked = asked if isinstance(asked, dict) else {}
        found = self._placed(asked)
        if isinstance(found, dict):
            return found
        looked, layout, rows = found
        kind = layout.kind if asked.get("layout") not in ("pca", "umap") else asked["layout"]
        kind = kind if kind == "pca" or layout.umap is not None else "pca"
        told = {
            "text": _progress(layout),
            "umap": layout.state,
            "again": _LATER_MS if layout.state == "running" else 0,
            "layout": kind,
            "images": len(looked.outcome),
        }
        if asked.get("have") == kind:
            return told
        last = list(looked.stages.values())[-1]
        indices = points.drawn(last)
        indices = indices if len(rows) == len(last) else indices[np.isin(indices, rows)]
        plane = _whole(layout.plane(kind), rows, len(last))
        sizes = np.bincount(last.labels[last.labels >= 0], minlength=len(last.class_names))
        return {
            **told,
            "names": last.class_names,
            "largest": np.argsort(-sizes, kind="stable")[:CLASSES].tolist(),
            "points": points.packed(indices, plane, looked.stages, last.truth),
            "note": _note(len(indices), len(rows), len(last)),
        }

    def lit(self, asked: Any) -> dict[str, Any]:
        """The selected images, and the points of those that are not drawn without it.

        asked: {"run", "selection", "layout"}.
        """
        asked = asked if isinstance(asked, dict) else {}
        found, chosen = self._placed(asked), self.studio.selections.get(asked.get("selection"))
        if isinstance(found, dict) or chosen is None:
            return {}
        looked, layout, rows = found
        last = list(looked.stages.values())[-1]
        if chosen.run_id != looked.run_id or chosen.indices.max(initial=0) >= len(last):
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
            "more": points.packed(more, plane, looked.stages, last.truth),
        }

    def about(self, asked: Any) -> dict[str, Any]:
        """Thumbnail and label of the image under the pointer. asked: {"run", "stage", "index"}."""
        asked = asked if isinstance(asked, dict) else {}
        try:
            looked = look(self.studio, asked.get("run"), asked.get("stage"))
        except StudioError:
            return {}
        index, outcome = asked.get("index"), looked.outcome
        if not _is_index(index, len(outcome)):
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
        return {"src": looked.picture(index), "title": name, "lines": lines}

    def twin(self, asked: Any) -> str:
        """The map as a table, in HTML. asked: {"run", "stage", "layout"}."""
        asked = asked if isinstance(asked, dict) else {}
        found = self._placed(asked, stage=asked.get("stage"))
        if isinstance(found, dict):
            return ""
        looked, layout, rows = found
        plane = _whole(layout.plane(asked.get("layout")), rows, len(looked.outcome))
        return map_table.html(looked.outcome, plane)

    def _placed(
        self, asked: dict[str, Any], stage: Any = None
    ) -> tuple[Looked, Layout, Indices] | dict[str, Any]:
        """A run with its layout, or what to tell the page as long as there is none."""
        try:
            looked = look(self.studio, asked.get("run"), stage)
        except StudioError as error:
            return {"text": str(error), "again": 0}
        task = self._layout(looked)
        if task is None:
            return {"text": f"{looked.problem} Without them there is no map.", "again": 0}
        if task.error:
            return {"text": f"No map: {task.error}", "again": 0}
        if not task.ready:
            before = vectors_of(looked)
            text = task.text if before is None or before.ready else before.text
            done, total = (before or task).done, (before or task).total
            return {"text": text + (f", {done} of {total}" if total else ""), "again": _SOON_MS}
        rows, layout = task.value
        return looked, layout, rows

    def _layout(self, looked: Looked) -> Task | None:
        """The task whose value is which images have a place, and the layout of these."""
        before = vectors_of(looked)
        if before is None:
            return None

        def make(report: Report) -> tuple[Indices, Layout]:
            if before.error:  # tasks are done in order: it has ended by now
                raise StudioError(before.error)
            report("Placing the images", 0, 0)
            return before.value.rows, self.layouts.get(before.value.units)

        return self.studio.background.ask(("layout", looked.key), make)

    # What was picked --------------------------------------------------------------------------

    def pick_stage(self, scene: Scene, event: gr.EventData) -> str:
        """The stage that the slider was moved to."""
        name = _data(event).get("stage")
        if not isinstance(name, str) or name not in scene.looked.stages:
            raise RunError("This run has no such stage.")
        return name

    def pick(self, scene: Scene, event: gr.EventData) -> str:
        """Id of a new selection: the images that were picked, "" for none.

        Raises:
            RunError: what was sent means nothing here.
        """
        data = _data(event)
        how = data.get("how")
        if how == "clear":
            return ""
        if how in ("lasso", "box"):
            indices, text = self._around(scene, data, lasso=how == "lasso")
        elif how == "point" and _is_index(data.get("index"), len(scene.outcome)):
            indices = np.array([data["index"]])
            text = scene.outcome.paths[data["index"]]
        elif how == "group":
            indices, text = map_table.picked(scene.outcome, data.get("pick"))
        else:
            raise RunError("Nothing was picked on the map.")
        if data.get("add") is True and scene.selection is not None:
            indices = np.union1d(scene.selection.indices, indices)
            text = f"{plural(len(indices), 'image')} on the map"
        if not len(indices):
            return ""
        run = scene.looked.run_id
        return self.studio.selections.put(run_id=run, indices=indices, text=text)

    def _around(self, scene: Scene, data: dict[str, Any], *, lasso: bool) -> tuple[Indices, str]:
        """The images within a line drawn on the page; all of them, not only those drawn."""
        corners = points.corners(data.get("xs"), data.get("ys"))
        found = self._placed({"run": scene.looked.run_id})
        if corners is None or isinstance(found, dict):
            raise RunError("Nothing was picked on the map.")
        _, layout, rows = found
        # The layout that the line was drawn on, even if a better one is ready by now.
        inside = points.in_polygon if lasso else points.in_box
        indices = rows[inside(layout.plane(data.get("layout")), corners)]
        return indices, f"{plural(len(indices), 'image')} on the map"


def _whole(plane: Plane, rows: Indices, number: int) -> Plane:
    """(number, 2): places of all images of a run, NaN for those that are gone."""
    if len(rows) == number:
        return plane
    whole = np.full((number, 2), np.nan, np.float32)
    whole[rows] = plane
    return whole


def _key(looked: Looked) -> str:
    """Changes with everything that is drawn: the page then asks for its points anew."""
    digest = hashlib.sha1(repr((looked.run_id, looked.key[:2])).encode(), usedforsecurity=False)
    for name, outcome in looked.stages.items():
        digest.update(repr((name, outcome.class_names)).encode())
        for array in (outcome.labels, outcome.clean_probability, outcome.kept, outcome.truth):
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


def _data(event: gr.EventData) -> dict[str, Any]:
    data = getattr(event, "_data", None)
    return data if isinstance(data, dict) else {}


def _is_index(value: Any, length: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < length
