"""What an edit of the prompts does to the labels of the images at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.scores.per_class import per_class

if TYPE_CHECKING:
    from studio.runs.first_labels import Preview


def moved(now: Preview, other: Preview) -> NDArray[np.int64]:
    """The images that have another label in the other one, the most confident here first."""
    images = np.flatnonzero(now.labels != other.labels)
    return images[np.argsort(-now.confidence[images], kind="stable")]


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
    now: Preview, *, before: Preview | None, plain: Preview | None
) -> list[ClassEffect]:
    """The effect on each class. before: before the last step; plain: with the model's own template
    only; both of the same images and classes.
    """
    classes, estimate = len(now.class_names), now.estimate
    gained = lost = np.zeros(classes, np.int64)
    if before is not None:
        changed = moved(now, before)
        gained = np.bincount(now.labels[changed], minlength=classes)
        lost = np.bincount(before.labels[changed], minlength=classes)
    right = np.full(classes, np.nan)
    if estimate is not None:
        right = per_class(
            estimate.accuracy, labels=now.labels, confidence=now.confidence, classes=classes
        )
    was = None if plain is None else plain.counts()
    return [
        ClassEffect(
            images=images,
            gained=int(gained[c]),
            lost=int(lost[c]),
            plain=None if was is None else was[c],
            right=float(right[c]) if np.isfinite(right[c]) else None,
        )
        for c, images in enumerate(now.counts())
    ]
