"""How many labels of each class are right, estimated without labels: rougher than the whole.

The estimate of the whole set (`studio.scores.estimate`) is shared out by confidence: a class whose
labels are half as sure as the average is taken to be right half as often. Against the truth, with
the embedded model's zero-shot labels, classes of five images and more:

    set                 classes   mean error   error of the whole's estimate for every class
    oxford_pets              28         .185   .239
    caltech101               85         .207   .222
    cifar10                  10         .106   .114
    clothing10               10         .175   .233
    pacs_art_painting         7         .059   .091

On average .146 against .180: good for finding the weak classes, not for the number itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MEAN_ERROR = 0.15
FEWEST = 5
"""Of fewer images than this nothing is told."""


def per_class(
    accuracy: float,
    *,
    labels: npt.NDArray[np.integer],
    confidence: npt.NDArray[np.floating],
    classes: int,
) -> npt.NDArray[np.float64]:
    """(C,) estimated share of right labels among those of each class; NaN where it is not told.

    Args:
        accuracy: the estimate for all N images, in [0, 1].
        labels: (N,) in [0, C).
        confidence: (N,) in [0, 1].
        classes: C.
    """
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=confidence, minlength=classes)
    told = counts >= FEWEST
    found = np.full(classes, np.nan)
    if told.any():
        mean = sums[told] / counts[told]
        found[told] = np.minimum(1.0, accuracy * mean / max(float(confidence.mean()), 1e-9))
    return found
