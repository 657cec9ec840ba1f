"""Collaboration: each model's labels are kept or rejected by the other (paper, Section 3.2.1)."""

from __future__ import annotations

import torch
from torch import Tensor

CLEAN_THRESHOLD = 0.5
"""s+ > s-, that is p_clean > 0.5: the paper's rule has no other threshold."""


def peer_clean_probability(clean: Tensor, labels: Tensor) -> Tensor:
    """(2, N): p_clean of model i's label under the OTHER model.

    clean: (2, N, C) clean probabilities of both models for all classes; labels: (2, N).
    """
    return torch.stack([_of_label(clean[1 - i], labels[i]) for i in (0, 1)])


def own_clean_probability(clean: Tensor, labels: Tensor) -> Tensor:
    """(2, N): p_clean of model i's label under model i itself; shapes as above."""
    return torch.stack([_of_label(clean[i], labels[i]) for i in (0, 1)])


def clean_sets(clean: Tensor, labels: Tensor, *, rule: str = "peer_clean") -> Tensor:
    """(2, N) bool: membership of S_clean^1 and S_clean^2; the complement is S_noise.

    Args:
        clean: (2, N, C) clean probabilities.
        labels: (2, N) each model's own labels.
        rule: "peer_clean" [paper]; "peer_clean_and_argmax_agree" [DeFT's real-noise variant]: the
            label must also be the peer's class of largest p_clean; "self_clean", "both_clean" and
            "none" (all labels) are ablations.
    """
    peer = peer_clean_probability(clean, labels) > CLEAN_THRESHOLD
    own = own_clean_probability(clean, labels) > CLEAN_THRESHOLD
    if rule == "peer_clean":
        return peer
    if rule == "self_clean":
        return own
    if rule == "both_clean":
        return peer & own
    if rule == "peer_clean_and_argmax_agree":
        return peer & (clean.argmax(-1).flip(0) == labels)
    assert rule == "none", rule
    return torch.ones_like(peer)


def training_sets(labels: Tensor, clean: Tensor, *, data: str) -> list[tuple[Tensor, Tensor]]:
    """For each model the indices and labels that Phase II trains it on.

    Args:
        labels: (2, N).
        clean: (2, N) bool.
        data: "own" (model i learns S_clean^i) [paper notation]; "swapped"; "union" (both sets, an
            image in both with two labels counts with each); "intersection" (in both, same label).
    """
    sets = [(clean[i].nonzero()[:, 0], labels[i][clean[i]]) for i in (0, 1)]
    if data == "swapped":
        return sets[::-1]
    if data == "union":
        alike = clean[0] & clean[1] & (labels[0] == labels[1])
        second = clean[1] & ~alike
        indices = torch.cat([sets[0][0], second.nonzero()[:, 0]])
        return [(indices, torch.cat([sets[0][1], labels[1][second]]))] * 2
    if data == "intersection":
        both = clean[0] & clean[1] & (labels[0] == labels[1])
        return [(both.nonzero()[:, 0], labels[0][both])] * 2
    return sets


def _of_label(clean: Tensor, labels: Tensor) -> Tensor:
    return clean.gather(1, labels[:, None])[:, 0].float()
