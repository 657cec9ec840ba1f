"""What an edit of the prompts does to the labels of the images at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.scores.per_class import per_class

if TYPE_CHECKING:
    from studio.runs.first_labels import Preview
    from studio.scores.estimate import Estimate


@dataclass(frozen=True)
class Labels:
    """Labels of N images under some prompts: (N,) classes and (N,) confidence in [0, 1];
    accuracy in [0, 1] by sub-folder names, None when they do not tell; estimate: of it, without.
    """

    labels: NDArray[np.int64]
    confidence: NDArray[np.float32]
    accuracy: float | None = None
    estimate: Estimate | None = None

    @classmethod
    def of(cls, preview: Preview | None) -> Labels | None:
        """Those of a preview; None when there is none."""
        if preview is None:
            return None
        return cls(preview.labels, preview.confidence, preview.accuracy, preview.estimate)

    def counts(self, classes: int) -> NDArray[np.int64]:
        """(C,) images of each class."""
        return np.bincount(self.labels, minlength=classes)

    def differ(self, other: Labels) -> NDArray[np.int64]:
        """The images that have another label in the other set, the most confident here first."""
        images = np.flatnonzero(self.labels != other.labels)
        return images[np.argsort(-self.confidence[images], kind="stable")]


@dataclass(frozen=True)
class ClassEffect:
    """What the prompts do to one class. images: labelled so; gained, lost: by the last step; plain:
    labelled so with the model's own template only, None where nothing is to be compared with it;
    right: the estimated share of right labels, None where it cannot be told.
    """

    images: int
    gained: int
    lost: int
    plain: int | None
    right: float | None


def class_effects(
    now: Labels, *, before: Labels | None, plain: Labels | None, classes: int
) -> list[ClassEffect]:
    """The effect on each class. before: before the last step; plain: with the model's own template
    only.
    """
    gained = lost = np.zeros(classes, np.int64)
    if before is not None:
        moved = now.differ(before)
        gained = np.bincount(now.labels[moved], minlength=classes)
        lost = np.bincount(before.labels[moved], minlength=classes)
    right = np.full(classes, np.nan)
    if now.estimate is not None:
        right = per_class(
            now.estimate.accuracy, labels=now.labels, confidence=now.confidence, classes=classes
        )
    counts, was = now.counts(classes), None if plain is None else plain.counts(classes)
    return [
        ClassEffect(
            images=int(counts[c]),
            gained=int(gained[c]),
            lost=int(lost[c]),
            plain=None if was is None else int(was[c]),
            right=float(right[c]) if np.isfinite(right[c]) else None,
        )
        for c in range(classes)
    ]
