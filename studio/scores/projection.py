"""Images as points of a plane: PCA at once, UMAP after a while.

N images with features of d numbers, as unit vectors around the set's mean (`neighbours.unit`). Both
layouts are deterministic. Of UMAP only neighbourhoods mean something: distances between clusters
and their sizes do not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from studio.scores.neighbours import Floats, Neighbours, nearest, products

NEIGHBOURS = 15
"""umap-learn's own default, the image itself included."""
MIN_DIST = 0.1
SEED = 42
FEWEST = 20
"""Below, a neighbourhood of 15 is the whole set, and PCA shows all there is."""
PCA_IMAGES = 20_000
"""At most about so many, evenly spread, decide on PCA's directions; more would not turn them."""
LANDMARKS = 30_000
"""At most so many images are laid out by UMAP itself; all others stand amid their nearest ones of
these. Exact neighbours of 100,000 images would be ten times the work, for points that are not even
drawn (`points.DRAWN`)."""
WIDEST_GAP = 0.03
"""Of the map's width or height: strips that are wider and hold no image are made as narrow."""
VERSION = 2  # of what comes out: a change makes cached layouts worthless

Report = Callable[[str, int, int], None]


def pca(units: Floats) -> Floats:
    """(N, 2): the two directions in which the images differ most, in [-1, 1] each."""
    number, width = units.shape
    if number < 2:
        return np.zeros((number, 2), np.float32)
    some = np.asarray(units[:: -(-number // PCA_IMAGES)], np.float32)
    _, vectors = np.linalg.eigh((some.T @ some).astype(np.float64))  # d x d: cheap for any N
    axes = vectors[:, ::-1][:, : min(2, width)]
    # An eigenvector has no sign of its own; fixed, so that the map never comes mirrored.
    strongest = np.abs(axes).argmax(0)
    axes = axes * np.sign(axes[strongest, np.arange(axes.shape[1])])
    plane = np.zeros((number, 2), np.float32)
    plane[:, : axes.shape[1]] = products(units, axes.astype(np.float32))
    return framed(plane)


def framed(plane: NDArray[np.floating]) -> Floats:
    """The points moved and stretched so that each axis fills [-1, 1]; a flat axis lies at 0."""
    low, high = plane.min(0), plane.max(0)
    half = (high - low) / 2
    middle = (high + low) / 2
    inside = (plane - middle) / np.where(half > 1e-12, half, 1.0)
    return np.asarray(np.clip(inside, -1, 1), np.float32)


def without_gaps(plane: Floats) -> Floats:
    """The points in the same order along either axis, with no wide empty strip across the map.

    UMAP puts what has no neighbours in common far away, and how far means nothing; a few lone
    images would leave all others a corner.
    """
    closed = np.empty_like(plane)
    widest = max(WIDEST_GAP, 4 / len(plane))  # of few images, a gap or two is all there is to see
    for axis in range(2):
        order = np.argsort(plane[:, axis], kind="stable")
        steps = np.diff(plane[order, axis].astype(np.float64), prepend=plane[order[0], axis])
        for _ in range(3):  # each time, what a strip is measured by has become narrower itself
            steps = np.minimum(steps, widest * steps.sum())
        closed[order, axis] = steps.cumsum()
    return closed


def umap(
    units: Floats,
    *,
    alike: Neighbours | None = None,
    report: Report | None = None,
    landmarks: int = LANDMARKS,
) -> Floats:
    """(N, 2): images that are alike beside each other, in [-1, 1] each.

    Exact neighbours by matrix product go in as `precomputed_knn`, which saves umap-learn's own
    search; PCA is where it starts from, so that the layout resembles the one shown before.

    Args:
        units: (N, d) unit vectors, N >= `FEWEST`.
        alike: their nearest images, at least `NEIGHBOURS` - 1 of each; None: they are looked for.
        report: told (what is being done, done, total).
        landmarks: see `LANDMARKS`.
    """
    say = report or _nobody
    number = len(units)
    if number <= landmarks:
        return framed(without_gaps(_fit(units, say, alike)))
    chosen = np.sort(np.random.default_rng(SEED).choice(number, landmarks, replace=False))
    plane = np.empty((number, 2), np.float32)
    plane[chosen] = _fit(units[chosen], say)
    others = np.setdiff1d(np.arange(number), chosen)
    plane[others] = _amid(units[others], units[chosen], plane[chosen], say)
    return framed(without_gaps(plane))


def _nobody(text: str, done: int, total: int) -> None:
    del text, done, total


def _fit(units: Floats, say: Report, alike: Neighbours | None = None) -> Floats:
    number = len(units)
    k = min(NEIGHBOURS, number)
    found = alike or nearest(
        units, k=k - 1, progress=lambda done, total: say("Comparing the images", done, total)
    )
    assert found is not None
    found = found.first(k - 1)
    own = np.arange(number)[:, None]
    indices = np.hstack([own, found.indices])
    distances = np.hstack([np.zeros((number, 1), np.float32), 1 - found.cosines])
    say("Loading UMAP", 0, 0)
    with warnings.catch_warnings():
        # It warns that it cannot transform new points, and that a seed means one thread: both meant
        warnings.simplefilter("ignore")
        from umap import UMAP

        say("Laying out the images", 0, 0)
        fitted = UMAP(
            n_neighbors=k,
            min_dist=MIN_DIST,
            metric="cosine",
            init=10 * pca(units),  # umap-learn's own starts lie in about this range
            random_state=SEED,
            precomputed_knn=(indices, distances.astype(np.float32)),
            # With fewer than 4,096 images it would compare all pairs again.
            force_approximation_algorithm=True,
        ).fit_transform(units)
    return np.asarray(fitted, np.float32)


def _amid(units: Floats, landmarks: Floats, plane: Floats, say: Report, k: int = 5) -> Floats:
    """(n, 2): each image at the mean of its k nearest landmarks, the nearer the heavier.

    umap-learn's `transform` does much the same in many times the time.
    """
    import torch

    rows = max(1, 64 * 2**20 // (4 * len(landmarks)))
    to, placed = torch.from_numpy(landmarks).T, np.empty((len(units), 2), np.float32)
    for start in range(0, len(units), rows):
        values, places = (torch.from_numpy(units[start : start + rows]) @ to).topk(k, dim=1)
        weights = (1 - values.numpy()).clip(1e-4) ** -1
        weights /= weights.sum(1, keepdims=True)
        placed[start : start + rows] = (plane[places.numpy()] * weights[..., None]).sum(1)
        say("Placing the other images", min(start + rows, len(units)), len(units))
    return placed
