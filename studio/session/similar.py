"""Which images of a run are alike: features, neighbours, copies and outliers, made in background.

Features come from the cache on disk, where labelling or training left them; only when somebody has
emptied it are the images encoded again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from studio.errors import ModelError
from studio.scores import duplicates, neighbours
from studio.scores.duplicates import Group, Outliers
from studio.scores.neighbours import Floats, Indices, Neighbours
from studio.session.tasks import Report, Task, import_torch

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
        found, cosines = neighbours.nearest_to(self.units, place, k=k)
        return self.rows[found].tolist(), cosines.tolist()


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
        ("vectors", opened.key), lambda report: _vectors(opened, report)
    )


def similar_of(opened: Opened) -> Task | None:
    """The task whose value is the `Similar` of a run; None when its images are gone."""
    before, canvases = vectors_of(opened), opened.canvases
    if before is None or canvases is None:
        return None

    def make(report: Report) -> Similar:
        # Tasks are done in the order they were asked for: `before` has ended by now.
        if before.error:
            raise ModelError(before.error)
        vectors: Vectors = before.value
        found = neighbours.nearest(
            vectors.units,
            k=NEIGHBOURS,
            progress=lambda done, total: report("Comparing the images", done, total),
        )
        assert found is not None
        report("Comparing copies", 0, 0)
        paths = opened.outcome.paths

        def digest(row: int) -> bytes:
            picture = canvases.image(opened.place[paths[int(vectors.rows[row])]])
            return hashlib.blake2b(picture.tobytes(), digest_size=16).digest()

        exact = duplicates.exact_groups(found, digest)
        return Similar(vectors.rows, found, exact, duplicates.outliers(found))

    return opened.session.tasks.ask(("alike", opened.key), make)


def _vectors(opened: Opened, report: Report) -> Vectors:
    report("Loading the model", 0, 0)
    import_torch()
    from studio.clip.backbone import load_backbone
    from studio.images.canvases import prepare
    from studio.runs.inputs import encode

    folder, canvases, cache_dir = opened.folder, opened.canvases, opened.session.options.cache_dir
    assert folder is not None
    assert canvases is not None
    backbone = load_backbone(opened.model)
    if backbone.image_size > canvases.size:
        folder, canvases = prepare(
            folder.root,
            cache_dir=cache_dir,
            size=backbone.image_size,
            progress=lambda done, total: report("Reading the images for this model", done, total),
        )
    features: Floats = encode(
        backbone,
        folder,
        canvases,
        cache_dir,
        progress=lambda done, total: report("Looking at the images", done, total),
    ).numpy()
    place = {image.path: i for i, image in enumerate(folder.images)}
    rows = np.array([i for i, p in enumerate(opened.outcome.paths) if p in place], np.int64)
    chosen = [place[opened.outcome.paths[i]] for i in rows]
    return Vectors(rows, neighbours.unit(features[chosen]))
