"""What the first labels still say after Phase I, and whether Phase I has kept to them [studio].

Phase I learns a few seeds per class. Where most of them are right it improves on the first labels;
where many are wrong it learns the mistakes and forgets what the model knew: on food101_10 21 % of
the first labels are right and 13 % of those of either model alone. Three things hold it back, none
of which asks for a true label: the first labels count beside what a model has learned
(`with_first`), they stand where the models contradict them too often (`contradicted`), and a label
that similar images do not share weighs less (`support`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from studio.coft.parts import parts
from studio.scores.graph import UNUSABLE, closest

LEAST_FIRST = 0.01
"""First labels speak against a class with no more than the odds of this probability.

Assignments after labelling together end near 0 and 1 far more often than they are right.
"""
KEPT_FROM = 0.6
"""Share of images on which the models must agree with the first labels, or those stand."""
SIMILAR = 10
"""Nearest images that are asked for a label's support."""


def with_first(probabilities: Tensor, first: Tensor, *, weight: float) -> Tensor:
    """(N, C) probabilities of a model, or (2, N, C) of both, times the first labels' (N, C) to the
    power `weight`.

    weight 0 leaves the models' own. Rows add up to 1.
    """
    if not weight:
        return probabilities
    found = torch.empty(probabilities.shape)
    for rows in parts(first):
        prior = first[rows].float().clamp_min(LEAST_FIRST).log()
        own = probabilities[..., rows, :].float().clamp_min(1e-9).log()
        found[..., rows, :] = (own + weight * prior).softmax(-1)
    return found


def contradicted(labels: Tensor, first: Tensor, usable: Tensor) -> bool:
    """Whether the models, by themselves, give most images another label than the first one.

    labels: (2, N) of both models; first: (N,) the first labels; usable: (N,) bool, the images that
    nobody rejected. Below `KEPT_FROM`.
    """
    return float((labels == first)[:, usable].float().mean()) < KEPT_FROM


def support(
    pictures: Tensor,
    labels: Tensor,
    usable: Tensor,
    *,
    device: torch.device,
    candidates: Tensor | None = None,
) -> Tensor:
    """(2, N) in (0, 1]: the share of an image's nearest ones that have the same label as it.

    The image itself counts as one of them, so that no label is left out.

    Args:
        pictures: (N, d) unit features of the model as it was before training.
        labels: (2, N) of both models.
        usable: (N,) bool, which images may be asked; rejected ones may not.
        device: where pairs of images are compared.
        candidates: (N, K) images to choose from, see `closest`.
    """
    near, cosines = closest(
        pictures.to(device).float(),
        count=SIMILAR,
        usable=usable.to(device),
        candidates=candidates,
    )
    near, asked = near.to(labels.device), (cosines > UNUSABLE).to(labels.device)
    same = ((labels[:, near] == labels[..., None]) & asked).sum(-1)
    return (1 + same).float() / (1 + asked.sum(-1))
