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
the sizes, so that a class which loses its images loses its pull as well [studio].

For CoFT, what all images have in common is taken away first (`centred`) [studio]. The cosines of
two images are about 0 on a centred model and .4 to 1 under CLIP, where neighbours would weigh more
and the first Gaussians less. Without it everything here says the same in any cone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from studio.coft.given import REJECTED, Evidence

TEXT_WEIGHT = 1.0
NEIGHBOURS = 3
CONFIDENT = 8
ROUNDS = 10
INNER_STEPS = 5
BLOCK = 1024
LEAST_VARIANCE = 1e-8
TRACE = 1e-3
AFFINITY_SLOPE = 5.0
ANCHORED_TEXT_WEIGHT = 0.7
STARVED = 0.25
"""Of an even share of the images; a class with less of them is starved."""
FEW_STARVED, MANY_STARVED = 0.05, 0.5
"""Shares of starved classes up to which all names seem to be in the folder, and from which most
seem to be missing."""
NAMED = 0.5
"""Trust from which an answer shows that its class is in the folder."""
LEAST_PROBABILITY = 1e-37
"""Whose logarithm is still finite in float32."""


@dataclass(frozen=True)
class Assigned:
    """After a round: z (N, C) assignments, means (C, d) and the shared variance (d,) from them."""

    z: Tensor
    means: Tensor
    variance: Tensor


Near = tuple[Tensor, Tensor]
"""What `neighbours` returns."""


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
        near: `neighbours` of the pictures, where they are known already.
    """
    prior = probabilities.clamp_min(LEAST_PROBABILITY).log()
    usable = given != REJECTED
    nearest, weights = _usable(near, pictures, usable)
    z = fixed(probabilities, given)
    means = _first_means(pictures, z * usable[:, None])
    variance = torch.full_like(pictures[0], 1 / pictures.shape[1])
    for _ in range(ROUNDS):
        pull = log_density(pictures, means, variance) / temperature + TEXT_WEIGHT * prior
        for _ in range(INNER_STEPS):
            z = fixed((pull + (weights[..., None] * z[nearest]).sum(1)).softmax(-1), given)
        means, variance = moments(pictures, z * usable[:, None], means)
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
    prior = ANCHORED_TEXT_WEIGHT * probabilities.clamp_min(LEAST_PROBABILITY).log()
    usable = given != REJECTED
    nearest, weights = _usable(near, pictures, usable)
    z = fixed(probabilities, given)
    means, variance = moments(pictures, z * usable[:, None], torch.zeros_like(pictures[:1]))
    held = means
    if told is None:
        told = Evidence.of(given).by_class(probabilities.shape[1])
    hold = anchor * (1 - told[:, None])
    for _ in range(ROUNDS):
        sizes = (z * usable[:, None]).sum(0)
        shares = ((sizes + 1) / (sizes + 1).sum()).log()
        pull = log_density(pictures, means, variance) / temperature + prior + shares
        for _ in range(INNER_STEPS):
            z = fixed((pull + (weights[..., None] * z[nearest]).sum(1)).softmax(-1), given)
        own, variance = moments(pictures, z * usable[:, None], held)
        mass = (z * usable[:, None]).sum(0)[:, None]
        means = (mass * own + hold * held) / (mass + hold).clamp_min(1e-6)
        yield Assigned(z, means, variance)


def starved(z: Tensor) -> Tensor:
    """(C,) bool: classes that assignments (N, C) leave less than a quarter of an even share."""
    images, classes = z.shape
    return z.sum(0) < STARVED * images / classes


def label_together(
    pictures: Tensor,
    probabilities: Tensor,
    given: Tensor,
    *,
    device: torch.device,
    given_evidence: float = 0.0,
    anchor: float = 0.0,
    evidence: Evidence | None = None,
    near: Near | None = None,
) -> Tensor:
    """(N, C) tempered assignments, on the CPU; arguments as of `transduce` and `anchored`.

    Anchored or free is chosen for each folder. Where classes are held and hardly any starves, all
    of them seem to be there, and free means say more. Where more than half starve, the folder has
    few of the listed classes, what is repeated goes further from the texts than they deserve, and
    the first anchored round stands; else the last. anchor 0, or trusted answers of every class,
    which show that none is absent: free. near: `neighbours` of the `centred` pictures, where they
    are known already; a rejected image among them counts nothing.

    given_evidence: weight of `with_evidence`; evidence: what it takes; None: the given labels, in
    full. device: where it is computed; comparing all pairs of
    images takes time with the square of N. A trace of the probabilities is mixed in, so that images
    whose assignment is certain (z = 1) are ranked by those; in float64, for in float32 all above
    .9999 would tie.
    """
    pictures, given = pictures.to(device).float(), given.to(device)
    told = Evidence.of(given) if evidence is None else evidence.to(device)
    probabilities = with_evidence(
        pictures, probabilities.to(device), given, weight=given_evidence, evidence=told
    )
    pictures = centred(pictures, given)
    temperature = temperature_of(pictures[given != REJECTED])
    named, lacking = told.by_class(probabilities.shape[1]), 0.0
    if anchor and float(named.min()) < NAMED:
        first, *_, last = anchored(
            pictures, probabilities, given,
            temperature=temperature, anchor=anchor, told=named, near=near,
        )  # fmt: skip
        lacking = float(starved(last.z).float().mean())
        if lacking > MANY_STARVED:
            last = first
    if lacking <= FEW_STARVED:
        *_, last = transduce(pictures, probabilities, given, temperature=temperature, near=near)
    return last.z.cpu().double().lerp(probabilities.cpu().double(), TRACE)


def centred(pictures: Tensor, given: Tensor) -> Tensor:
    """(N, d) unit vectors without what the images that were not rejected have in common."""
    return normalize(pictures - pictures[given != REJECTED].mean(0), dim=1)


def with_evidence(
    pictures: Tensor,
    probabilities: Tensor,
    given: Tensor,
    *,
    weight: float,
    evidence: Evidence | None = None,
) -> Tensor:
    """Probabilities (N, C) in which answers count as evidence for similar images.

    given: (N,), of which the rejected shape nothing; evidence: the answers and what they are worth;
    None: the given labels, in full.

    The log-odds of a class, the same at every scale, grow by weight * trust * exp(-5 (1 - cosine)),
    most by that of the images which were given this label: Tip-Adapter's affinity
    (Zhang et al., ECCV 2022, arXiv:2207.09519), but of the nearest instead of the sum of all, and
    without what all images have in common, so that a class does not grow because many of its
    images were corrected or none of the others'. So one or two labels a class can name a group of
    images that the texts call by another class's name.
    """
    told = Evidence.of(given) if evidence is None else evidence
    labelled = (told.labels >= 0).nonzero()[:, 0]
    if not weight or not len(labelled):
        return probabilities
    trust = told.trust[labelled].to(pictures.dtype)
    own = centred(pictures, given)
    weighed = []
    for block, before in zip(own.split(BLOCK), probabilities.split(BLOCK), strict=True):
        affinity = (-AFFINITY_SLOPE * (1 - block @ own[labelled].T)).exp()  # (n, answers)
        labels = told.labels[labelled].expand(len(block), -1)
        worth = torch.zeros_like(before).scatter_reduce(1, labels, trust * affinity, "amax")
        prior = before.clamp_min(LEAST_PROBABILITY).log()
        weighed.append((prior + weight * worth).softmax(-1))
    return torch.cat(weighed)


def temperature_of(pictures: Tensor) -> float:
    """T for features (N, d): d over the number of dimensions that they vary in, at least 1.

    That number is the participation ratio of the covariance S, tr(S)^2 / tr(S S).
    """
    centred = pictures - pictures.mean(0)
    covariance = centred.T @ centred
    spread = float(covariance.trace())
    if spread <= 0:
        return 1.0
    return max(1.0, pictures.shape[1] * float(covariance.square().sum()) / spread**2)


def neighbours(pictures: Tensor, usable: Tensor, *, count: int) -> tuple[Tensor, Tensor]:
    """The nearest others of unit vectors (N, d): indices (N, k) and cosines (N, k), at least 0.

    usable: (N,) bool, who may be a neighbour.
    """
    count = min(count, max(1, len(pictures) - 1))
    indices, cosines = [], []
    for rows in torch.arange(len(pictures), device=pictures.device).split(BLOCK):
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
    weight, bias = linear_density(means, variance)
    return pictures @ weight.T + bias


def linear_density(means: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """The same as (C, d) and (C,): log densities are linear, for the variance is shared.

    About the mean of the means: numbers that are equal in all classes and hardly vary, as CLIP's
    features have them, would otherwise weigh 1e8 and be lost in rounding.
    """
    centre = means.mean(0)
    apart = means - centre
    return apart / variance, -0.5 * ((means + centre) * apart / variance).sum(1)


def moments(pictures: Tensor, z: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Means (C, d) and variance (d,) under assignments (N, C); an empty class keeps its mean."""
    mass = z.sum(0)
    means = (z.T @ pictures) / mass.clamp_min(1e-12)[:, None]
    means = torch.where(mass[:, None] > 1e-6, means, before)
    # E[x^2] - sum_k p_k mu_k^2, which never builds the (N, C, d) differences; about the mean, so
    # that a large number that hardly varies is not lost in rounding.
    shares, total = z.sum(1), mass.sum().clamp_min(1e-12)
    centre = shares @ pictures / total
    around = shares @ (pictures - centre).square() - mass @ (means - centre).square()
    second = around / total
    return means, second.clamp_min(LEAST_VARIANCE)


def _usable(near: Near | None, pictures: Tensor, usable: Tensor) -> Near:
    if near is None:
        return neighbours(pictures, usable, count=NEIGHBOURS)
    indices, cosines = near
    return indices, cosines * usable[indices]


def _first_means(pictures: Tensor, scores: Tensor) -> Tensor:
    """(C, d) of the most confident images of each class."""
    best = scores.topk(min(CONFIDENT, len(scores)), dim=0).indices  # (n, C)
    return pictures[best].mean(0)


def fixed(z: Tensor, given: Tensor) -> Tensor:
    """Assignments (N, C) in which given labels (N,) stand."""
    labelled = given >= 0
    z = z.clone()
    z[labelled] = one_hot(given[labelled], z.shape[1]).to(z.dtype)
    return z
