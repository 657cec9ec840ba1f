"""Gaussians of image features with one diagonal covariance, for `studio.coft.transduction`."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_VARIANCE = 1e-8
_ROWS = 2**16  # of the images at a time: of a million, their squares would be gigabytes


def temperature_of(pictures: Tensor) -> float:
    """T for features (N, d): d over the number of dimensions that they vary in, at least 1.

    That number is the participation ratio of the covariance S, tr(S)^2 / tr(S S).
    """
    mean, width = pictures.mean(0), pictures.shape[1]
    covariance = pictures.new_zeros(width, width)
    for some in pictures.split(_ROWS):
        centred = some - mean
        covariance += centred.T @ centred
    spread = float(covariance.trace())
    if spread <= 0:
        return 1.0
    return max(1.0, width * float(covariance.square().sum()) / spread**2)


def log_density(pictures: Tensor, means: Tensor, variance: Tensor) -> Tensor:
    """(N, C) log densities under Gaussians of means (C, d) and a shared variance (d,).

    Up to what all classes share.
    """
    weight, bias = linear_density(means, variance)
    return (pictures @ weight.T).add_(bias)


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
    around = -(mass @ (means - centre).square())
    for share, some in zip(shares.split(_ROWS), pictures.split(_ROWS), strict=True):
        around += share @ (some - centre).square()
    second = around / total
    return means, second.clamp_min(LEAST_VARIANCE)
