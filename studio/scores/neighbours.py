"""The images nearest to an image: exact, by matrix product in blocks, never all pairs at once.

Nearness is the cosine of features from which the set's mean was taken away: what all images of a
set have in common says nothing about which of them are alike, and without it a cosine of 0.95 means
the same under every model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.progress import Progress, Stop

BLOCK_BYTES = 64 * 2**20
"""What one block of cosines may take: with 100,000 images that is 160 rows at a time."""

_ROWS = 8192

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Neighbours:
    """The k nearest images of each of N images, nearest first, without the image itself.

    indices: (N, k); cosines: (N, k) in [-1, 1], 1 = the same direction.
    """

    indices: Indices
    cosines: Floats

    def __len__(self) -> int:
        return len(self.indices)

    def first(self, k: int) -> Neighbours:
        """Only the k nearest of each."""
        return Neighbours(self.indices[:, :k], self.cosines[:, :k])


def unit(features: Floats, *, around: Floats | None = None) -> Floats:
    """Raw features (N, d) to unit vectors around the set's mean; an image at the mean is zero.

    around: (M, d), the set whose mean is meant; None: their own.
    """
    mean = mean_of(features if around is None else around)
    lengths, _, floor = lengths_around(features, mean)
    units = np.empty(features.shape, np.float32)
    for begin in range(0, len(features), _ROWS):
        part = slice(begin, begin + _ROWS)
        units[part] = unit_rows(features[part], mean, lengths[part], floor)
    return units


def unit_rows(some: Floats, mean: Floats, lengths: Floats, floor: float) -> Floats:
    """(n, d) unit vectors around the mean (d,) of some raw features (n, d).

    lengths, floor: how far these are from the mean, (n,), and up to where one counts as the mean
    itself, as `lengths_around` tells it.
    """
    apart = lengths[:, None]
    return np.asarray(np.where(apart > floor, (some - mean) / np.maximum(apart, floor), 0.0))


def mean_of(features: Floats) -> Floats:
    """(d,) the mean of (N, d), in double precision on the way, some rows at a time."""
    total = np.zeros(features.shape[1])
    for begin in range(0, len(features), _ROWS):
        total += features[begin : begin + _ROWS].sum(0, dtype=np.float64)
    return np.asarray(total / max(1, len(features)), np.float32)


def lengths_around(features: Floats, mean: Floats) -> tuple[Floats, Floats, float]:
    """(N,) how far vectors (N, d) are from the mean, (N,) how long they are, and the distance up to
    which one counts as the mean itself: relative to the features, so that rounding gives no image
    at the mean a direction.
    """
    lengths, norms = (np.empty(len(features), np.float32) for _ in range(2))
    for begin in range(0, len(features), _ROWS):
        part = features[begin : begin + _ROWS]
        lengths[begin : begin + _ROWS] = np.linalg.norm(part - mean, axis=1)
        norms[begin : begin + _ROWS] = np.linalg.norm(part, axis=1)
    return lengths, norms, 1e-6 * float(norms.max(initial=0.0)) + 1e-12


def nearest(
    units: Floats,
    *,
    k: int,
    block_bytes: int = BLOCK_BYTES,
    gpu: bool = False,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Neighbours | None:
    """The k nearest of all images, exactly; None when `stop` said so.

    Args:
        units: (N, d) unit vectors, see `unit`.
        k: at most; a set of N images has N - 1 neighbours to offer.
        block_bytes: what a block of cosines may take.
        gpu: whether they are compared on a GPU.
        progress: told (images done, N) after each block.
        stop: asked before each block.
    """
    import torch  # its topk is several times as fast as numpy's argpartition

    number = len(units)
    k = max(0, min(k, number - 1))
    rows = max(1, block_bytes // (4 * max(1, number)))
    vectors = torch.from_numpy(np.ascontiguousarray(units)).to("cuda" if gpu else "cpu")
    indices, cosines = np.empty((number, k), np.int64), np.empty((number, k), np.float32)
    for start in range(0, number, rows):
        if stop is not None and stop():
            return None
        end = min(start + rows, number)
        block = vectors[start:end] @ vectors.T
        block[torch.arange(end - start), torch.arange(start, end)] = -torch.inf
        values, places = block.topk(k, dim=1)
        indices[start:end], cosines[start:end] = places.cpu().numpy(), values.cpu().numpy()
        if progress is not None:
            progress(end, number)
    return Neighbours(indices, np.clip(cosines, -1.0, 1.0))


def nearest_to(units: Floats, index: int, *, k: int) -> tuple[Indices, Floats]:
    """The k images nearest to one image, and their cosines: one product, no need to wait.

    Args:
        units: (N, d) unit vectors.
        index: the image.
        k: at most.
    """
    cosines = products(units, np.asarray(units[index], np.float32))
    cosines[index] = -np.inf
    k = max(0, min(k, len(units) - 1))
    best = np.argpartition(-cosines, k - 1)[:k] if k else np.zeros(0, np.int64)
    best = best[np.lexsort((best, -cosines[best]))]
    return best.astype(np.int64), np.clip(cosines[best], -1.0, 1.0)


def products(units: NDArray[np.floating], directions: Floats) -> Floats:
    """(N,) products of vectors (N, d) with one (d,), or (N, k) with k in columns (d, k); of vectors
    in half precision in blocks.
    """
    if units.dtype == np.float32:
        return np.asarray(units @ directions)
    import torch

    found = np.empty((len(units), *directions.shape[1:]), np.float32)
    along = torch.from_numpy(np.ascontiguousarray(directions, np.float32))
    room = torch.empty(min(_ROWS, len(units)), units.shape[1])  # to make it each time takes longer
    for begin in range(0, len(units), _ROWS):
        part = units[begin : begin + _ROWS]
        block = room[: len(part)].copy_(torch.from_numpy(part))  # several times as fast as numpy's
        found[begin : begin + len(part)] = (block @ along).numpy()
    return found


def nearest_among(features: Floats, others: Floats, *, k: int) -> Neighbours:
    """The images of a set that are nearest to images which are not in it.

    Args:
        features: (N, d) raw, of the set; its mean is what all of them have in common.
        others: (n, d) raw.
        k: at most; a set of N images has N to offer.
    """
    asked, units = unit(others, around=features), unit(features)
    k = max(0, min(k, len(features)))
    indices, cosines = np.zeros((len(asked), k), np.int64), np.zeros((len(asked), k), np.float32)
    rows = max(1, BLOCK_BYTES // (16 * max(1, len(units))))  # cosines twice, and places
    for begin in range(0, len(asked) if k else 0, rows):
        part = slice(begin, begin + rows)
        block = asked[part] @ units.T
        best = np.argpartition(-block, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(block, best, axis=1)
        order = np.lexsort((best, -found), axis=1)
        indices[part] = np.take_along_axis(best, order, axis=1)
        cosines[part] = np.take_along_axis(found, order, axis=1)
    return Neighbours(indices, np.clip(cosines, -1.0, 1.0))
