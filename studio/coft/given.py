"""Labels that a person gave: corrections, or a few labelled shots (paper, Figure 2).

They are not the truth that runs are scored with, which never comes near training. A given label is
a seed in every round and in both clean sets, exempt from the filter [inferred: the paper does not
say how its labelled shots enter]; a rejected image is in no training set.
"""

from __future__ import annotations

import torch
from torch import Tensor

UNKNOWN = -1
"""Nothing was said about the image."""
REJECTED = -2
"""The image is left out of training and its label is not kept."""


def checked(given: Tensor | None, *, images: int, classes: int) -> Tensor:
    """(N,) int64 of classes, UNKNOWN or REJECTED; None means that nothing is known.

    Raises:
        ValueError: another length, or a number that is no class.
    """
    if given is None:
        return torch.full((images,), UNKNOWN)
    if given.shape != (images,):
        raise ValueError(f"given labels of shape {tuple(given.shape)} for {images} images")
    if len(given) and not (int(given.min()) >= REJECTED and int(given.max()) < classes):
        raise ValueError(f"given labels must lie between {REJECTED} and {classes - 1}")
    return given.to(torch.int64)


def with_given(indices: Tensor, labels: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """The seed set (n,), (n,) and all given labels, as seeds too. indices: of no image ruled on."""
    told = (given >= 0).nonzero()[:, 0]
    return torch.cat([indices, told]), torch.cat([labels, given[told]])


def into_judged(labels: Tensor, clean: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """Labels (2, N) and clean sets (2, N) in which given labels stand and are believed."""
    labels = torch.where(given >= 0, given, labels)
    return labels, (clean | (given >= 0)) & (given != REJECTED)


def given_weights(weights: Tensor, given: Tensor) -> Tensor:
    """Weights of labels (2, N) in which given labels count in full and rejected images nothing."""
    return weights.masked_fill(given >= 0, 1.0).masked_fill(given == REJECTED, 0.0)
