"""TransCLIP: all images are labelled together, nothing is trained.

Zanella, Gerin and Ben Ayed, "Boosting vision-language models with transduction", NeurIPS 2024,
arXiv:2406.01837, the zero-shot variant, written from the paper. The classes are Gaussians of the
unit image features with one diagonal covariance; an image's assignment z is drawn towards its
Gaussian, its neighbours' assignments and its zero-shot probabilities yhat:

    z_i ~ yhat_i^lambda * exp(log p_i + sum_j w_ij z_j),  then means and covariance from z.

As published: lambda = 1, w_ij the cosine of the 3 nearest neighbours, means that start from the 8
most confident images of each class, covariance from 1 / d; ten rounds of five inner steps.

Departs: yhat is taken at the model's own temperature in the joint space of `studio.clip.space`.
The images that are labelled together are those of the run. What is shipped labels new ones one by
one: by the Gaussians and the texts, without neighbours. That makes it an ordinary linear head, for
the covariance is shared; a benchmark's test images are labelled by that, not together.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from studio.baselines.task import Task, method, ship, ship_zero_shot
from studio.coft.cosine import unit_tower
from studio.coft.events import Event, Progress
from studio.coft.given import REJECTED

TEXT_WEIGHT = 1.0
NEIGHBOURS = 3
CONFIDENT = 8
ROUNDS = 10
INNER_STEPS = 5
BLOCK = 1024
LEAST_VARIANCE = 1e-8


@method
def fit(task: Task) -> Iterator[Event]:
    """Label all images together; see the module.

    A given label is the image's assignment throughout; a rejected image shapes no class and no
    neighbour.
    """
    yield task.start.event()
    space = task.start.space
    pictures = space.images(task.features).float()
    prior = task.start.probabilities.clamp_min(1e-12).log()
    usable = task.given != REJECTED
    near, weights = neighbours(pictures, usable, count=NEIGHBOURS)
    z = _fixed(prior.exp(), task.given)
    means = _first_means(pictures, z * usable[:, None])
    variance = torch.full((pictures.shape[1],), 1 / pictures.shape[1])
    done = 0
    while done < ROUNDS and not task.stop():
        pull = log_density(pictures, means, variance) + TEXT_WEIGHT * prior
        for _ in range(INNER_STEPS):
            z = _fixed((pull + (weights[..., None] * z[near]).sum(1)).softmax(-1), task.given)
        means, variance = moments(pictures, z * usable[:, None], means)
        done += 1
        yield Progress("labelling together", done, ROUNDS)
    if not done:
        yield from ship_zero_shot(task)
        return
    # log p + lambda log yhat is linear in the unit feature, up to what all classes share.
    texts = space.scale * space.texts(task.class_vectors)
    tower = unit_tower(
        task.backbone,
        task.space,
        means / variance + TEXT_WEIGHT * texts,
        bias=-0.5 * (means.square() / variance).sum(1),
    )
    yield from ship(task, tower, kind="transduction", probabilities=z)


def neighbours(pictures: Tensor, usable: Tensor, *, count: int) -> tuple[Tensor, Tensor]:
    """The nearest others of unit vectors (N, d): indices (N, k) and cosines (N, k), at least 0.

    usable: (N,) bool, who may be a neighbour.
    """
    count = min(count, max(1, len(pictures) - 1))
    indices, cosines = [], []
    for rows in torch.arange(len(pictures)).split(BLOCK):
        block = pictures[rows] @ pictures.T
        block[:, ~usable] = 0.0
        block[torch.arange(len(rows)), rows] = -1.0  # not oneself
        best = block.topk(count, dim=1)
        indices.append(best.indices)
        cosines.append(best.values.clamp_min(0.0))
    return torch.cat(indices), torch.cat(cosines)


def log_density(pictures: Tensor, means: Tensor, variance: Tensor) -> Tensor:
    """(N, C) log densities under Gaussians of means (C, d) and a shared variance (d,).

    Up to what all classes share.
    """
    cross = pictures @ (means / variance).T
    return cross - 0.5 * (means.square() / variance).sum(1)


def moments(pictures: Tensor, z: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Means (C, d) and variance (d,) under assignments (N, C); an empty class keeps its mean."""
    mass = z.sum(0)
    means = (z.T @ pictures) / mass.clamp_min(1e-12)[:, None]
    means = torch.where(mass[:, None] > 1e-6, means, before)
    # E[x^2] - sum_k p_k mu_k^2, which never builds the (N, C, d) differences.
    second = (z.sum(1) @ pictures.square() - mass @ means.square()) / mass.sum().clamp_min(1e-12)
    return means, second.clamp_min(LEAST_VARIANCE)


def _first_means(pictures: Tensor, scores: Tensor) -> Tensor:
    """(C, d) of the most confident images of each class."""
    best = scores.topk(min(CONFIDENT, len(scores)), dim=0).indices  # (n, C)
    return pictures[best].mean(0)


def _fixed(z: Tensor, given: Tensor) -> Tensor:
    """Assignments (N, C) in which given labels (N,) stand."""
    known = given >= 0
    z = z.clone()
    z[known] = torch.nn.functional.one_hot(given[known], z.shape[1]).to(z.dtype)
    return z
