"""Labels that came with the images and may be wrong: judged in place of pseudo-labels.

DeFT's setting, from which the judging prompts come. Where an image has a claimed label, it is this
that may become a seed, that the other model believes or not, and that Phase II learns if believed.
Zero-shot and the models only rank the images of a claimed class; they never change its label.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot


def ranked(scores: Tensor, claims: Tensor) -> Tensor:
    """Scores (N, C) in which an image with a claim (N,) from 0 on is of no other class: -inf."""
    own = one_hot(claims.clamp_min(0), scores.shape[1]).bool()
    return scores.masked_fill((claims >= 0)[:, None] & ~own, -torch.inf)


def stand(labels: Tensor, claims: Tensor) -> Tensor:
    """Labels (..., N) in which claimed ones stand."""
    return torch.where(claims >= 0, claims, labels)
