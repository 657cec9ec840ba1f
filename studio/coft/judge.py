"""Collaboration: each model's labels are judged clean or noisy by its peer (Section 3.2.1).

What is compared are log-odds (s+ - s-) / tau in float32, never their sigmoid: that is exactly 1
from log-odds of 17 on (in half precision from 8.3), and labels that differ would be equally clean.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CLEAN_THRESHOLD = 0.0
"""s+ > s-, that is p_clean > 0.5: the paper's rule has no other threshold."""


def peer_clean_probability(log_odds: Tensor, labels: Tensor) -> Tensor:
    """(2, N): p_clean of model i's label under the OTHER model.

    log_odds: (2, N, C) clean log-odds of both models for all classes; labels: (2, N).
    """
    return _under_peer(log_odds, labels).sigmoid()


def own_clean_probability(log_odds: Tensor, labels: Tensor) -> Tensor:
    """(2, N): p_clean of model i's label under model i itself; shapes as above."""
    return _under_itself(log_odds, labels).sigmoid()


def clean_sets(log_odds: Tensor, labels: Tensor, *, rule: str = "peer_clean") -> Tensor:
    """(2, N) bool: membership of S_clean^1 and S_clean^2; the complement is S_noise.

    Args:
        log_odds: (2, N, C) clean log-odds.
        labels: (2, N) each model's own labels.
        rule: "peer_clean" [paper]; "peer_clean_and_argmax_agree" [DeFT's real-noise variant]: the
            label must also be the peer's class of largest p_clean; "self_clean", "both_clean",
            "agree" (both models give this label) and "none" (all labels) are ablations.
    """
    peer = _under_peer(log_odds, labels) > CLEAN_THRESHOLD
    own = _under_itself(log_odds, labels) > CLEAN_THRESHOLD
    if rule == "peer_clean":
        return peer
    if rule == "self_clean":
        return own
    if rule == "agree":
        return _agree(labels)
    if rule == "both_clean":
        return peer & own
    if rule == "peer_clean_and_argmax_agree":
        return peer & (log_odds.argmax(-1).flip(0) == labels)
    assert rule == "none", rule
    return torch.ones_like(peer)


def clean_share(clean: Tensor) -> float:
    """Share of the images that have a clean label: one number for all stages of a run.

    An image's label is clean when a model gave it and the peer judges it clean. clean: (2, N) bool,
    the clean sets; an image in either of them has a clean label.
    """
    return float(clean.any(0).float().mean())


def soft_weights(log_odds: Tensor, labels: Tensor, *, rule: str = "peer_clean") -> Tensor:
    """(2, N) in [0, 1]: what each label weighs where none is left out: p_clean under its judges.

    Those are the peer, or with "self_clean" the model itself, with "both_clean" the stricter of
    both; "agree" and "none" have no judge, and weigh as they filter. Arguments as of `clean_sets`.
    """
    if rule in ("agree", "none"):
        return clean_sets(log_odds, labels, rule=rule).float()
    peer = peer_clean_probability(log_odds, labels)
    own = own_clean_probability(log_odds, labels)
    if rule == "both_clean":
        return torch.minimum(peer, own)
    return own if rule == "self_clean" else peer


class TrainingSet(NamedTuple):
    """What Phase II trains a model on: indices (n,), labels (n,) and weights (n,), above 0."""

    indices: Tensor
    labels: Tensor
    weights: Tensor


def training_sets(labels: Tensor, weights: Tensor, *, data: str) -> list[TrainingSet]:
    """The set of each model.

    Args:
        labels: (2, N).
        weights: (2, N), 0 = left out.
        data: "own" (model i learns S_clean^i) [paper notation]; "swapped"; "union" (both sets, an
            image in both with two labels counts with each); "intersection" (in both, same label).
    """
    used, agreed = weights > 0, _agree(labels)[0]
    if data == "union":
        shared = used[0] & used[1] & agreed
        first = torch.where(shared, weights.amax(0), weights[0])
        sets = [_set(labels[0], first), _set(labels[1], weights[1] * ~shared)]
        return [TrainingSet(*map(torch.cat, zip(*sets, strict=True)))] * 2
    if data == "intersection":
        return [_set(labels[0], weights.mean(0) * (used[0] & used[1] & agreed))] * 2
    sets = [_set(own, weight) for own, weight in zip(labels, weights, strict=True)]
    return sets[::-1] if data == "swapped" else sets


def _set(labels: Tensor, weights: Tensor) -> TrainingSet:
    indices = weights.nonzero()[:, 0]
    return TrainingSet(indices, labels[indices], weights[indices])


def _agree(labels: Tensor) -> Tensor:
    return (labels[0] == labels[1]).expand(2, -1)


def _under_peer(log_odds: Tensor, labels: Tensor) -> Tensor:
    # Model by model: a turned table of both would be another 2 N C numbers.
    peers = zip(reversed(log_odds.unbind(0)), labels.unbind(0), strict=True)
    return torch.stack([odds.gather(1, own[:, None])[:, 0].float() for odds, own in peers])


def _under_itself(log_odds: Tensor, labels: Tensor) -> Tensor:
    return log_odds.gather(2, labels[..., None])[..., 0].float()
