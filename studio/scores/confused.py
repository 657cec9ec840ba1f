"""Which classes the labels mix up, told without a single true label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST = 0.5
"""Images: pairs that are expected to be mixed up less often are not worth a question."""


def confused_pairs(
    probabilities: NDArray[np.floating], *, most: int = 10
) -> list[tuple[int, int, float]]:
    """Pairs of classes that the model is in doubt between, the most confused first.

    An image whose label is drawn from its probabilities p is called a when it is b, or b when it is
    a, in 2 p_a p_b of all draws; a pair counts the sum over all images [studio].

    Args:
        probabilities: (N, C), rows sum to 1.
        most: Pairs at most.

    Returns:
        (a, b, images) with a < b; images: how many are expected to be mixed up.
    """
    together = 2.0 * (probabilities.T.astype(np.float64) @ probabilities)
    first, second = np.triu_indices(len(together), 1)
    images = together[first, second]
    order = np.argsort(-images, kind="stable")[:most]
    return [(int(first[i]), int(second[i]), float(images[i])) for i in order if images[i] >= _LEAST]
