"""StatA: labelled together, with each class held at its text as long as few images speak for it.

Zanella, Fuchs, De Vleeschouwer and Ben Ayed, "Realistic test-time adaptation of vision-language
models", CVPR 2025, arXiv:2501.03729, written from the paper and from what is known of the released
program, which is under the AGPL; none of it is here. As in TransCLIP classes are Gaussians, here
with a diagonal covariance each, and log densities are divided by 50. A class of n images, by their
likeliest class, moves by n / (n + 1) from its anchor, which is the text and the spread of all
images about their texts, to the mean and spread of its own images.

Departs: as `studio.baselines.transclip`. What is shipped has one covariance for all classes, the
mean of theirs over the images, because it is a linear head.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import normalize

from studio.baselines.shipping import ship_together
from studio.baselines.transclip import DIVISOR, Graph, spread, unit_means
from studio.coft.events import Event
from studio.coft.gaussians import LEAST_VARIANCE
from studio.coft.given import REJECTED
from studio.coft.parts import LEAST_PROBABILITY, fixed
from studio.coft.task import Task
from studio.coft.transduction import ROUNDS, Assigned

ANCHOR = 1.0
"""Images that an anchor counts as."""


def fit(task: Task) -> Iterator[Event]:
    """Label all images together; see the module."""
    start = task.start
    rounds = anchored_to_texts(
        start.pictures.float(),
        start.probabilities,
        start.space.texts(task.class_vectors).float(),
        task.given,
    )
    yield from ship_together(task, rounds, count=ROUNDS + 1, temperature=DIVISOR)


def anchored_to_texts(
    pictures: Tensor, probabilities: Tensor, texts: Tensor, given: Tensor
) -> Iterator[Assigned]:
    """The assignments after each of `ROUNDS` + 1 rounds.

    texts: (C, d) unit class vectors in the space of the pictures; the others as of `transduce`.
    """
    prior = probabilities.clamp_min(LEAST_PROBABILITY).log()
    usable = (given != REJECTED)[:, None]
    graph = Graph.of(pictures, usable[:, 0])
    z = fixed(probabilities.clone(), given)
    anchor = spread(pictures, z * usable, texts).expand_as(texts)
    means, variances = texts, anchor
    for _ in range(ROUNDS + 1):
        pull = densities(pictures, means, variances) / DIVISOR + prior
        z = graph.settled(z, pull, given)
        weights = z * usable
        shares = weights.sum(0) / weights.sum().clamp_min(1e-12)
        yield Assigned(z, means, shares @ variances)
        images = torch.bincount(z.argmax(1)[usable[:, 0]], minlength=z.shape[1])[:, None]
        own = images / (images + ANCHOR)
        means = normalize(own * unit_means(pictures, weights, texts) + (1 - own) * texts, dim=1)
        moved = (texts - means).square()
        variances = own * spreads(pictures, weights, means) + (1 - own) * (anchor + moved)


def densities(pictures: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    """(N, C) log densities of Gaussians of means and variances (C, d), up to a constant."""
    centre = means.mean(0)  # so that what all have in common is not lost in rounding
    own, apart, precision = pictures - centre, means - centre, 1 / variances
    squares = own.square() @ precision.T - 2 * own @ (apart * precision).T
    return -0.5 * (squares + (apart.square() * precision + variances.log()).sum(1))


def spreads(pictures: Tensor, weights: Tensor, means: Tensor) -> Tensor:
    """(C, d): the same as `spread`, of each class by itself; an empty one has the least."""
    centre = means.mean(0)
    own, apart = pictures - centre, means - centre
    mass = weights.sum(0).clamp_min(1e-12)[:, None]
    about = weights.T @ own.square() - 2 * apart * (weights.T @ own)
    return (about / mass + apart.square()).clamp_min(LEAST_VARIANCE)
