"""The images nearest to each image of a set, found once and asked many times.

A graph holds the `KEPT` nearest of each image around the set's mean (`neighbours.unit`). Up to
`EXACT_UP_TO` images all pairs are compared, in blocks; that takes time with the square of their
number, so that beyond it NN-descent looks for them (pynndescent, which comes with umap-learn), with
time about linear. No step holds all pairs in memory.

Whoever compares images in a space of its own asks `closest`: it takes the nearest in that space of
an image's candidates, those of the graph, instead of comparing all pairs again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from studio.progress import Progress, Stop
from studio.scores.neighbours import BLOCK_BYTES, Floats, Neighbours, nearest

if TYPE_CHECKING:  # a run is read without torch
    from torch import Tensor

KEPT = 32
"""Nearest images that are kept of each: who asks for the most, the map, takes 14 of them, and in
another space those may have another order."""
EXACT_UP_TO = 50_000
"""Images of which all pairs are compared: 37 s of one core with 512 numbers an image."""
EXACT_ON_GPU = 500_000
"""The same where a GPU compares them: computed from its speed, not measured."""
UNUSABLE, ONESELF = -2.0, -3.0
"""In the place of cosines, below all of them: of an image that may not be asked, and of oneself."""
SEED = 42
VERSION = 1  # of what comes out: a change makes kept graphs worthless


def is_exact(images: int, *, gpu: bool = False) -> bool:
    """Whether all pairs of so many images are compared."""
    return images <= (EXACT_ON_GPU if gpu else EXACT_UP_TO)


def graph(
    units: Floats,
    *,
    k: int = KEPT,
    gpu: bool = False,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Neighbours | None:
    """The k nearest of all images, nearest first; None when `stop` said so.

    Args:
        units: (N, d) unit vectors, see `neighbours.unit`.
        k: at most; a set of N images has N - 1 neighbours to offer.
        gpu: whether all pairs may be compared on a GPU.
        progress: told (images done, N); of NN-descent its beginning and its end.
        stop: asked now and then, not by NN-descent.
    """
    if is_exact(len(units), gpu=gpu):
        return nearest(units, k=k, gpu=gpu, progress=progress, stop=stop)
    if progress is not None:  # NN-descent takes minutes and says nothing
        progress(0, len(units))
    found = approximate(units, k=k)
    if progress is not None:
        progress(len(units), len(units))
    return found


def approximate(units: Floats, *, k: int = KEPT) -> Neighbours:
    """The k nearest of all images as NN-descent finds them: nearly all of them, the same each time.

    units: (N, d) unit vectors, N > k.
    """
    from pynndescent import NNDescent

    number = len(units)
    found = NNDescent(units, metric="cosine", n_neighbors=k + 1, random_state=SEED)
    indices, distances = found.neighbor_graph
    # An image is its own nearest but for copies of it, and -1 stands where too few were found.
    distances = np.where((indices == np.arange(number)[:, None]) | (indices < 0), 2.0, distances)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    cosines = 1.0 - np.take_along_axis(distances, order, axis=1)
    return Neighbours(
        np.take_along_axis(indices, order, axis=1).clip(0).astype(np.int64),
        np.clip(cosines, -1.0, 1.0).astype(np.float32),
    )


def closest(
    vectors: Tensor,
    *,
    count: int,
    usable: Tensor | None = None,
    candidates: Tensor | None = None,
    progress: Progress | None = None,
) -> tuple[Tensor, Tensor]:
    """The nearest others of unit vectors (N, d): indices (N, k) and cosines (N, k), nearest first.

    k is count, or what N images have to offer, at least 1. Images that are not usable come last,
    with a cosine of `UNUSABLE`; only where too few are usable are there any.

    Args:
        vectors: on the device where they are compared.
        count: how many are asked for.
        usable: (N,) bool, who may be one of them; None: everybody.
        candidates: (N, K) images to choose from, the likeliest first, as of `graph`; None: all, or
            those that NN-descent finds where there are too many to compare.
        progress: told (images done, N); not while NN-descent looks.
    """
    import torch

    number, gpu = len(vectors), vectors.device.type == "cuda"
    count = min(count, max(1, number - 1))
    if candidates is None and not is_exact(number, gpu=gpu):
        candidates = torch.from_numpy(approximate(vectors.cpu().numpy()).indices)
    everybody = torch.arange(number, device=vectors.device)
    if candidates is None or candidates.shape[1] < count:
        return _of_all(vectors, everybody, count, usable, progress)
    # Twice as many and some: in another space the nearest may have another order.
    some = candidates[:, : 2 * count + 10].to(vectors.device)
    indices, cosines, enough = _among(vectors, some, count, usable, progress)
    short = (~enough).nonzero()[:, 0]
    if len(short) and len(short) * number <= EXACT_UP_TO**2:
        indices[short], cosines[short] = _of_all(vectors, short, count, usable)
    return indices, cosines


def _of_all(
    vectors: Tensor,
    rows: Tensor,
    count: int,
    usable: Tensor | None,
    progress: Progress | None = None,
) -> tuple[Tensor, Tensor]:
    """Of the images `rows` (n,): each is compared with all."""
    import torch

    indices, cosines, done = [], [], 0
    for part in rows.split(max(1, BLOCK_BYTES // (4 * len(vectors)))):
        block = vectors[part] @ vectors.T
        if usable is not None:
            block[:, ~usable] = UNUSABLE
        block[torch.arange(len(part)), part] = ONESELF
        best = block.topk(count, dim=1)
        indices.append(best.indices)
        cosines.append(best.values)
        done += len(part)
        if progress is not None:
            progress(done, len(rows))
    return torch.cat(indices), torch.cat(cosines)


def _among(
    vectors: Tensor,
    candidates: Tensor,
    count: int,
    usable: Tensor | None,
    progress: Progress | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Of all images, among their candidates; and (N,) bool, whether enough of these are usable."""
    import torch

    number, width = len(candidates), candidates.shape[1]
    indices = torch.empty((number, count), dtype=torch.int64, device=vectors.device)
    cosines = torch.empty((number, count), dtype=vectors.dtype, device=vectors.device)
    enough = torch.ones(number, dtype=torch.bool, device=vectors.device)
    rows = max(1, BLOCK_BYTES // (4 * width * vectors.shape[1]))
    for begin in range(0, number, rows):
        part = slice(begin, min(begin + rows, number))
        some = candidates[part].long()
        block = torch.bmm(vectors[some], vectors[part, :, None])[..., 0]
        if usable is not None:
            block[~usable[some]] = UNUSABLE
            enough[part] = usable[some].sum(1) >= count
        best = block.topk(count, dim=1)
        indices[part] = some.gather(1, best.indices)
        cosines[part] = best.values
        if progress is not None:
            progress(part.stop, number)
    return indices, cosines, enough
