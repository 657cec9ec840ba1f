"""Labels that do not come from the models: a person's, a judge's, and those of the images' source.

A person's labels are corrections, or a few labelled shots (paper, Figure 2): *given labels*. They
are not the truth that runs are scored with, which never comes near training. A given label is a
seed in every round and in both clean sets, exempt from the filter [inferred: the paper does not say
how its labelled shots enter]; a rejected image is in no training set.

A vision-language model's answers are *judged labels*, evidence and no order. They and a person's
answers spread to images alike as far as their source is trusted (`Evidence`) [studio]; a judged
label is no seed by itself. Of an image that was judged to be none of the names it was asked about,
the first label is no seed.

Labels that came with the images may be wrong: *claims*, DeFT's setting, from which the negative
prompts come. A claim stands in place of the image's pseudo-label: it alone may become a seed, the
peer judges it, and Phase II learns it as it learns pseudo-labels. Zero-shot and the models only
rank the images of a claimed class; they never change its label.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

UNKNOWN = -1
"""The image has no label of this kind."""
REJECTED = -2
"""The image is left out of training, and its label is noisy whatever the models judge."""
NONE = -2
"""Of judged labels: none of the names that were asked about."""

NO_SEED = -3
"""The image has no label of this kind, and may be of none of the classes: it is in no seed set."""


def checked(labels: Tensor | None, *, images: int, classes: int) -> Tensor:
    """(N,) int64 of classes, UNKNOWN, REJECTED or NO_SEED; None stands for no labels at all.

    Raises:
        ValueError: another length, or a number that is no class.
    """
    if labels is None:
        return torch.full((images,), UNKNOWN)
    if labels.shape != (images,):
        raise ValueError(f"given labels of shape {tuple(labels.shape)} for {images} images")
    if len(labels) and not (int(labels.min()) >= NO_SEED and int(labels.max()) < classes):
        raise ValueError(f"given labels must lie between {NO_SEED} and {classes - 1}")
    return labels.to(torch.int64)


@dataclass(frozen=True)
class FirstLabels:
    """What answers know of the labels that no answer has touched.

    labels: (N,); right: in [0, 1], the share of them that the answers speak for; typical: (C,) the
    image of each class that stands for it; below 0 = it has none.
    """

    labels: Tensor
    right: float
    typical: Tensor

    def of_unnamed(self, answers: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n,) and their classes (n,): what stands for classes that no answer (a,) names."""
        named = torch.isin(torch.arange(len(self.typical), device=answers.device), answers)
        classes = ((self.typical >= 0) & ~named).nonzero()[:, 0]
        return self.typical[classes], classes

    def to(self, device: torch.device) -> FirstLabels:
        """The same on a device."""
        return FirstLabels(self.labels.to(device), self.right, self.typical.to(device))


@dataclass(frozen=True)
class Evidence:
    """What answers say to images alike.

    labels: (N,) a class, or below 0 = no answer; trust: (N,) in [0, 1], what the answer of an image
    is worth to others; 0 = nothing; first: what was labelled before; None: it is not known.
    """

    labels: Tensor
    trust: Tensor
    first: FirstLabels | None = None

    @classmethod
    def of(
        cls,
        given: Tensor,
        judged: Tensor | None = None,
        trust: Tensor | None = None,
        *,
        first: FirstLabels | None = None,
    ) -> Evidence:
        """A person's labels (N,), and a judge's where no person spoke; trust None: all in full."""
        labels = given
        if judged is not None:
            labels = torch.where((given == UNKNOWN) | (given == NO_SEED), judged, given)
        return cls(labels, torch.ones(len(given)) if trust is None else trust, first)

    @property
    def first_right(self) -> float:
        """The share of first labels that the answers speak for; 0 where it is not known."""
        return 0.0 if self.first is None else self.first.right

    def by_class(self, classes: int) -> Tensor:
        """(C,) in [0, 1]: the most that an answer of each class is worth; 0 = there is none."""
        labelled = self.labels >= 0
        best = self.trust.new_zeros(classes)
        return best.scatter_reduce(0, self.labels[labelled], self.trust[labelled], "amax")

    def to(self, device: torch.device) -> Evidence:
        """The same on a device."""
        first = None if self.first is None else self.first.to(device)
        return Evidence(self.labels.to(device), self.trust.to(device), first)


def with_given(indices: Tensor, labels: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """The seed set (n,), (n,) and all given labels as further seeds.

    indices: of images that are neither given a label nor rejected.
    """
    labelled = (given >= 0).nonzero()[:, 0]
    return torch.cat([indices, labelled]), torch.cat([labels, given[labelled]])


def into_judged(labels: Tensor, clean: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """Labels (2, N) and clean sets (2, N) in which given labels stand and are clean."""
    labels = torch.where(given >= 0, given, labels)
    return labels, (clean | (given >= 0)) & (given != REJECTED)


def given_weights(weights: Tensor, given: Tensor) -> Tensor:
    """Weights of labels (2, N) in which given labels count in full and rejected images nothing."""
    return weights.masked_fill(given >= 0, 1.0).masked_fill(given == REJECTED, 0.0)


def without_strangers(given: Tensor | None, strangers: Tensor) -> Tensor:
    """Given labels (N,) in which images that may be of none of the classes are in no seed set.

    given: None stands for no labels at all; strangers: (N,) bool. What a person said of an image
    stands.
    """
    if given is None:
        given = torch.full(strangers.shape, UNKNOWN)
    return given.masked_fill(strangers & (given == UNKNOWN), NO_SEED)


def with_claims(labels: Tensor, claims: Tensor) -> Tensor:
    """Labels (..., N) in which claims (N,) stand."""
    return torch.where(claims >= 0, claims, labels)
