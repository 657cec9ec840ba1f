"""First labels on which two image models agree [studio; SOTA].

The idea is that of self-adaptive optimal transport (SOTA, arXiv:2506.13723, written from its idea):
every frozen model has a say about all images, what they agree on comes out of their votes, and a
model weighs as much as it agrees with that, found in turns; a model that reads no names votes with
Gaussians that start from the others' labels. There every class is forced to the same size. Here
sizes are whatever labelling together estimates (`studio.coft.transduction`).

Each model that reads names labels all images together by its own texts, in its own features; one
that does not, from what the others agree on. Then their assignments are brought to one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.coft.events import Event

TURNS = 5
LEAST_SAY = 1e-3
"""Of a model that agrees with the others no more than by chance."""


@dataclass(frozen=True)
class Opinion:
    """What a further model sees in the N images of a task.

    pictures: (N, d) unit image features in the model's own space; probabilities: (N, C), zero-shot;
    None: of a model that reads no names.
    """

    pictures: Tensor
    probabilities: Tensor | None = None


Shown = Generator[Event, None, Tensor]
"""Assignments (N, C), and meanwhile how far they are."""
Together = Callable[[Tensor, Tensor, tuple[int, int]], Shown]
"""Labels all images together: pictures (N, d) and probabilities (N, C) to assignments (N, C). Told
which of how many such labellings it is.
"""


def consensus(first: Opinion, others: Sequence[Opinion], together: Together) -> Shown:
    """(N, C) assignments, of all images together, on which the models agree.

    first: the task's own model, which reads names; others: further models; with none, what the own
    model says; together: how all images are labelled together in a model's own features.
    """
    readers = [own for own in (first, *others) if own.probabilities is not None]
    others = [own for own in others if own.probabilities is None]
    labellings, found = len(readers) + len(others), list[Tensor]()
    for own in readers:
        assert own.probabilities is not None
        part = len(found), labellings
        found.append((yield from together(own.pictures, own.probabilities, part)))
    if labellings == 1:
        return found[0]
    read = agreed(found)  # in double precision, as `label_together` gives them
    for own in others:
        part = len(found), labellings
        found.append((yield from together(own.pictures, read.float(), part)))
    return agreed(found)


def agreed(votes: Sequence[Tensor]) -> Tensor:
    """(N, C): the mean of votes (N, C), each weighing as much as it agrees with that mean."""
    weights = says(votes)
    return sum((weight * own for weight, own in zip(weights, votes, strict=True)), 0 * votes[0])


def says(votes: Sequence[Tensor]) -> Tensor:
    """(M,) weights of M votes (N, C), all together 1: kappa with the mean of all, in turns."""
    weights = torch.full((len(votes),), 1 / len(votes), dtype=votes[0].dtype)
    labels = [own.argmax(1) for own in votes]
    for _ in range(TURNS):
        shared = sum((w * own for w, own in zip(weights, votes, strict=True)), 0 * votes[0])
        found, classes = shared.argmax(1), shared.shape[1]
        own = torch.stack([kappa(each, found, classes=classes) for each in labels])
        weights = own.clamp_min(LEAST_SAY).to(weights.dtype)
        weights = weights / weights.sum()
    return weights


def kappa(first: Tensor, second: Tensor, *, classes: int) -> Tensor:
    """Cohen's kappa of two labellings (N,): 1 = the same, 0 = as alike as by chance."""
    same = (first == second).double().mean()
    shares = [
        torch.bincount(labels, minlength=classes).double() / len(labels)
        for labels in (first, second)
    ]
    chance = shares[0] @ shares[1]
    return (same - chance) / (1 - chance).clamp_min(1e-12)
