"""The seed set: the most confident zero-shot images of each class (paper, Section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain

import torch
from torch import Tensor

_SORTED = 2**22
"""Scores that are sorted at a time."""
_DRAWN = 2**17
"""Scores that are drawn by chance to find out how many are above a bound."""
ANY_CLASS = -1
NO_CLASS = -2
"""What an image may be a seed of, where it is not one class."""
PRESENT = 0.5
"""Of an even share among the classes that take part; a class that labels less gets no seeds."""


def seeds_by_class(
    scores: Tensor,
    *,
    k: int,
    cap: bool,
    mode: str = "argmax_topk",
    allowed: Tensor | None = None,
) -> Tensor:
    """(C,) int64, the most seeds that each class may have [studio].

    With `cap`, at most half of the images that are labelled as a class become its seeds, and none
    if those are hardly any: names that nothing in the folder fits still collect a few images each,
    and with ten of a hundred names in the folder four of five seeds were theirs. "Hardly any" is
    less than `PRESENT` of an even share among as many classes as the labels are spread over (the
    exponential of their entropy). No class has more than half of an even share among those left.

    Args:
        scores: (N, C) whose largest is an image's label.
        k: The most that any class may have.
        cap: Without, k for each.
        mode: As of `seed_set`; a leaderboard fills every class, so that there the cap is half of an
            even share among all.
        allowed: As of `seed_set`; an image that may be no seed does not count.
    """
    classes = scores.shape[1]
    best = _best(scores, allowed)
    best = best[best >= 0]
    images = len(best)
    if not cap:
        return torch.full((classes,), k)
    if mode != "argmax_topk":
        return torch.full((classes,), _half(images, classes, k))
    counts = torch.bincount(best, minlength=classes)
    shares = counts / max(images, 1)
    spread = float(torch.special.entr(shares).sum().exp())
    present = counts >= max(1.0, PRESENT * images / spread)
    even = _half(images, int(present.sum()), k)
    return torch.where(present, (counts + 1).div(2, rounding_mode="floor").clamp_max(even), 0)


def _half(images: int, classes: int, k: int) -> int:
    """Half of an even share, at most k and at least 1."""
    return min(k, max(1, math.ceil(images / (2 * max(classes, 1)))))


def without_prior(probabilities: Tensor, *, power: float, overwrite: bool = False) -> Tensor:
    """(N, C) class probabilities over a power of their mean over the images [studio].

    A model's favourite classes swallow their neighbours, which then get no seed and can never be
    learned. power 0 leaves the probabilities as they are, but for rounding: rows add up to 1 again;
    1 takes all classes for equally frequent, which they may not be. Source: logit adjustment (Menon
    et al., 2021), on the model's own predictions as in DebiasPL (Wang et al., 2022).

    overwrite: the probabilities are not needed any more, and make room for what is returned.
    """
    prior = probabilities.mean(0).clamp_min(1e-12) ** power
    adjusted = probabilities.div_(prior) if overwrite else probabilities / prior
    return adjusted.div_(adjusted.sum(1, keepdim=True))


def _best(scores: Tensor, allowed: Tensor | None) -> Tensor:
    """(N,) the best class of each image that it may be a seed of; `NO_CLASS`: it may be none."""
    best = scores.argmax(1)
    return best if allowed is None else torch.where(allowed == ANY_CLASS, best, allowed)


def seed_set(
    probabilities: Tensor,
    *,
    k: int | Tensor,
    mode: str = "argmax_topk",
    allowed: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Indices (n,) and labels (n,) of the seeds, grouped by class, the most confident first.

    Ties are broken by index, so the choice is deterministic.

    Args:
        probabilities: (N, C) zero-shot class probabilities.
        k: seeds per class at most; or (C,) of each.
        mode: "argmax_topk" [paper wording, UPL]: only images whose best class it is, so classes may
            stay short or empty; "leaderboard" [GRIP, CPL]: an image that its best class has no room
            for may fall to its next class, so that each class fills up.
        allowed: (N,) the class that an image may be a seed of, `ANY_CLASS` or `NO_CLASS`; None: any
            of each. So no copy of the probabilities is needed that leaves some of them out.
    """
    classes = probabilities.shape[1]
    most = k.tolist() if isinstance(k, Tensor) else [k] * classes
    if mode == "argmax_topk":
        best = _best(probabilities, allowed)
        candidates = [
            (i, c)
            for c in range(classes)
            for i in _by_confidence(probabilities[:, c], best == c, most=most[c])
        ]
    else:
        candidates = _leaderboard(probabilities, most, allowed)
    indices = torch.tensor([i for i, _ in candidates], dtype=torch.int64)
    labels = torch.tensor([c for _, c in candidates], dtype=torch.int64)
    return indices, labels


def _by_confidence(scores: Tensor, mask: Tensor, *, most: int) -> list[int]:
    members = mask.nonzero()[:, 0]
    order = torch.argsort(scores[members], descending=True, stable=True)
    return members[order[:most]].tolist()


def _from_the_top(scores: Tensor) -> Iterator[list[int]]:
    """Places of scores (N, C), counted row by row: the largest first, of equal ones the first.

    Those of -inf are left out. Some at a time: sorted all at once, a million images and a hundred
    classes take five times as much memory as the scores, and their top fills the seed sets.
    """
    flat, stream = scores.reshape(-1), torch.Generator().manual_seed(0)
    if not len(flat):
        return
    drawn = flat[torch.randint(len(flat), (_DRAWN,), generator=stream)]
    wanted = max(1, _SORTED * len(drawn) // len(flat))
    above, bound = torch.inf, torch.inf
    while bound > -torch.inf:
        left = drawn[(drawn < above) & (drawn > -torch.inf)]
        # Where the next ones end, as those that were drawn tell.
        few = len(flat) <= _SORTED or len(left) <= wanted
        bound = -torch.inf if few else float(left.topk(wanted).values[-1])
        places = list[Tensor]()
        for begin in range(0, len(flat), _SORTED):
            part = flat[begin : begin + _SORTED]
            inside = (part < above) & (part >= bound) & (part > -torch.inf)
            places.append(begin + inside.nonzero()[:, 0])
        here = torch.cat(places)
        order = here[flat[here].argsort(descending=True, stable=True)]
        # As numbers of Python all of them are 60 bytes each.
        yield from (part.tolist() for part in order.split(2**16))
        above = bound


def _leaderboard(
    probabilities: Tensor, most: Sequence[int], allowed: Tensor | None
) -> list[tuple[int, int]]:
    images, classes = probabilities.shape
    room = list(most)
    only = [ANY_CLASS] * images if allowed is None else allowed.tolist()
    images -= only.count(NO_CLASS)
    taken: set[int] = set()
    chosen: list[tuple[int, int]] = []
    for flat in chain.from_iterable(_from_the_top(probabilities)):
        image, label = divmod(flat, classes)
        if room[label] and image not in taken and only[image] in (ANY_CLASS, label):
            room[label] -= 1
            taken.add(image)
            chosen.append((image, label))
            if len(chosen) == min(images, sum(most)):
                break
    return sorted(chosen, key=lambda pair: pair[1])
