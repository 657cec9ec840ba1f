"""The joint space in which images and class texts are compared.

A small CLIP's features share a large common part that says nothing about the class. Where a model
asks for it (`Backbone.center`), two constant vectors are subtracted before normalising: the mean
image feature of the set, and the mean of its class vectors. Both come from the unlabelled set that
is being fitted and are kept with the classifier, so that new images are judged one by one. With
CLIP proper both are zero and this is the plain cosine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

_PART_NUMBERS = 2**18  # of a table, that are worked on at a time


@dataclass(frozen=True)
class Space:
    """image_mean, text_mean: (d,); scale: 1 / tau, what cosines are multiplied by."""

    image_mean: Tensor
    text_mean: Tensor
    scale: float

    @classmethod
    def of(
        cls, *, image_features: Tensor, class_vectors: Tensor, scale: float, center: bool
    ) -> Space:
        """The space of one image set: image_features (N, d) raw, class_vectors (C, d) raw."""
        if center:
            return cls(image_features.mean(0), normalize(class_vectors, dim=-1).mean(0), scale)
        zero = torch.zeros(image_features.shape[1], device=image_features.device)
        return cls(zero, zero, scale)

    def to(self, device: torch.device) -> Space:
        """The same space on another device."""
        return Space(self.image_mean.to(device), self.text_mean.to(device), self.scale)

    def images(self, features: Tensor) -> Tensor:
        """Raw image features (..., d) to unit vectors of the space."""
        return normalize(features - self.image_mean, dim=-1)

    def texts(self, vectors: Tensor) -> Tensor:
        """Raw text features (..., d) to unit vectors of the space."""
        return normalize(normalize(vectors, dim=-1) - self.text_mean, dim=-1)

    def probabilities(self, image_features: Tensor, class_vectors: Tensor) -> Tensor:
        """(N, C) class probabilities, softmax of cosine / tau over the classes (paper, Eq. 1)."""
        return self.likely(self.images(image_features), self.texts(class_vectors))

    def likely(self, pictures: Tensor, texts: Tensor) -> Tensor:
        """The same of unit vectors (N, d) and (C, d) that are in the joint space already."""
        table = pictures @ texts.T
        # In place, some images at a time: of very many, each table more is gigabytes.
        size = max(1, _PART_NUMBERS // max(1, table.shape[1]))
        for begin in range(0, len(table), size):
            rows = slice(begin, begin + size)
            table[rows] = (self.scale * table[rows]).softmax(dim=-1)
        return table


@dataclass(frozen=True)
class ZeroShotRows:
    """(N, C) zero-shot probabilities that are worked out for the rows that are asked for.

    For readers of the whole that would hold N C numbers else (`studio.scores.rows`). features: (N,
    d) raw; texts: (C, d) unit class vectors of the space.
    """

    space: Space
    features: Tensor
    texts: Tensor

    @classmethod
    def of(
        cls, *, features: Tensor, class_vectors: Tensor, scale: float, center: bool
    ) -> ZeroShotRows:
        """Of the images of a set (N, d) and the class vectors (C, d), both raw."""
        space = Space.of(
            image_features=features, class_vectors=class_vectors, scale=scale, center=center
        )
        return cls(space, features, space.texts(class_vectors))

    @property
    def shape(self) -> tuple[int, ...]:
        """N and C."""
        return len(self.features), len(self.texts)

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        """(n, C) of a slice or of indices (n,)."""
        pictures = self.space.images(self.features[rows])
        return np.asarray(self.space.likely(pictures, self.texts).numpy())
