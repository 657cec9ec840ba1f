"""Which images of a run are similar: features, neighbours, copies, outliers; in the background.

Features come from the cache on disk, where labelling or training left them; only when somebody has
emptied it are the images encoded again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from studio.runs.first_labels import LOADING, encode
from studio.scores import duplicates, neighbours
from studio.scores.duplicates import Group, Outliers
from studio.scores.neighbours import Floats, Indices, Neighbours
from studio.session.tasks import Task

if TYPE_CHECKING:
    from studio.session.opened import Opened

NEIGHBOURS = 10


@dataclass(frozen=True)
class Vectors:
    """rows: (M,) which of the run's N images have features, ascending (those still in the folder);
    units: (M, d) unit vectors around the mean, see `views.neighbours`.
    """

    rows: Indices
    units: Floats

    def nearest(self, index: int, k: int) -> tuple[list[int], list[float]]:
        """The k images of the run nearest to its image `index`; none when it has no features."""
        place = int(np.searchsorted(self.rows, index))
        if place >= len(self.rows) or self.rows[place] != index:
            return [], []
        nearest, cosines = neighbours.nearest_to(self.units, place, k=k)
        return self.rows[nearest].tolist(), cosines.tolist()


@dataclass(frozen=True)
class Similar:
    """What the neighbours of all images tell; indices in it are places in `rows` of the vectors."""

    rows: Indices
    neighbours: Neighbours
    exact: list[Group]
    outliers: Outliers


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
        vectors: Vectors = before.result()  # it was asked for first, and has ended by now
        nearest = neighbours.nearest(
            vectors.units, k=NEIGHBOURS, progress=task.begin("Comparing the images")
        )
        assert nearest is not None
        task.begin("Comparing copies")
        paths = opened.outcome.paths

        def digest(row: int) -> bytes:
            picture = canvases.image(opened.place[paths[int(vectors.rows[row])]])
            return hashlib.blake2b(picture.tobytes(), digest_size=16).digest()

        exact = duplicates.exact_groups(nearest, digest)
        return Similar(vectors.rows, nearest, exact, duplicates.outliers(nearest))

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
    return Vectors(rows, neighbours.unit(features.numpy()[chosen]))
