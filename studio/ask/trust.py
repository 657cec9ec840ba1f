"""What answers are worth: how likely each one is to be right, without a true label [studio].

An answer has witnesses: the image's first label, the nearest other answer where that is near, and
what another source said of the same image. Each kind of witness is right with a share r of its own,
the source is wrong with a share e, and a wrong answer or witness says one of K other names by
chance. Where a witness agrees with an answer, the odds that the answer is right grow by
r / ((1 - r) / K); where it does not, they shrink by (1 - r) / (r + (1 - r) (1 - 1 / K)). All shares
are learned from the answers at hand by expectation and maximisation (Dawid and Skene, 1979), e
beside a prior, for a few answers cannot tell a bad source from bad first labels.

So where first labels are mostly right, a lonely answer that contradicts them counts little, and
where answers contradict most first labels, those are what is not believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

PERSON, JUDGE = (1.0, 39.0), (2.0, 18.0)
"""Priors of e as wrong and right answers: 1 of 40, and 2 of 20."""
OTHERS = 4
"""K at most: names that are mistaken for one."""
NEAR = 0.6
"""Cosine, without what all images have in common, from which another answer is a witness."""
KNOWN = 0.95
"""r of what a person said of an image that a judge was asked about."""
STEPS = 30
BOUNDS = 0.02, 0.98


@dataclass(frozen=True)
class Trust:
    """values: (n,) in [0, 1], how likely each answer is right; wrong: e; right: of witnesses, r."""

    values: Tensor
    wrong: float
    right: tuple[float, ...]


def trust_of(
    answers: Tensor,
    witnesses: Sequence[Tensor],
    *,
    classes: int,
    prior: tuple[float, float] = JUDGE,
    again: tuple[int, int] = (0, 0),
    known: Tensor | None = None,
) -> Trust:
    """How far n answers of one source are to be trusted.

    Args:
        answers: (n,) classes.
        witnesses: of each kind (n,) what it says; below 0 = nothing.
        classes: C.
        prior: of e.
        again: how many answers the source gave a second time alike and how many otherwise. One that
            contradicts itself was wrong at least once.
        known: (n,) what a more trusted source said of the same images; below 0 = nothing. Its r is
            not learned.
    """
    learned = len(witnesses)
    witnesses = [*witnesses, *([] if known is None else [known])]
    others = max(1, min(OTHERS, classes - 1))
    same, other = again
    wrong_before, right_before = prior[0] + other / 2, prior[1] + same / 2
    wrong = wrong_before / (wrong_before + right_before)
    said = [witness >= 0 for witness in witnesses]
    agree = [witness == answers for witness in witnesses]
    right = [0.5] * learned + [KNOWN] * (len(witnesses) - learned)
    values = torch.full((len(answers),), 1 - wrong, dtype=torch.float64)
    for _ in range(STEPS if len(answers) else 0):
        odds = torch.full_like(values, np.log((1 - wrong) / wrong))
        for r, speaks, agrees in zip(right, said, agree, strict=True):
            for_it = np.log(r * others / (1 - r))
            against = np.log((1 - r) / _contradicts(r, others))
            odds += torch.where(speaks, torch.where(agrees, for_it, against), 0.0)
        values = odds.sigmoid()
        found = wrong_before + float((1 - values).sum())
        wrong = float(np.clip(found / (wrong_before + right_before + len(answers)), *BOUNDS))
        for number, (speaks, agrees) in enumerate(zip(said[:learned], agree, strict=False)):
            r = right[number]
            doubted = (1 - values) * r / _contradicts(r, others)
            mine = torch.where(agrees, values, doubted)[speaks]
            right[number] = float(np.clip((1 + float(mine.sum())) / (2 + len(mine)), *BOUNDS))
    return Trust(values.float(), wrong, tuple(right))


def nearest_answers(units: Tensor, answers: Tensor) -> Tensor:
    """(n,) the answer of the most similar other image that was answered; -1: none is near.

    units: (n, d) of the answered images, centred.
    """
    if len(answers) < 2:
        return torch.full_like(answers, -1)
    cosines = units @ units.T
    cosines.fill_diagonal_(-1.0)
    nearest = cosines.max(1)
    return torch.where(nearest.values >= NEAR, answers[nearest.indices], -1)


def _contradicts(r: float, others: int) -> float:
    """How likely a witness contradicts a wrong answer."""
    return r + (1 - r) * (1 - 1 / others)
