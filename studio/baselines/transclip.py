"""TransCLIP: all images are labelled together, nothing is trained.

Zanella, Gerin and Ben Ayed, NeurIPS 2024, arXiv:2406.01837. Two methods: the paper's formulas, as
they stand in `studio.coft.transduction`, and what its authors run, which differs from them: log
densities are divided by 50, means have length 1, an image counts for its three nearest neighbours
and they for it, each way with half the weight, and an eleventh round ends with the assignments.
Written from the paper and from what is known of the released program, which is under the AGPL; none
of it is here.

Departs: zero-shot probabilities are taken at the model's own temperature in the joint space of
`studio.clip.space`. The images that are labelled together are those of the run; a benchmark's test
images are labelled one by one, see `studio.baselines.shipping.ship_together`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import normalize

from studio.baselines.shipping import ship_together
from studio.coft.events import Event
from studio.coft.gaussians import LEAST_VARIANCE, log_density
from studio.coft.given import REJECTED
from studio.coft.parts import LEAST_PROBABILITY, fixed
from studio.coft.task import Task
from studio.coft.transduction import (
    CONFIDENT,
    INNER_STEPS,
    NEIGHBOURS,
    ROUNDS,
    Assigned,
    nearest_of,
    transduce,
)
from studio.scores.graph import closest

DIVISOR = 50.0
"""Of log densities, in the program that the authors of TransCLIP and of StatA run."""


def fit(task: Task) -> Iterator[Event]:
    """Label all images together by the paper's formulas; see the module."""
    start, pictures = task.start, task.start.pictures.float()
    near = nearest_of(pictures, task.given, candidates=task.candidates)
    rounds = transduce(pictures, start.probabilities, task.given, temperature=1.0, near=near)
    yield from ship_together(task, rounds, count=ROUNDS)


def fit_released(task: Task) -> Iterator[Event]:
    """Label all images together as the authors run it; see the module."""
    start = task.start
    rounds = released(start.pictures.float(), start.probabilities, task.given)
    yield from ship_together(task, rounds, count=ROUNDS + 1, temperature=DIVISOR)


def released(pictures: Tensor, probabilities: Tensor, given: Tensor) -> Iterator[Assigned]:
    """The assignments after each of `ROUNDS` + 1 rounds; arguments as of `transduce`."""
    prior = probabilities.clamp_min(LEAST_PROBABILITY).log()
    usable = (given != REJECTED)[:, None]
    graph = Graph.of(pictures, usable[:, 0])
    z = fixed(probabilities.clone(), given)
    confidence, best = (z * usable).topk(min(CONFIDENT, len(z)), dim=0)  # (n, C)
    means = normalize((confidence[..., None] * pictures[best]).sum(0), dim=1)
    variance = torch.full_like(pictures[0], 1 / pictures.shape[1])
    for _ in range(ROUNDS + 1):
        pull = log_density(pictures, means, variance) / DIVISOR + prior
        z = graph.settled(z, pull, given)
        yield Assigned(z, means, variance)
        weights = z * usable
        means = unit_means(pictures, weights, means)
        variance = spread(pictures, weights, means)


class Graph:
    """Each image and its nearest others, where both count for one another."""

    def __init__(self, near: Tensor, weights: Tensor) -> None:
        """near, weights: (N, k) indices of the nearest and their cosines."""
        self._near, self._weights = near, weights

    @classmethod
    def of(cls, pictures: Tensor, usable: Tensor) -> Graph:
        """Of unit features (N, d); usable: (N,) bool, who counts for others."""
        near, cosines = closest(pictures, count=NEIGHBOURS, usable=usable)
        return cls(near, cosines.clamp_min(0.0) * usable[:, None])

    def pull(self, z: Tensor) -> Tensor:
        """(N, C): half of what the nearest are assigned to, and of those who have one near."""
        there = (self._weights[..., None] * z[self._near]).sum(1)
        back = torch.zeros_like(z)
        for near, weights in zip(self._near.T, self._weights.T, strict=True):
            back.index_add_(0, near, weights[:, None] * z)
        return (there + back) / (2 * NEIGHBOURS)

    def settled(self, z: Tensor, pull: Tensor, given: Tensor) -> Tensor:
        """Assignments (N, C) after the inner steps; pull: (N, C) of Gaussians and texts."""
        for _ in range(INNER_STEPS):
            z = fixed((pull + self.pull(z)).softmax(1), given)
        return z


def unit_means(pictures: Tensor, weights: Tensor, before: Tensor) -> Tensor:
    """(C, d) directions of the classes under weights (N, C); an empty class keeps its own."""
    sums = weights.T @ pictures
    return torch.where(weights.sum(0)[:, None] > 1e-6, normalize(sums, dim=1), before)


def spread(pictures: Tensor, weights: Tensor, means: Tensor) -> Tensor:
    """(d,): the mean squared distance, number by number, from means (C, d) under weights (N, C)."""
    centre = means.mean(0)  # so that what all have in common is not lost in rounding
    own, apart = pictures - centre, means - centre
    mass, sums = weights.sum(0), weights.T @ own
    squares = weights.sum(1) @ own.square() - 2 * (apart * sums).sum(0) + mass @ apart.square()
    return (squares / mass.sum().clamp_min(1e-12)).clamp_min(LEAST_VARIANCE)
