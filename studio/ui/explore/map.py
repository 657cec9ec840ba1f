"""The map of all images: its component, and what a pick on it selects.

The component's value is small: which run, stage, filters and selection. The points themselves, up
to megabytes, come by the component's own server functions when the map can be seen, so that they
are not part of every event, nor of the page as each visitor loads it (`/config`).
"""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from studio.errors import RunError
from studio.session.session import Session
from studio.ui.explore.map_data import MapData, is_index, key_of
from studio.ui.explore.scene import Scene
from studio.ui.parts import ASSETS, file_url, plotly_file
from studio.views import map_table, points
from studio.views.numbers import plural
from studio.views.points import Indices

STAGES = {"zero-shot": "Before training", "phase1": "After Phase I", "final": "After training"}


class MapPanel:
    """Components, and what a pick selects; the Explore tab connects them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.data = MapData(session)

    def build(self) -> None:
        """Lay the panel out, inside of a gr.Tab."""

        # The names are those by which assets/map.js calls them.
        def map_points(asked: Any) -> Any:
            return self.data.points(asked)

        def map_lit(asked: Any) -> Any:
            return self.data.lit(asked)

        def map_about(asked: Any) -> Any:
            return self.data.about(asked)

        def map_twin(asked: Any) -> Any:
            return self.data.twin(asked)

        scripts = [ASSETS / name for name in ("map_groups.js", "map_lasso.js", "map.js")]
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
        opened = scene.opened
        value = {
            "run": opened.source.choice,
            "key": key_of(opened),
            "stage": scene.outcome.stage if scene.outcome.stage in opened.stages else "final",
            "stages": [[name, STAGES.get(name, name)] for name in opened.stages],
            "label": scene.label,
            "disagree": scene.disagree,
            "selection": selection if scene.selection is not None else "",
            "selected": 0 if scene.selection is None else len(scene.selection),
        }
        return [value]

    def nothing(self) -> list[Any]:
        """The values of `outputs` while there is nothing to show."""
        return [{}]

    # What was picked --------------------------------------------------------------------------

    def pick_stage(self, scene: Scene, event: gr.EventData) -> str:
        """The stage that the slider was moved to."""
        name = _data(event).get("stage")
        if not isinstance(name, str) or name not in scene.opened.stages:
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
        elif how == "point" and is_index(data.get("index"), len(scene.outcome)):
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
        source = scene.opened.source
        return self.session.selections.put(source=source, indices=indices, text=text)

    def _around(self, scene: Scene, data: dict[str, Any], *, lasso: bool) -> tuple[Indices, str]:
        """The images within a line drawn on the page; all of them, not only those drawn."""
        corners = points.corners(data.get("xs"), data.get("ys"))
        found = self.data.placed({"run": scene.opened.source.choice})
        if corners is None or isinstance(found, dict):
            raise RunError("Nothing was picked on the map.")
        _, layout, rows = found
        # The layout that the line was drawn on, even if a better one is ready by now.
        inside = points.in_polygon if lasso else points.in_box
        indices = rows[inside(layout.plane(data.get("layout")), corners)]
        return indices, f"{plural(len(indices), 'image')} on the map"


def _data(event: gr.EventData) -> dict[str, Any]:
    data = getattr(event, "_data", None)
    return data if isinstance(data, dict) else {}
