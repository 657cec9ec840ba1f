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
from studio.ui import heavy
from studio.ui.background import Report, Task
from studio.views import duplicates, neighbours
from studio.views.duplicates import Group, Outliers
from studio.views.neighbours import Floats, Indices, Neighbours

if TYPE_CHECKING:
    from studio.ui.looked import Looked

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
class Alike:
    """What the neighbours of all images tell; indices in it are places in `rows` of the vectors."""

    rows: Indices
    neighbours: Neighbours
    exact: list[Group]
    outliers: Outliers


def vectors_of(looked: Looked) -> Task | None:
    """The task whose value is the `Vectors` of a run; None when its images are gone."""
    if looked.folder is None or looked.canvases is None:
        return None
    return looked.studio.background.ask(
        ("vectors", looked.key), lambda report: _vectors(looked, report)
    )


def alike_of(looked: Looked) -> Task | None:
    """The task whose value is the `Alike` of a run; None when its images are gone."""
    before, canvases = vectors_of(looked), looked.canvases
    if before is None or canvases is None:
        return None

    def make(report: Report) -> Alike:
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
        paths = looked.outcome.paths

        def digest(row: int) -> bytes:
            picture = canvases.image(looked.place[paths[int(vectors.rows[row])]])
            return hashlib.blake2b(picture.tobytes(), digest_size=16).digest()

        exact = duplicates.exact_groups(found, digest)
        return Alike(vectors.rows, found, exact, duplicates.outliers(found))

    return looked.studio.background.ask(("alike", looked.key), make)


def _vectors(looked: Looked, report: Report) -> Vectors:
    report("Loading the model", 0, 0)
    heavy.load()
    from studio.clip.backbone import load_backbone
    from studio.pixels import prepare
    from studio.runs.inputs import encode

    folder, canvases, cache_dir = looked.folder, looked.canvases, looked.studio.options.cache_dir
    assert folder is not None
    assert canvases is not None
    backbone = load_backbone(looked.model)
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
    rows = np.array([i for i, p in enumerate(looked.outcome.paths) if p in place], np.int64)
    chosen = [place[looked.outcome.paths[i]] for i in rows]
    return Vectors(rows, neighbours.unit(features[chosen]))
