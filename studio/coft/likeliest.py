"""Labelling together where N x C numbers are too many: each image keeps its likeliest classes.

The same rounds as in `studio.coft.transduction`, but no table of all images and classes is held. Of
an image only `kept` classes have an assignment between rounds; all others are summed up in one
number, and have no votes of neighbours. The last inner step of each round, from which means and
sizes come, is taken for all classes, some rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.coft.gaussians import LEAST_VARIANCE, linear_density
from studio.coft.given import REJECTED
from studio.coft.parts import LEAST_PROBABILITY, fixed, without_tiny
from studio.coft.transduction import (
    ANCHORED_TEXT_WEIGHT,
    CONFIDENT,
    INNER_STEPS,
    STARVED,
    TEXT_WEIGHT,
    Near,
)

KEPT = 64
"""Likeliest classes of each image: of caltech101's hundred, 64 are equal to all within 1e-5."""
PART_ROWS = 1024
"""Images at a time: with 4,096 of them and a thousand classes all takes 1.2 times as long."""


@dataclass(frozen=True)
class Likeliest:
    """Assignments of N images. classes: (N, M) int32, the likeliest; values: (N, M) of them."""

    classes: Tensor
    values: Tensor

    def of(self, images: Tensor, classes: int) -> Tensor:
        """(n, C) the assignments of some images (n,), 0 for classes that are not kept."""
        table = self.values.new_zeros(len(images), classes)
        return table.scatter_(1, self.classes[images].long(), self.values[images])


@dataclass(frozen=True)
class Sums:
    """Over the images that were not rejected: mass (C,), means (C, d) and variance (d,)."""

    mass: Tensor
    means: Tensor
    variance: Tensor


def mixed_likeliest(
    z: Likeliest,
    ties: Callable[[slice], Tensor],
    trace: float,
    probabilities: Tensor,
    *,
    overwrite: bool,
) -> Tensor:
    """(N, C) float32 on the CPU: the assignments with a trace of what images rank by.

    ties: of some rows, (n, C) by which images rank whose assignment is certain; probabilities:
    (N, C), which may be what is returned: overwrite.
    """
    mixed = probabilities.cpu() if overwrite else torch.empty(probabilities.shape)
    for at in range(0, len(mixed), PART_ROWS):
        rows = slice(at, at + PART_ROWS)
        mixed[rows] = ties(rows).cpu() * trace
        values = (1 - trace) * z.values[rows]
        mixed[rows].scatter_add_(1, z.classes[rows].long().cpu(), values.cpu())
    return mixed


class Rounds:
    """Rounds of labelling together; arguments as in `transduction`.

    anchor: None for free means; kept: the likeliest classes that are kept of each image; None:
    `KEPT`.
    """

    def __init__(
        self,
        pictures: Tensor,
        probabilities: Tensor,
        given: Tensor,
        *,
        near: Near,
        temperature: float,
        anchor: float | None,
        told: Tensor,
        kept: int | None = None,
    ) -> None:
        self._pictures, self._probabilities, self._given = pictures, probabilities, given
        self._near, self._temperature = near, temperature
        self._text_weight = TEXT_WEIGHT if anchor is None else ANCHORED_TEXT_WEIGHT
        self._classes = probabilities.shape[1]
        self._kept = min(KEPT if kept is None else kept, self._classes)
        usable = given != REJECTED
        self._usable = usable
        self._centre = pictures[usable].mean(0) if not usable.all() else pictures.mean(0)
        self._spread = torch.zeros_like(self._centre)
        for rows in self._parts():
            apart = (pictures[rows] - self._centre).square()
            self._spread += usable[rows].to(apart.dtype) @ apart
        self.now = self._beginning()
        self._held: Tensor | None = None
        self._hold: Tensor | None = None
        start = self._sums(self._zero_shot, torch.zeros_like(pictures[:1]))
        if anchor is None:
            means = self._first_means()
            variance = torch.full_like(pictures[0], 1 / pictures.shape[1])
            self.sums = Sums(start.mass, means, variance)
        else:
            self._held, self._hold = start.means, anchor * (1 - told[:, None])
            self.sums = start

    def step(self) -> Likeliest:
        """The next round."""
        weight, bias = linear_density(self.sums.means, self.sums.variance)
        if self._held is not None:
            shares = ((self.sums.mass + 1) / (self.sums.mass + 1).sum()).log()
        else:
            shares = torch.zeros_like(bias)

        def pull(rows: slice) -> Tensor:
            found = (self._pictures[rows] @ weight.T).add_(bias).div_(self._temperature)
            prior = self._probabilities[rows].clamp_min(LEAST_PROBABILITY).log_()
            return found.add_(prior.mul_(self._text_weight)).add_(shares)

        own, rest = self._strongest(pull)
        for _ in range(INNER_STEPS - 1):
            self.now = self._inner_step(own, rest)
        before, own_classes = self.now, own.classes
        self.now = Likeliest(own_classes, torch.empty_like(own.values))

        def last(rows: slice) -> Tensor:
            z = without_tiny(pull(rows).add_(self._votes(before, rows)).softmax(-1))
            fixed(z, self._given[rows])
            self.now.values[rows] = z.gather(1, own_classes[rows].long())
            return z

        found = self._sums(last, self.sums.means if self._held is None else self._held)
        means = found.means
        if self._held is not None and self._hold is not None:
            mass = found.mass[:, None]
            means = (mass * means + self._hold * self._held) / (mass + self._hold).clamp_min(1e-6)
        self.sums = Sums(found.mass, means, found.variance)
        return self.now

    def turns(self) -> Iterator[Likeliest]:
        """One round after the other."""
        while True:
            yield self.step()

    def lacking(self) -> float:
        """The share of classes that are starved now, see `transduction.starved`."""
        even = int(self._usable.sum()) / self._classes
        return float((self.sums.mass < STARVED * even).float().mean())

    def _parts(self) -> list[slice]:
        count = len(self._pictures)
        return [slice(at, min(at + PART_ROWS, count)) for at in range(0, count, PART_ROWS)]

    def _zero_shot(self, rows: slice) -> Tensor:
        return fixed(self._probabilities[rows].clone(), self._given[rows])

    def _beginning(self) -> Likeliest:
        """The likeliest by the probabilities alone."""
        found = self._nothing()
        for rows in self._parts():
            found.values[rows], found.classes[rows] = self._zero_shot(rows).topk(self._kept, dim=1)
        return found

    def _nothing(self) -> Likeliest:
        """Room for what is to be found: a list of parts would hold it twice in the end."""
        values = self._pictures.new_empty(len(self._pictures), self._kept)
        return Likeliest(torch.empty_like(values, dtype=torch.int32), values)

    def _strongest(self, pull: Callable[[slice], Tensor]) -> tuple[Likeliest, Tensor]:
        """The classes that draw each image most, and how much all others do together (N, 1)."""
        found = self._nothing()
        rest = self._pictures.new_empty(len(self._pictures), 1)
        for rows in self._parts():
            block = pull(rows)
            # What neighbours say now counts as well; and a given label, whatever draws the image.
            labels, asked = self._given[rows, None], block + self._votes(self.now, rows)
            asked = asked.scatter(1, labels.clamp_min(0), torch.inf).where(labels >= 0, asked)
            best = asked.topk(self._kept, dim=1).indices
            found.classes[rows] = best
            found.values[rows] = block.gather(1, best)
            rest[rows] = block.scatter_(1, best, -torch.inf).logsumexp(1, keepdim=True)
        return found, rest

    def _inner_step(self, own: Likeliest, rest: Tensor) -> Likeliest:
        """One for the classes that are kept; own: what draws the images to them."""
        values = torch.empty_like(own.values)
        for rows in self._parts():
            classes = own.classes[rows].long()
            drawn = own.values[rows] + self._votes(self.now, rows).gather(1, classes)
            z = without_tiny(torch.cat([drawn, rest[rows]], dim=1).softmax(-1))[:, :-1]
            labels = self._given[rows, None]
            values[rows] = torch.where(labels >= 0, (classes == labels).to(z.dtype), z)
        return Likeliest(own.classes, values)

    def _votes(self, now: Likeliest, rows: slice) -> Tensor:
        """(n, C) what the neighbours of some images say."""
        images, weights = self._near.images[rows], self._near.weights[rows]
        votes = now.values.new_zeros(len(images), self._classes)
        for j in range(images.shape[1]):
            near = images[:, j]
            said = weights[:, j : j + 1] * now.values[near]
            votes.scatter_add_(1, now.classes[near].long(), said)
        return votes

    def _sums(self, assigned: Callable[[slice], Tensor], before: Tensor) -> Sums:
        """What `gaussians.moments` says of assignments that come some rows at a time."""
        mass = self._centre.new_zeros(self._classes)
        weighed = self._centre.new_zeros(self._classes, len(self._centre))
        for rows in self._parts():
            z = assigned(rows)
            z *= self._usable[rows, None]
            mass += z.sum(0)
            weighed += z.T @ self._pictures[rows]
        means = weighed / mass.clamp_min(1e-12)[:, None]
        means = torch.where(mass[:, None] > 1e-6, means, before)
        around = self._spread - mass @ (means - self._centre).square()
        variance = (around / mass.sum().clamp_min(1e-12)).clamp_min(LEAST_VARIANCE)
        return Sums(mass, means, variance)

    def _first_means(self) -> Tensor:
        """(C, d) of the most confident images of each class, as `transduction` takes them."""
        count = max(1, min(CONFIDENT, int(self._usable.sum())))
        values = self._centre.new_zeros(0, self._classes)
        images = torch.zeros(0, self._classes, dtype=torch.int64, device=values.device)
        for rows in self._parts():
            z = self._zero_shot(rows).masked_fill_(~self._usable[rows, None], -1.0)
            here = torch.arange(rows.start, rows.stop, device=values.device)
            values = torch.cat([values, z])
            images = torch.cat([images, here[:, None].expand(-1, self._classes)])
            best = values.topk(min(count, len(values)), dim=0)
            values, images = best.values, images.gather(0, best.indices)
        return self._pictures[images].mean(0)
