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

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from studio.coft.answers import Answers
from studio.coft.gaussians import log_density, moments, temperature_of
from studio.coft.given import REJECTED, UNKNOWN, Evidence
from studio.coft.parts import LEAST_PROBABILITY, fixed, parts, without, without_mean, without_tiny
from studio.scores.graph import closest

TEXT_WEIGHT = 1.0
NEIGHBOURS = 3
CONFIDENT = 8
ROUNDS = 10
INNER_STEPS = 5
TRACE = 1e-3
ANCHORED_TEXT_WEIGHT = 0.7
STARVED = 0.25
"""Of an even share of the images; a class with less of them is starved."""
FEW_STARVED, MANY_STARVED = 0.05, 0.5
"""Shares of starved classes up to which all names seem to be in the folder, and from which most
seem to be missing."""
NAMED = 0.5
"""Trust from which an answer shows that its class is in the folder."""
LARGE_TABLE = 2**28
"""Images times classes, from which a table of them is not held more often than need be: 1 GB."""


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
    with without(z, rejected):
        means = _first_means(pictures, z)
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


def starved(z: Tensor) -> Tensor:
    """(C,) bool: classes that assignments (N, C) leave less than a quarter of an even share."""
    images, classes = z.shape
    return z.sum(0) < STARVED * images / classes


def anchor_beside_answers(
    pictures: Tensor,
    probabilities: Tensor,
    given: Tensor,
    *,
    device: torch.device,
    anchor: float,
    candidates: Tensor | None = None,
) -> float:
    """The anchor of `label_together` where answers are: 0, free, if classes are without them.

    Answers lift the classes that they name above the others, which seem to starve beside them. So
    whether all names seem to be in the folder is asked without them, and a few answers do not
    change it: with two a class on eurosat 54 % of the labels are right with free classes, and 38 %
    with held ones.

    Args:
        pictures: (N, d) unit image features.
        probabilities: (N, C) that know of no answer.
        given: (N,) see `studio.coft.given`; only what is rejected counts here.
        device: where it is computed.
        anchor: what holds classes where names seem to be missing.
        candidates: see `label_together`.
    """
    if not anchor:
        return anchor
    nobody = given.to(device)
    nobody = nobody.where(nobody == REJECTED, UNKNOWN)
    pictures, temperature, near = _compared(pictures.to(device).float(), nobody, candidates)
    probabilities = probabilities.to(device).float()
    if probabilities.numel() > LARGE_TABLE:
        from studio.coft.likeliest import Rounds  # which is made of what stands here

        held = Rounds(
            pictures, probabilities, nobody, near=near, temperature=temperature, anchor=anchor,
            told=torch.zeros_like(probabilities[0]),
        )  # fmt: skip
        lacking = held.after(ROUNDS).lacking()
    else:
        rounds = anchored(
            pictures, probabilities, nobody, temperature=temperature, anchor=anchor, near=near
        )
        z = _last(rounds)
        lacking = float(starved(z).float().mean())
    return anchor if lacking > FEW_STARVED else 0.0


def label_together(
    pictures: Tensor,
    probabilities: Tensor,
    given: Tensor,
    *,
    device: torch.device,
    given_evidence: float = 0.0,
    anchor: float = 0.0,
    evidence: Evidence | None = None,
    candidates: Tensor | None = None,
    overwrite: bool = False,
) -> Tensor:
    """(N, C) tempered assignments, on the CPU; arguments as of `transduce` and `anchored`.

    Anchored or free is chosen for each folder. Where classes are held and hardly any starves, all
    of them seem to be there, and free means say more. Where more than half starve, the folder has
    few of the listed classes, what is repeated goes further from the texts than they deserve, and
    the first anchored round stands; else the last. anchor 0, or trusted answers of every class,
    which show that none is absent: free.

    given_evidence: weight of `Answers`; evidence: what they are; None: the given labels, in full.
    device: where it is computed.

    A trace of the probabilities is mixed in, so that images whose assignment is certain (z = 1) are
    ranked by those; in float64, for in float32 all above .9999 would tie. Answers count in this
    rank as far as the first labels were wrong (`Evidence.first_right`): in full, the seeds of a
    class would all lie around its one or two answered images, which teaches less than the surest
    ones do where names are right, and follows a wrong answer. Where N C is above `LARGE_TABLE`,
    only the likeliest classes of each image are counted with (`studio.coft.likeliest`), in float32.

    candidates: (N, k) the images among which the nearest are looked for, see
    `studio.scores.graph.closest`. overwrite: the probabilities are not needed any more, and may
    make room for what is returned.
    """
    pictures, given = pictures.to(device).float(), given.to(device)
    told = Evidence.of(given) if evidence is None else evidence.to(device)
    pictures, temperature, near = _compared(pictures, given, candidates)
    answers = Answers.of(pictures, told, weight=given_evidence)
    there = probabilities.to(device).float()
    overwrite = overwrite or there.data_ptr() != probabilities.data_ptr()
    probabilities = there
    if answers is not None:
        probabilities, overwrite = answers.added_to(there, overwrite=overwrite), True
    del there
    named = told.by_class(probabilities.shape[1])

    def ties(rows: slice) -> Tensor:
        if answers is None or not told.first_right:
            return probabilities[rows]
        return answers.of_rows(probabilities[rows], rows, share=-told.first_right)

    if probabilities.numel() > LARGE_TABLE:
        from studio.coft.likeliest import label_many  # which is made of what stands here

        return label_many(
            pictures,
            probabilities,
            given,
            near=near,
            temperature=temperature,
            anchor=anchor,
            told=named,
            ties=ties,
            overwrite=overwrite,
        )
    lacking, z = 0.0, probabilities
    if anchor and float(named.min()) < NAMED:
        held = partial(
            anchored, pictures, probabilities, given,
            temperature=temperature, anchor=anchor, told=named, near=near,
        )  # fmt: skip
        z = _last(held())
        lacking = float(starved(z).float().mean())
        if lacking > MANY_STARVED:
            del z  # the first round is run again: kept, it would be N C numbers more
            z = next(held()).z
    if lacking <= FEW_STARVED:
        del z
        z = _last(transduce(pictures, probabilities, given, temperature=temperature, near=near))
    mixed = torch.empty(z.shape, dtype=torch.float64)
    for rows in parts(z):
        torch.lerp(z[rows].cpu().double(), ties(rows).cpu().double(), TRACE, out=mixed[rows])
    return mixed


def _last(rounds: Iterator[Assigned]) -> Tensor:
    """The assignments after the last round; those before it are not kept."""
    (last,) = deque(rounds, maxlen=1)
    return last.z


def _compared(
    pictures: Tensor, given: Tensor, candidates: Tensor | None
) -> tuple[Tensor, float, Near]:
    """Unit vectors (N, d) without what all have in common, their temperature and nearest others."""
    pictures, rejected = centred(pictures, given), given == REJECTED
    temperature = temperature_of(pictures[~rejected] if rejected.any() else pictures)
    return pictures, temperature, nearest_of(pictures, given, candidates=candidates)


def centred(pictures: Tensor, given: Tensor) -> Tensor:
    """(N, d) unit vectors without what the images that were not rejected have in common."""
    return without_mean(pictures, given != REJECTED)


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


def _first_means(pictures: Tensor, scores: Tensor) -> Tensor:
    """(C, d) of the most confident images of each class."""
    best = scores.topk(min(CONFIDENT, len(scores)), dim=0).indices  # (n, C)
    return pictures[best].mean(0)
