"""Images of none of the classes, told without a label.

An image that shows none of the classes is nearer to some other noun than to any of the names, and
so are the images like it. The score compares the best of the nouns that the names are compared with
anyway (`studio.scores.knowledge.nouns`) with the best name, as a difference of cosines; takes the
mean over the image and the ten images most like it; and asks how unusual that is in this folder, in
robust standard deviations. How far nouns and names are apart says nothing by itself: it differs
from set to set by more than it does between the images of one.

Nouns instead of the mass of all other words: NegLabel (Jiang et al., ICLR 2024, arXiv:2403.20078)
takes the words farthest from the names; here all of them do as well. What it is worth, and what
the largest probability, the energy and the distance to the class means are worth, is measured by
`tools/measure_strangers.py`; docs/lab-notes.md has the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from studio.progress import Progress, turn

if TYPE_CHECKING:  # a run is read without torch
    from torch import Tensor

FloatArray = npt.NDArray[np.floating]

STRONG = 0.93
"""From this score on the evidence is strong: 1.5 robust standard deviations above the median."""

_NEIGHBOURS = 10
_BLOCK = 2048  # rows of a table at a time
_SLOPE = 1.7  # the logistic function is then within .01 of the normal distribution's


def stranger_score(
    features: Tensor,
    class_vectors: Tensor,
    *,
    noun_vectors: Tensor,
    center: bool,
    candidates: Tensor | None = None,
    progress: Progress | None = None,
) -> FloatArray:
    """(N,) scores in [0, 1], higher = rather of none of the classes; 0.5 is usual in this folder.

    features: (N, d) raw; class_vectors: (C, d) of the names; noun_vectors: (M, d) of other nouns,
    made with the same templates; center: the backbone's (see `studio.clip.space`); candidates: (N,
    K) images to choose the nearest from (see `studio.scores.graph.closest`); progress: told (images
    done, N).
    """
    import torch

    from studio.clip.space import Space

    if len(features) < 2:
        return np.full(len(features), 0.5)
    space = Space.of(image_features=features, class_vectors=class_vectors, scale=1.0, center=center)
    first, second = turn(progress, 0, 2), turn(progress, 1, 2)
    with torch.inference_mode():
        pictures = space.images(features)
        names, others = space.texts(class_vectors), space.texts(noun_vectors)
        parts: list[Tensor] = []
        done = 0
        for block in pictures.split(_BLOCK):
            parts.append((block @ others.T).amax(1) - (block @ names.T).amax(1))
            done += len(block)
            if first is not None:
                first(done, len(pictures))
    values = torch.cat(parts).double().numpy()
    smooth = with_neighbours(pictures.numpy(), values, candidates=candidates, progress=second)
    middle = float(np.median(smooth))
    spread = 1.4826 * float(np.median(np.abs(smooth - middle)))
    deviations = (smooth - middle) / max(spread, 1e-9)
    return np.asarray(1 / (1 + np.exp(-np.clip(_SLOPE * deviations, -30, 30))))


def with_neighbours(
    pictures: FloatArray,
    values: FloatArray,
    *,
    candidates: Tensor | None = None,
    progress: Progress | None = None,
) -> FloatArray:
    """(N,) the mean of the values of an image and of the ten images most like it.

    pictures: (N, d) unit features; candidates, progress: as of `stranger_score`.
    """
    import torch

    from studio.scores.graph import closest

    vectors = torch.from_numpy(np.asarray(pictures))
    found, _ = closest(vectors, count=_NEIGHBOURS, candidates=candidates, progress=progress)
    near = found.numpy()
    return np.asarray((values + values[near].sum(axis=1)) / (near.shape[1] + 1))
