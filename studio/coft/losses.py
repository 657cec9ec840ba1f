"""The two losses of Phase I and the clean probability (paper, Eq. 4 to 6).

Shapes: B images, C classes. similarities are cosines, `scale` is 1 / tau.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from studio.errors import FolderError

LEAST_SHARE = 1e-6
"""Of the likeliest other class: with complement=prob_weighted every class is drawn at times."""


def clean_log_odds(positive: Tensor, negative: Tensor, *, scale: float) -> Tensor:
    """(s+ - s-) / tau, elementwise; above 0 means clean."""
    return scale * (positive - negative)


def clean_probability(positive: Tensor, negative: Tensor, *, scale: float) -> Tensor:
    """p_clean = sigmoid((s+ - s-) / tau) in [0, 1], 1 = clean (paper, Eq. 5)."""
    return clean_log_odds(positive, negative, scale=scale).sigmoid()


def positive_loss(positive: Tensor, labels: Tensor, *, scale: float) -> Tensor:
    """L1: mean cross-entropy of softmax(s+ / tau) against the pseudo-labels (paper, Eq. 4).

    positive: (B, C); labels: (B,).
    """
    return cross_entropy(scale * positive, labels)


def negative_loss(
    positive: Tensor, negative: Tensor, labels: Tensor, complements: Tensor, *, scale: float
) -> Tensor:
    """L2 = -mean[log p_clean(x, y) + log(1 - p_clean(x, yhat))] (paper, Eq. 6).

    Both terms carry the minus: the text before Eq. 6 asks that the clean probability of the
    complement be suppressed, and with a plus sign the loss has no lower bound (docs/method.md).
    Written with logsigmoid so that hard errors keep their gradient.

    positive, negative: (B, C); labels, complements: (B,).
    """
    log_odds = clean_log_odds(positive, negative, scale=scale)
    of_label = log_odds.gather(1, labels[:, None])
    of_complement = log_odds.gather(1, complements[:, None])
    return -(logsigmoid(of_label) + logsigmoid(-of_complement)).mean()


def summed(terms: Mapping[str, Sequence[Tensor]]) -> dict[str, float]:
    """The sum of each, as a number. Terms: () each, of the parts of a batch.

    All are read at once: whoever reads a number waits until the device has worked it out, and would
    do so at every part.
    """
    flat = [term for own in terms.values() for term in own]
    numbers = iter(torch.stack(flat).tolist() if flat else [])
    return {name: sum((next(numbers) for _ in own), 0.0) for name, own in terms.items()}


def draw_complements(
    labels: Tensor,
    *,
    classes: int,
    generator: Generator,
    mode: str = "uniform",
    probabilities: Tensor | None = None,
    top: int = 5,
) -> Tensor:
    """One complement label per image, never the label itself.

    Args:
        labels: (B,) pseudo-labels.
        classes: C, at least 2.
        generator: the source of randomness (CPU).
        mode: "uniform" over the other classes [paper]; "hard" over the `top` likeliest others, or
            "prob_weighted", by zero-shot probability [inferred].
        probabilities: (B, C), needed by the last two.
        top: see "hard".

    Raises:
        FolderError: there is only one class.
    """
    if classes < 2:
        raise FolderError("CoFT needs at least two classes: give one more class name.")
    if mode == "uniform":
        # A shift by 1 .. C - 1 is uniform over the other classes.
        shift = torch.randint(1, classes, labels.shape, generator=generator).to(labels.device)
        return (labels + shift) % classes
    assert probabilities is not None, "this mode needs the zero-shot probabilities"
    own = labels.cpu()[:, None]
    others = probabilities.detach().cpu().scatter(1, own, -1.0)
    if mode == "hard":
        best = others.topk(min(top, classes - 1), dim=1).indices
        weights = torch.zeros_like(others).scatter_(1, best, 1.0)
    else:
        # In shares of the likeliest other, which itself may be next to nothing.
        most = others.amax(1, keepdim=True).clamp_min(torch.finfo(others.dtype).tiny)
        weights = (others / most).clamp_min(LEAST_SHARE).scatter_(1, own, 0.0)
    return torch.multinomial(weights, 1, generator=generator)[:, 0].to(labels.device)
