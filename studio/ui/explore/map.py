"""The map of all images: its component, what its script asks for, and what a pick on it selects.

The component's value is small: which run, stage, filters and selection. The points themselves, up
to megabytes, come by the component's own functions when the map can be seen, so that they are not
part of every event, nor of the page as each visitor loads it (`/config`). Every answer is made of
plain values for JSON, and every question may have been made up by anyone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from studio.analysis import map_points
from studio.analysis.map_points import Plane
from studio.errors import RunError, StudioError
from studio.numbers import plural
from studio.places import ASSETS
from studio.runs.outcome import ANSWERED, TOGETHER, Outcome, fingerprint
from studio.session.layouts import Layout, Layouts
from studio.session.opened import Opened, open_run
from studio.session.rooms import Whose
from studio.session.similar import vectors_of
from studio.session.tasks import Task
from studio.ui.explore.galleries import Drawn, Panel
from studio.ui.explore.scene import Filters, Indices, Scene, event_data, is_index, served
from studio.ui.handlers import InSession
from studio.ui.parts import file_url, plotly_file, script
from studio.views import map as view
from studio.views.cards import opinion, truth, worth

STAGES = {
    "zero-shot": "Before training",
    TOGETHER: "Labelled together",
    "phase1": "After Phase I",
    "final": "After training",
    ANSWERED: "With your answers",
}
CLASSES = 20
"""Classes with a colour, a shape and a name of their own, the largest ones; more cannot be told
apart.
"""
THUMBNAILS = 60
"""Pictures on the map at most, all asked for at once."""

_FEWEST = 100  # points that a page may ask for at least: the sample has to keep the map's shape
_SOON_MS, _LATER_MS = 150, 1500

Asked = dict[str, Any]


@dataclass(frozen=True)
class Placed:
    """A run on its map. rows: which of its images have a place, ascending."""

    opened: Opened
    rows: Indices
    layout: Layout

    @property
    def last(self) -> Outcome:
        """The run's latest labels: what is drawn is the same at each stage."""
        return list(self.opened.stages.values())[-1]

    def plane(self, kind: Any) -> Plane:
        """(N, 2) places of all images, NaN for those that have none."""
        return map_points.whole(self.layout.plane(kind), self.rows, len(self.last))

    def among(self, indices: Indices) -> Indices:
        """Those of these images that have a place."""
        everything = len(self.rows) == len(self.last)
        return indices if everything else indices[np.isin(indices, self.rows)]

    def packed(self, indices: Indices, kind: Any) -> dict[str, Any]:
        """What the page needs to draw these images."""
        return map_points.packed(indices, self.plane(kind), self.opened.stages, self.last.truth)


class MapPanel(InSession, Panel):
    """Components, and what a pick selects; the Explore tab connects them.

    layouts: where the images of each set stand.
    """

    def __init__(self, session: Whose) -> None:
        super().__init__(session)
        self.layouts = Layouts(session.here().options.cache_dir)  # by content: of whoever looks

    def build(self) -> None:
        """Lay the panel out, inside of a gr.Tab."""
        functions = {
            "map_points": self.points, "map_selected": self.selected, "map_image": self.image,
            "map_thumbnails": self.thumbnails, "map_table": self.table,
        }  # fmt: skip
        self.board = gr.HTML(
            value={},
            html_template=(ASSETS / "map.html").read_text(encoding="utf-8"),
            js_on_load=script("map_groups", "map_lasso", "map_near", "map"),
            head=f'<script src="{file_url(plotly_file())}"></script>',
            server_functions=[served(name, answer) for name, answer in functions.items()],
            elem_id="map",
        )
        self.outputs = [self.board]

    def draw(self, scene: Scene, filters: Filters) -> Drawn:
        """The component's value."""
        opened = scene.opened
        value = {
            "run": opened.source.choice,
            "key": fingerprint(opened.stages, of=(opened.source.choice, opened.key[:2])),
            "stage": scene.outcome.stage if scene.outcome.stage in opened.stages else "final",
            "stages": [[name, STAGES.get(name, name)] for name in opened.stages],
            "label": scene.label,
            "disagree": scene.disagree,
            "selection": filters.selection if scene.selection is not None else "",
            "selected": 0 if scene.selection is None else len(scene.selection),
        }
        return {self.board: value}

    def nothing(self) -> Drawn:
        """What stands there while there is nothing to show."""
        return {self.board: {}}

    def points(self, asked: Asked) -> dict[str, Any]:
        """The points to draw and how far the layout is.

        asked: {"run", "layout": "umap", "pca" or "" for the best, "limit": of the points, "have":
        what the page draws now}.

        Returns:
            text: one line about how it stands; again: milliseconds after which to ask again, 0 =
            never; and if there is anything new to draw, what `map_points.packed` makes, with names
            of classes, the largest of them, and which layout it is.
        """
        placed = self.placed(asked)
        if isinstance(placed, dict):
            return placed
        layout, last = placed.layout, placed.last
        kind = layout.kind if asked.get("layout") not in ("pca", "umap") else asked["layout"]
        kind = kind if kind == "pca" or layout.umap is not None else "pca"
        answer = {
            "text": _progress(layout),
            "umap": layout.state,
            "again": _LATER_MS if layout.state == "running" else 0,
            "layout": kind,
            "images": len(last),
        }
        if asked.get("have") == kind:
            return answer
        indices = placed.among(map_points.drawn(last, limit=_limit(asked)))
        sizes = np.bincount(last.labels[last.labels >= 0], minlength=len(last.class_names))
        return {
            **answer,
            "names": last.class_names,
            "largest": np.argsort(-sizes, kind="stable")[:CLASSES].tolist(),
            "points": placed.packed(indices, kind),
            "note": view.note(
                len(indices), len(placed.rows), len(last), noisy=int(map_points.noisy(last).sum())
            ),
        }

    def selected(self, asked: Asked) -> dict[str, Any]:
        """The selected images, and the points of those that are not drawn without it.

        asked: {"run", "selection", "layout", "limit"}.
        """
        placed, chosen = self.placed(asked), self.session.selections.get(asked.get("selection"))
        if isinstance(placed, dict) or chosen is None:
            return {}
        mine = chosen.source.same_images(placed.opened.source)
        if not mine or chosen.indices.max(initial=0) >= len(placed.last):
            return {}
        indices, limit = placed.among(np.sort(chosen.indices)), _limit(asked)
        if len(indices) > limit:
            indices = indices[np.linspace(0, len(indices) - 1, limit).astype(np.int64)]
        drawn = map_points.drawn(placed.last, limit=limit)
        more = np.setdiff1d(indices, drawn, assume_unique=True)
        return {
            "indices": map_points.packed_indices(indices),
            "more": placed.packed(more, asked.get("layout")),
        }

    def image(self, asked: Asked) -> dict[str, Any]:
        """Thumbnail and label of the image under the pointer. asked: {"run", "stage", "index"}."""
        opened, index = open_run(self.session, asked.get("run"), asked.get("stage")), asked["index"]
        outcome = opened.outcome
        if not is_index(index, len(outcome)):
            return {}
        lines = [worth(outcome, index)]
        if outcome.disagree[index]:
            lines += [f"Model {m + 1}: {opinion(outcome, index, m)}" for m in (0, 1)]
        if compared := truth(outcome, index):
            lines.append(compared)
        name = outcome.name(int(outcome.labels[index]))
        return {"src": opened.picture(index), "title": name, "lines": lines}

    def thumbnails(self, asked: Asked) -> dict[str, Any]:
        """Addresses of small pictures, by the image's index; empty where there is none.

        asked: {"run", "indices"}; of more than THUMBNAILS the first.
        """
        opened, indices = open_run(self.session, asked.get("run")), asked["indices"][:THUMBNAILS]
        return {str(i): opened.picture(i) for i in indices if is_index(i, len(opened.outcome))}

    def table(self, asked: Asked) -> dict[str, Any]:
        """The map as a table, in HTML. asked: {"run", "stage", "layout"}."""
        placed = self.placed(asked, stage=asked.get("stage"))
        if isinstance(placed, dict):
            return {}
        plane = placed.plane(asked.get("layout"))
        return {"html": view.table(placed.opened.outcome, plane)}

    def placed(self, asked: Asked, stage: Any = None) -> Placed | dict[str, Any]:
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
            waits = task if before is None or before.ready else before
            return {"text": waits.state.how_far, "again": _SOON_MS}
        return Placed(opened, *task.value)

    def _layout(self, opened: Opened) -> Task | None:
        """The task whose value is which images have a place, and the layout of these."""
        before = vectors_of(opened)
        if before is None:
            return None

        def make(task: Task) -> tuple[Indices, Layout]:
            vectors = before.result()  # it was asked for first, and has ended by now
            task.begin("Placing the images")
            return vectors.rows, self.layouts.get(vectors.units)

        return self.session.tasks.ask(("layout", opened.key), "Placing the images", make)

    def pick_stage(self, scene: Scene, event: gr.EventData) -> str:
        """The stage that the slider was moved to."""
        name = event_data(event).get("stage")
        if not isinstance(name, str) or name not in scene.opened.stages:
            raise RunError("This run has no such stage.")
        return name

    def pick(self, scene: Scene, event: gr.EventData) -> str:
        """Id of a new selection: the images that were picked, "" for none.

        Raises:
            RunError: what was sent means nothing here.
        """
        data = event_data(event)
        how = data.get("how")
        if how == "clear":
            return ""
        if how in ("lasso", "box"):
            indices, text = self._around(scene, data, lasso=how == "lasso")
        elif how == "point" and is_index(data.get("index"), len(scene.outcome)):
            indices = np.array([data["index"]])
            text = scene.outcome.paths[data["index"]]
        elif how == "group":
            indices, text = view.picked(scene.outcome, data.get("pick"))
        else:
            raise RunError("Nothing was picked on the map.")
        if data.get("add") is True and scene.selection is not None:
            indices = np.union1d(scene.selection.indices, indices)
            text = f"{plural(len(indices), 'image')} on the map"
        if not len(indices):
            return ""
        source = scene.opened.source
        return self.session.selections.put(source=source, indices=indices, text=text)

    def _around(self, scene: Scene, data: dict[str, Any], *, lasso: bool) -> tuple[Indices, str]:
        """The images within a line drawn on the page; all of them, not only those drawn."""
        corners = map_points.corners(data.get("xs"), data.get("ys"))
        placed = self.placed({"run": scene.opened.source.choice})
        if corners is None or isinstance(placed, dict):
            raise RunError("Nothing was picked on the map.")
        # The layout that the line was drawn on, even if a better one is ready by now.
        inside = map_points.in_polygon if lasso else map_points.in_box
        plane = placed.layout.plane(data.get("layout"))
        indices = placed.rows[inside(plane, corners)]
        return indices, f"{plural(len(indices), 'image')} on the map"


def _limit(asked: Asked) -> int:
    """How many points the page can draw: few, where there is no WebGL."""
    limit = asked.get("limit")
    return min(max(limit, _FEWEST), map_points.DRAWN) if type(limit) is int else map_points.DRAWN


def _progress(layout: Layout) -> str:
    """How it stands with the UMAP."""
    if layout.state == "running":
        return f"PCA for now. UMAP follows: {layout.text[:1].lower()}{layout.text[1:]}."
    return f"{layout.text} The map stays with PCA." if layout.state == "failed" else ""
