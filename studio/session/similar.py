"""Which images of a run are similar (`scores.similar`), found out in the background.

Features come from the cache on disk, where labelling or training left them; only when somebody has
emptied it are the images encoded again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from studio.runs.first_labels import LOADING, encode
from studio.scores.graph_files import GraphFiles
from studio.scores.neighbours import unit
from studio.scores.similar import Similar, Vectors
from studio.session.tasks import Task

if TYPE_CHECKING:
    from studio.session.opened import Opened


def vectors_of(opened: Opened) -> Task | None:
    """The task whose value is the `Vectors` of a run; None when its images are gone."""
    if opened.folder is None or opened.canvases is None:
        return None
    return opened.session.tasks.ask(
        ("vectors", opened.key), LOADING, lambda task: _vectors(opened, task)
    )


def similar_of(opened: Opened) -> Task | None:
    """The task whose value is the `Similar` of a run; None when its images are gone."""
    before, canvases = vectors_of(opened), opened.canvases
    if before is None or canvases is None:
        return None

    def make(task: Task) -> Similar:
        paths, place = opened.outcome.paths, opened.place
        vectors: Vectors = before.result()  # it was asked for first, and has ended by now
        graphs = GraphFiles(opened.session.options.cache_dir)
        return Similar.of(
            vectors, lambda i: canvases.image(place[paths[i]]), graphs=graphs, begin=task.begin
        )

    return opened.session.tasks.ask(("similar", opened.key), "Comparing the images", make)


def _vectors(opened: Opened, task: Task) -> Vectors:
    assert opened.folder is not None
    assert opened.canvases is not None
    _, folder, features = encode(
        folder=opened.folder,
        canvases=opened.canvases,
        model=opened.model,
        cache_dir=opened.session.options.cache_dir,
        begin=task.begin,
    )
    place = {image.path: i for i, image in enumerate(folder.images)}
    rows = np.array([i for i, p in enumerate(opened.outcome.paths) if p in place], np.int64)
    chosen = [place[opened.outcome.paths[i]] for i in rows]
    return Vectors(rows, unit(features.numpy()[chosen]))
