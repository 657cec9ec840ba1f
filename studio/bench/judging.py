"""A simulated judge: true labels, of which a share is wrong the way a model errs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def spoilt(right: Tensor, probabilities: Tensor, *, wrong: float, seed: int) -> Tensor:
    """(n,) answers: the right class, or with probability `wrong` another one, drawn by the model's
    own probabilities (n, C), for a judge confuses what looks alike.
    """
    draws = np.random.default_rng(seed)
    said = right.clone()
    for row in np.flatnonzero(draws.random(len(right)) < wrong):
        odds = probabilities[row].double().numpy().copy()
        odds[int(right[row])] = 0
        total = odds.sum()
        odds = odds / total if total > 0 else np.eye(len(odds))[(int(right[row]) + 1) % len(odds)]
        said[row] = int(draws.choice(len(odds), p=odds))
    return said
