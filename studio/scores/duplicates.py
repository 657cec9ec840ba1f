"""Images that are there twice, nearly twice, or far from all others.

All of it is read off the nearest neighbours (`scores.neighbours`). Pairs are joined to groups by
following them from image to image, so a group's first and last image may be less alike than each
pair on the way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scores.neighbours import Floats, Indices, Neighbours

SAME = 0.9995
"""Cosine from which two images are worth comparing pixel by pixel: equal canvases have equal
features but for rounding, which depends on the batch that an image was encoded in."""

NEAR = 0.9
"""Cosine from which two images count as nearly the same, unless the user says otherwise. With
the embedded model 19 in 20 of 96 pets reach it when saved anew (JPEG 40), mirrored or cut by 5 %,
and of 3,000 photos of pets, clothes and small things only true copies have such a neighbour."""

FAR = 3.0
"""Robust standard deviations above the median distance from which an image is an outlier."""

_MAD = 1.4826  # of a normal distribution: its standard deviation by the median of distances


@dataclass(frozen=True)
class Group:
    """Images that belong together. indices: ascending, two or more; cosine: of the pair most
    alike; exact: the canvases are equal byte by byte.
    """

    indices: tuple[int, ...]
    cosine: float
    exact: bool = False


def exact_groups(
    neighbours: Neighbours, canvas_hash: Callable[[int], bytes], *, at_least: float = SAME
) -> list[Group]:
    """Images with equal canvases, the largest group first.

    Only images with a neighbour at hand that is the same to the model are read: of 10,000
    photos a handful, and not 1.5 GB of canvases.

    Args:
        neighbours: of all images.
        canvas_hash: digest of the canvas of image i.
        at_least: cosine from which a pair is compared.
    """
    if not neighbours.cosines.shape[1]:
        return []
    found: dict[bytes, list[int]] = defaultdict(list)
    for index in np.flatnonzero(neighbours.cosines[:, 0] >= at_least).tolist():
        found[canvas_hash(index)].append(index)
    groups = [Group(tuple(same), 1.0, exact=True) for same in found.values() if len(same) > 1]
    return sorted(groups, key=lambda g: (-len(g.indices), g.indices))


def near_groups(
    neighbours: Neighbours, *, at_least: float = NEAR, exact: list[Group] | None = None
) -> list[Group]:
    """Images that the model can hardly tell apart, most alike first.

    Args:
        neighbours: of all images.
        at_least: cosine from which two images are joined.
        exact: groups that are listed elsewhere; only what is more than one of them is told here.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    number = len(neighbours)
    first, columns = np.nonzero(neighbours.cosines >= at_least)
    second, cosines = neighbours.indices[first, columns], neighbours.cosines[first, columns]
    graph = coo_matrix((np.ones(len(first), bool), (first, second)), shape=(number, number))
    parts, part = connected_components(graph, directed=False)
    equal = np.arange(number) + len(exact or [])  # which group of equal canvases, or its own
    for place, group in enumerate(exact or []):
        equal[list(group.indices)] = place
    told = equal[first] != equal[second]
    best = np.full(parts, -1.0, np.float32)
    np.maximum.at(best, part[first[told]], cosines[told])
    order = np.argsort(part, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(part, minlength=parts))[:-1])
    groups = [
        Group(tuple(members[p].tolist()), float(best[p])) for p in np.flatnonzero(best >= at_least)
    ]
    return sorted(groups, key=lambda g: (-g.cosine, g.indices))


@dataclass(frozen=True)
class Outliers:
    """How far each of N images is from its nearest ones.

    distances: (N,) 1 - mean cosine of the k nearest, 0 = copies of one another; order: (N,) the
    farthest first; number: how many of them are beyond `FAR`.
    """

    distances: Floats
    order: Indices
    number: int


def outliers(neighbours: Neighbours, *, far: float = FAR) -> Outliers:
    """Distances to the k nearest images, and which of them stand out (median and MAD)."""
    if not neighbours.cosines.shape[1]:
        nothing: NDArray[np.float32] = np.zeros(len(neighbours), np.float32)
        return Outliers(nothing, np.arange(len(neighbours)), 0)
    distances = (1.0 - neighbours.cosines.mean(axis=1)).astype(np.float32)
    middle = float(np.median(distances))
    spread = _MAD * float(np.median(np.abs(distances - middle)))
    order = np.argsort(-distances, kind="stable").astype(np.int64)
    # A set without any spread (all copies of each other) has no outliers.
    number = int((distances > middle + far * spread).sum()) if spread > 1e-6 else 0
    return Outliers(distances, order, number)
