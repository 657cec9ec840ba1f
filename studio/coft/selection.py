"""The seed set: the most confident zero-shot images of each class (paper, Section 3.1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def seeds_per_class(*, k: int, images: int, classes: int, cap: bool) -> int:
    """K, lowered to half of the images a class has on average when `cap` is on [studio].

    With 16 images a class, K = 16 would take every image and leave nothing to be confident about.
    """
    return min(k, max(1, math.ceil(images / (2 * classes)))) if cap else k


def without_prior(probabilities: Tensor, *, power: float) -> Tensor:
    """(N, C) class probabilities over a power of their mean over the images [studio].

    A model's favourite classes swallow their neighbours, which then get no seed and can never be
    learned. power 0 leaves the probabilities as they are, but for rounding: rows add up to 1 again;
    1 takes all classes for equally frequent, which they may not be. Source: logit adjustment (Menon
    et al., 2021), on the model's own predictions as in DebiasPL (Wang et al., 2022).
    """
    adjusted = probabilities / probabilities.mean(0).clamp_min(1e-12) ** power
    return adjusted / adjusted.sum(1, keepdim=True)


def seed_set(probabilities: Tensor, *, k: int, mode: str = "argmax_topk") -> tuple[Tensor, Tensor]:
    """Indices (n,) and labels (n,) of the seeds, grouped by class, the most confident first.

    Ties are broken by index, so the choice is deterministic.

    Args:
        probabilities: (N, C) zero-shot class probabilities; -inf where an image cannot be chosen.
        k: seeds per class at most.
        mode: "argmax_topk" [paper wording, UPL]: only images whose best class it is, so classes may
            stay short or empty; "leaderboard" [GRIP, CPL]: an image that its best class has no room
            for may fall to its next class, so that each class fills up.
    """
    classes = probabilities.shape[1]
    if mode == "argmax_topk":
        best = probabilities.argmax(1)
        candidates = [
            (i, c)
            for c in range(classes)
            for i in _by_confidence(probabilities[:, c], best == c)[:k]
        ]
    else:
        candidates = _leaderboard(probabilities, k)
    indices = torch.tensor([i for i, _ in candidates], dtype=torch.int64)
    labels = torch.tensor([c for _, c in candidates], dtype=torch.int64)
    return indices, labels


def _by_confidence(scores: Tensor, mask: Tensor) -> list[int]:
    members = mask.nonzero()[:, 0]
    order = torch.argsort(scores[members], descending=True, stable=True)
    return [int(i) for i in members[order]]


def _leaderboard(probabilities: Tensor, k: int) -> list[tuple[int, int]]:
    images, classes = probabilities.shape
    order = torch.argsort(probabilities.flatten(), descending=True, stable=True)
    room = [k] * classes
    taken: set[int] = set()
    chosen: list[tuple[int, int]] = []
    possible = int((probabilities > -torch.inf).sum())
    for flat in order[:possible].tolist():
        image, label = divmod(flat, classes)
        if room[label] and image not in taken:
            room[label] -= 1
            taken.add(image)
            chosen.append((image, label))
            if len(chosen) == min(images, k * classes):
                break
    return sorted(chosen, key=lambda pair: pair[1])
