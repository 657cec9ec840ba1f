"""All images labelled together: TransCLIP, and its anchored form for the first labels of CoFT.

Zanella, Gerin and Ben Ayed, "Boosting vision-language models with transduction", NeurIPS 2024,
arXiv:2406.01837, the zero-shot variant, written from the paper. The classes are Gaussians of the
unit image features with one diagonal covariance; an image's assignment z is drawn towards its
Gaussian, its neighbours' assignments and its zero-shot probabilities yhat:

    z_i ~ yhat_i^lambda * exp(log p_i / T + sum_j w_ij z_j),  then means and covariance from z.

As published: lambda = 1, T = 1, w_ij the cosine of the 3 nearest neighbours, means that start from
the 8 most confident images of each class, covariance from 1 / d; ten rounds of five inner steps.

The temperature T is this project's [studio], and so is how it is measured (`temperature_of`). A
diagonal Gaussian counts d features as independent witnesses; they are not, so every z ends at 0 or
1, which says nothing about the confidence of an image, and drowns the texts. `temperature` divides
by how many times the features repeat each other.

Both means and class sizes are free there, so a name that nothing in the folder fits takes the
images that lie nearest to it: of caltech101's hundred names with ten in the folder it makes 33 %
right out of 50 %. CoFT's form (`anchored`) holds each class by pseudo-images at its zero-shot mean,
as StatA does (Zanella et al., CVPR 2025, arXiv:2501.03729; written from its idea), and estimates
the sizes, so that a class which loses its images loses its pull as well [studio]. Which of the two
it is, `studio.coft.together` decides.

For CoFT, what all images have in common is taken away first (`centred`) [studio]. The cosines of
two images are about 0 on a centred model and .4 to 1 under CLIP, where neighbours would weigh more
and the first Gaussians less. Without it everything here says the same in any cone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from studio.coft.gaussians import log_density, moments
from studio.coft.given import REJECTED, Evidence
from studio.coft.parts import LEAST_PROBABILITY, fixed, parts, without, without_mean, without_tiny
from studio.scores.graph import closest

TEXT_WEIGHT = 1.0
NEIGHBOURS = 3
CONFIDENT = 8
ROUNDS = 10
INNER_STEPS = 5
ANCHORED_TEXT_WEIGHT = 0.7
STARVED = 0.25
"""Of an even share of the images; a class with less of them is starved."""


class Near(NamedTuple):
    """The nearest others of N images: indices (N, k) and what each weighs (N, k), from 0 on."""

    images: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Assigned:
    """After a round: z (N, C) assignments, means (C, d) and the shared variance (d,) from them.

    The next round overwrites z: with it, at most 3 N C numbers are needed beside the probabilities.
    """

    z: Tensor
    means: Tensor
    variance: Tensor


def transduce(
    pictures: Tensor,
    probabilities: Tensor,
    given: Tensor,
    *,
    temperature: float = 1.0,
    near: Near | None = None,
) -> Iterator[Assigned]:
    """The assignments after each of the rounds.

    Args:
        pictures: (N, d) unit image features.
        probabilities: (N, C) yhat, each row sums to 1.
        given: (N,) see `studio.coft.given`. A given label is the image's assignment throughout; a
            rejected image shapes no class and no neighbour.
        temperature: T; above 1 the Gaussians weigh less beside the texts.
        near: the nearest images and their weights, see `nearest_of`; None: they are looked for.
    """
    near = near or nearest_of(pictures, given)
    rejected = given == REJECTED
    z = fixed(probabilities.clone(), given)
    with without(z, rejected, value=-1.0):
        means = _first_means(pictures, z, usable=len(z) - int(rejected.sum()))
    variance = torch.full_like(pictures[0], 1 / pictures.shape[1])
    for _ in range(ROUNDS):
        pull = _pull(pictures, means, variance, probabilities, temperature, TEXT_WEIGHT)
        z = _inner_steps(z, pull, near, given)
        del pull
        with without(z, rejected):
            means, variance = moments(pictures, z, means)
        yield Assigned(z, means, variance)


def anchored(
    pictures: Tensor,
    probabilities: Tensor,
    given: Tensor,
    *,
    temperature: float,
    anchor: float,
    told: Tensor | None = None,
    near: Near | None = None,
) -> Iterator[Assigned]:
    """As `transduce`, with means that are held and class sizes that are estimated [studio].

    The mean of a class is that of its images and of `anchor` pseudo-images at its mean under the
    probabilities (N, C), but free as far as answers name it, which say more than a text: `told`
    (C,) in [0, 1]; None: where it has a given label. The log of its size, with one image more than
    it has, stands beside its texts' log probability.
    """
    near = near or nearest_of(pictures, given)
    rejected = given == REJECTED
    z = fixed(probabilities.clone(), given)
    with without(z, rejected):
        means, variance = moments(pictures, z, torch.zeros_like(pictures[:1]))
        sizes = z.sum(0)
    held = means
    if told is None:
        told = Evidence.of(given).by_class(probabilities.shape[1])
    hold = anchor * (1 - told[:, None])
    for _ in range(ROUNDS):
        shares = ((sizes + 1) / (sizes + 1).sum()).log()
        pull = _pull(pictures, means, variance, probabilities, temperature, ANCHORED_TEXT_WEIGHT)
        pull += shares
        z = _inner_steps(z, pull, near, given)
        del pull
        with without(z, rejected):
            own, variance = moments(pictures, z, held)
            sizes = z.sum(0)
        mass = sizes[:, None]
        means = (mass * own + hold * held) / (mass + hold).clamp_min(1e-6)
        yield Assigned(z, means, variance)


def starved(z: Tensor, given: Tensor) -> Tensor:
    """(C,) bool: classes that assignments (N, C) leave less than a quarter of an even share.

    Of the images that were not rejected; given: (N,) see `studio.coft.given`.
    """
    rejected = given == REJECTED
    sizes = z.sum(0) - z[rejected].sum(0)
    return sizes < STARVED * (len(z) - int(rejected.sum())) / z.shape[1]


def centred(pictures: Tensor, given: Tensor, *, overwrite: bool = False) -> Tensor:
    """(N, d) unit vectors without what the images that were not rejected have in common."""
    return without_mean(pictures, given != REJECTED, overwrite=overwrite)


def nearest_of(pictures: Tensor, given: Tensor, *, candidates: Tensor | None = None) -> Near:
    """The nearest of unit vectors (N, d) that were not rejected, by their cosine, at least 0.

    candidates: see `studio.scores.graph.closest`.
    """
    images, cosines = closest(
        pictures, count=NEIGHBOURS, usable=given != REJECTED, candidates=candidates
    )
    return Near(images, cosines.clamp_min(0.0))


def _pull(
    pictures: Tensor,
    means: Tensor,
    variance: Tensor,
    probabilities: Tensor,
    temperature: float,
    text_weight: float,
) -> Tensor:
    """(N, C) what draws the images to the classes, but for their neighbours."""
    pull = log_density(pictures, means, variance).div_(temperature)
    for rows in parts(pull):
        prior = probabilities[rows].clamp_min(LEAST_PROBABILITY).log_()
        pull[rows] += prior.mul_(text_weight)
    return pull


def _inner_steps(z: Tensor, pull: Tensor, near: Near, given: Tensor) -> Tensor:
    """Assignments (N, C) after the inner steps, each of all images at once; z is overwritten."""
    spare = torch.empty_like(z)
    for _ in range(INNER_STEPS):
        for rows in parts(z):
            images, weights = near.images[rows], near.weights[rows]
            votes = weights[:, :1] * z[images[:, 0]]
            for j in range(1, images.shape[1]):
                votes += weights[:, j : j + 1] * z[images[:, j]]
            votes += pull[rows]
            torch.softmax(votes, -1, out=spare[rows])
            without_tiny(spare[rows])
        z, spare = fixed(spare, given), z
    return z


def _first_means(pictures: Tensor, scores: Tensor, *, usable: int) -> Tensor:
    """(C, d) of the most confident images of each class; usable: how many may be among them."""
    best = scores.topk(max(1, min(CONFIDENT, usable)), dim=0).indices  # (n, C)
    return pictures[best].mean(0)
