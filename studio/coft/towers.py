"""The classifiers of Phase II: the whole visual encoder with a new head (paper, Section 3.2.2)."""

from __future__ import annotations

import copy
import math

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from studio.coft.adapters import VisualAdapter
from studio.coft.classifier import Tower, without_projection
from studio.coft.judge import TrainingSet
from studio.coft.student import Student
from studio.settings import Settings

PROBE_STEPS = 100
PROBE_DECAY = 1e-2
LEAST_LENGTH = 1e-3
"""Of the features' own, that is left when what they have in common is taken away."""
PROBE_NUMBERS = 2**25
"""Of images times classes that the probe is fitted on at a time; 0.1 GB in each of its tables."""


def build_tower(
    *,
    student: Student,
    data: TrainingSet,
    adapter: VisualAdapter | None,
    settings: Settings,
    generator: Generator,
) -> tuple[Tower, str]:
    """A fresh tower with its head, and the head's input ("pre_proj" or "post_proj").

    The encoder starts from the original pre-trained one [inferred: in the paper's Table 3 the two
    phases use different models], or, `phase2_init: phase1`, from the adapted one.

    Args:
        student: the model that is copied; its class vectors are the head of `head_init: text` and
            the prior of the probe.
        data: what it will learn; a probe learns it at once.
        adapter: model i's, used by `phase2_init: phase1`; None where there was no Phase I.
        settings: see `Settings`.
        generator: for a random head.
    """
    backbone, space, features = student.backbone, student.space, student.features[data.indices]
    visual = copy.deepcopy(backbone.visual)
    if settings.phase2_init == "phase1" and adapter is not None:
        visual.load_state_dict(adapter.merged_state(backbone.visual))
    projection = None
    if settings.head_input == "pre_proj":
        visual, projection = without_projection(visual)
    text = space.scale * space.texts(student.class_vectors.to(backbone.device))
    mean = space.image_mean
    # Features keep their length in a linear head; dividing by the typical one matches the cosine.
    length = _length(features, space.image_mean.cpu())
    if settings.head_init == "random":
        width = text.shape[1] if projection is None else projection[0].shape[1]
        head = nn.Linear(width, len(text))
        with torch.no_grad():
            head.weight.copy_(
                torch.randn(head.weight.shape, generator=generator) / math.sqrt(width)
            )
            head.bias.zero_()
    else:
        weight = text / length
        bias = -weight @ mean
        if settings.head_init == "probe":
            weight, bias = _probe(features, data, weight.cpu(), bias.cpu())
            weight, bias = weight.to(text.device), bias.to(text.device)
        if projection is not None:
            weight, bias = weight @ projection[0], bias + weight @ projection[1]
        head = nn.Linear(weight.shape[1], len(weight))
        with torch.no_grad():
            head.weight.copy_(weight)
            head.bias.copy_(bias)
    tower = Tower(visual, head).to(backbone.device).requires_grad_(True)
    # Batch statistics of small, filtered sets are worse than the pre-trained ones.
    tower.eval()
    return tower, "post_proj" if projection is None else "pre_proj"


def _length(features: Tensor, middle: Tensor) -> Tensor:
    """The mean length of features (n, d) about their middle (d,); never next to nothing.

    Of one image, or of equal ones, nothing or rounding is left, by which nothing can be divided.
    """
    least = LEAST_LENGTH * float(features.norm(dim=-1).mean())
    return (features - middle).norm(dim=-1).mean().clamp_min(least or 1.0)


def _probe(
    features: Tensor, data: TrainingSet, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Multinomial regression on frozen features (n, d), drawn towards the text head (C, d), (C,).

    A head that already fits keeps fine-tuning from tearing the features apart at its first steps
    (linear probing, then fine-tuning: Kumar et al., 2022).

    What features have in common is taken away, and the rest has length 1 in the mean: so the pull
    towards the texts is as strong in CLIP's narrow cone as where features lie all around.
    """
    middle = features.mean(0)
    length = _length(features, middle)
    x = (features - middle) / length
    origin, shares = weight * length, data.weights / data.weights.sum()
    level = weight @ middle + bias
    weight = origin.clone().requires_grad_(True)
    bias = (level - level.mean()).requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=PROBE_STEPS, line_search_fn="strong_wolfe"
    )

    size = max(1, PROBE_NUMBERS // len(weight))

    def closure() -> float:
        optimizer.zero_grad()
        moved = (weight - origin).square().mean() * len(origin)
        loss = PROBE_DECAY * moved
        for rows, labels, share in zip(
            x.split(size), data.labels.split(size), shares.split(size), strict=True
        ):
            losses = cross_entropy(rows @ weight.T + bias, labels, reduction="none")
            part = (share * losses).sum()
            if len(rows) < len(x):  # what a part needs for its gradient goes before the next comes
                part.backward()
                part = part.detach()
            loss = part + loss
        loss.backward()
        return float(loss.detach())

    optimizer.step(closure)
    weight = weight.detach() / length
    return weight, bias.detach() - weight @ middle


def average_with_start(tower: Tower, start: dict[str, Tensor], *, share: float) -> None:
    """Move a tower in place to `share` of its own weights and the rest of its start's.

    Fine-tuning on labels of which some are wrong learns some of the errors; half-way back it has
    forgotten more of them than of what was right (WiSE-FT: Wortsman et al., 2022).
    """
    with torch.no_grad():
        for name, parameter in tower.named_parameters():
            parameter.lerp_(start[name], 1 - share)
