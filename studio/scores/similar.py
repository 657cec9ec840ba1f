"""Which images of a run are similar: the nearest ones of each, copies, and those unlike all others.

Some of a run's N images may be gone from their folder: M of them have features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from studio.progress import Begin
from studio.scores import duplicates, neighbours
from studio.scores.duplicates import Group, Outliers
from studio.scores.graph_files import GraphFiles
from studio.scores.neighbours import Floats, Indices, Neighbours
from studio.scores.unit_files import Kept

NEIGHBOURS = 10


@dataclass(frozen=True)
class Vectors:
    """rows: (M,) which of the run's N images have features, ascending (those still in the folder);
    units: (M, d) unit vectors around the mean, see `scores.neighbours`; kept: of very many images,
    the file that these lie in, in half precision.
    """

    rows: Indices
    units: Floats
    kept: Kept | None = None

    def nearest(self, index: int, k: int) -> tuple[list[int], list[float]]:
        """The k images of the run nearest to its image `index`; none when it has no features."""
        place = int(np.searchsorted(self.rows, index))
        if place >= len(self.rows) or self.rows[place] != index:
            return [], []
        nearest, cosines = neighbours.nearest_to(self.units, place, k=k)
        return self.rows[nearest].tolist(), cosines.tolist()


@dataclass(frozen=True)
class Similar:
    """What the neighbours of all images tell. Indices in `neighbours`, `exact` and `outliers` are
    places in `rows`, see `Vectors`; the methods speak of the run's images.
    """

    rows: Indices
    neighbours: Neighbours
    exact: list[Group]
    outliers: Outliers

    @classmethod
    def of(
        cls,
        vectors: Vectors,
        picture: Callable[[int], Image.Image],
        *,
        graphs: GraphFiles,
        begin: Begin,
    ) -> Similar:
        """Compare all images. picture: of the run's image i; graphs: where it is kept which of them
        are most alike; begin: told of each step.
        """

        def digest(row: int) -> bytes:
            pixels = picture(int(vectors.rows[row])).tobytes()
            return hashlib.blake2b(pixels, digest_size=16).digest()

        progress = begin("Comparing the images")
        key = "" if vectors.kept is None else vectors.kept.graph
        nearest = graphs.of(vectors.units, key=key, progress=progress).first(NEIGHBOURS)
        begin("Comparing copies")
        exact = duplicates.exact_groups(nearest, digest)
        return cls(vectors.rows, nearest, exact, duplicates.outliers(nearest))

    def groups(self, at_least: float | None) -> list[Group]:
        """Groups of equal images; with a cosine, of those that are nearly equal instead."""
        found = self.exact
        if at_least is not None:
            found = duplicates.near_groups(self.neighbours, at_least=at_least, exact=found)
        return [Group(tuple(self.rows[list(g.indices)].tolist()), g.cosine, g.exact) for g in found]

    def farthest(self, number: int) -> Indices:
        """The images that stand out, the farthest first; so many of the farthest when none does."""
        return self.rows[self.outliers.order[: self.outliers.number or number]]

    def distance(self, index: int) -> float:
        """How far an image is from its nearest ones, see `Outliers`; 0 when it has no features."""
        place = np.flatnonzero(self.rows == index)
        return float(self.outliers.distances[place[0]]) if len(place) else 0.0
