"""Answers about some images as evidence about those that look alike [studio]."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from studio.coft.given import Evidence, FirstLabels
from studio.coft.parts import LEAST_PROBABILITY, parts

AFFINITY_SLOPE = 5.0
BLOCK = 1024
"""Images, and 1,000 answers, of which all pairs are compared at a time."""


@dataclass(frozen=True)
class Answers:
    """Answers as evidence for similar images.

    The log-odds of a class, the same at every scale, grow by weight * trust * exp(-5 (1 - cosine)),
    most by that of the images which were given this label: Tip-Adapter's affinity
    (Zhang et al., ECCV 2022, arXiv:2207.09519), but of the nearest instead of the sum of all, and
    without what all images have in common, so that a class does not grow because many of its
    images were corrected or none of the others'. So one or two labels a class can name a group of
    images that the texts call by another class's name.

    Where the first labels are known, they have a say as far as they are right (`FirstLabels`):

    - A class that no answer names would lose its images to those that are named: trucks to cars. So
      the most typical of its first labels speaks for it.
    - An answer that bears out the first label of its image says nothing new of images that were
      labelled otherwise, and would only grow at their cost.

    pictures: (N, d) unit features without what they have in common; answered: (a,) images, those
    that speak for classes which no answer names among them; labels: (a,) classes; worth: (a,) what
    each adds at a cosine of 1; first: None: the first labels are not known, or none is right.
    """

    pictures: Tensor
    answered: Tensor
    labels: Tensor
    worth: Tensor
    first: FirstLabels | None = None

    @classmethod
    def of(cls, pictures: Tensor, evidence: Evidence, *, weight: float) -> Answers | None:
        """None: there are none, or they weigh nothing; pictures: as of the class."""
        answered = (evidence.labels >= 0).nonzero()[:, 0]
        if not weight or not len(answered):
            return None
        trust, labels = evidence.trust[answered], evidence.labels[answered]
        first = evidence.first if evidence.first_right else None
        if first is not None:
            images, classes = first.of_unnamed(labels)
            trust = torch.cat([trust, trust.new_full((len(images),), first.right)])
            answered, labels = torch.cat([answered, images]), torch.cat([labels, classes])
        return cls(pictures, answered, labels, weight * trust.to(pictures.dtype), first)

    def added_to(self, probabilities: Tensor, *, overwrite: bool = False) -> Tensor:
        """(N, C) probabilities with the answers in them; overwrite: they make room for it."""
        added = probabilities if overwrite else torch.empty_like(probabilities)
        most = max(1, min(BLOCK, 1000 * BLOCK // len(self.answered)))
        for rows in parts(probabilities, most=most):
            added[rows] = self.of_rows(probabilities[rows], rows)
        return added

    def of_rows(self, before: Tensor, rows: slice, *, share: float = 1.0) -> Tensor:
        """(n, C) probabilities of some images with a share of what the answers say added.

        before: (n, C) without it; a share below 0 takes it away again.
        """
        cosines = self.pictures[rows] @ self.pictures[self.answered].T
        affinity = (-AFFINITY_SLOPE * (1 - cosines)).exp()  # (n, a)
        if self.first is not None:
            borne_out = self.first.labels[self.answered] == self.labels
            otherwise = self.first.labels[rows, None] != self.labels
            affinity *= torch.where(borne_out & otherwise, 1 - self.first.right, 1.0)
        labels = self.labels.expand(len(before), -1)
        worth = torch.zeros_like(before).scatter_reduce(1, labels, self.worth * affinity, "amax")
        prior = before.clamp_min(LEAST_PROBABILITY).log()
        return (prior + share * worth).softmax(-1)
