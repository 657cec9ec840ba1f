"""Which images an epoch takes, and in what order; of a very large set only some [studio].

What training costs must not grow with the folder for ever: two epochs over 1.28 million images are
40,000 steps of each model. Beyond `Settings.epoch_images` an epoch takes that many images, the next
one goes on where it ended, and the learning rate falls to its end over the steps that there are.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from studio.coft.events import Warned
from studio.coft.optim import generator_of
from studio.numbers import count, percent
from studio.settings import Settings


class Epochs:
    """The epochs of one model's training on n labelled images.

    Where an epoch takes some of them, it takes as many of each class; a class that is short of that
    is taken whole. An image comes a second time only after all others of its class have come. All
    of this follows from the settings' seed, so that a fit can go on in any epoch.
    """

    def __init__(
        self,
        labels: Tensor,
        settings: Settings,
        *,
        number: int = 0,
        round_number: int = 1,
        learned: Tensor | None = None,
    ) -> None:
        """Arguments.

        labels: (n,) int64; number: of the model, 0 or 1; round_number: of Phase I, from 1; learned:
        (n,) bool, the images whose labels are learned, None: all. The others have their share of an
        epoch too, whatever their labels.
        """
        self.images, self.size = len(labels), settings.in_epoch(len(labels))
        if self.size == self.images:
            return
        groups = labels if learned is None else labels.masked_fill(~learned, -1)
        stream = generator_of(settings, "sample", number, round_number=round_number)
        shuffled = torch.randperm(self.images, generator=stream)
        _, of, self._counts = groups[shuffled].unique(return_inverse=True, return_counts=True)
        self._by_group = shuffled[of.argsort(stable=True)]  # one group after the other
        self._others = int(self._counts[0]) if learned is not None and not learned.all() else 0

    def order(self, epoch: int, shuffle: torch.Generator) -> Tensor:
        """(m,) positions among the n images that the epoch takes, shuffled. epoch: from 1."""
        if self.size == self.images:
            return torch.randperm(self.images, generator=shuffle)
        before = torch.zeros_like(self._counts)
        for earlier in range(1, epoch):
            before += self._shares(earlier)
        shares = self._shares(epoch)
        group = torch.arange(len(shares)).repeat_interleave(shares)
        within = torch.arange(len(group)) - (shares.cumsum(0) - shares)[group]
        place = (before[group] + within) % self._counts[group]
        first = self._counts.cumsum(0) - self._counts
        chosen = self._by_group[first[group] + place]
        return chosen[torch.randperm(len(chosen), generator=shuffle)]

    def seen(self, epochs: int) -> float:
        """The share of the images that come at least once in so many epochs."""
        if self.size == self.images:
            return 1.0
        shares = sum((self._shares(epoch) for epoch in range(1, epochs + 1)), torch.tensor(0))
        return float(torch.minimum(shares, self._counts).sum()) / self.images

    def told(self, what: str, epochs: int) -> Iterator[Warned]:
        """A line for the user where some images are left out. what: trains, e.g. "Phase II"."""
        if self.size < self.images:
            yield Warned(
                f"{what} takes {count(self.size)} of {count(self.images)} images in each epoch, "
                f"as many of each class, and sees {percent(self.seen(epochs))} of them in all. For "
                "all of them in each epoch, use the setting epoch_images=0."
            )

    def _shares(self, epoch: int) -> Tensor:
        """How many images of each group an epoch takes."""
        if not self._others:
            return even_shares(self._counts, self.size, turn=epoch - 1)
        others = round(self.size * self._others / self.images)
        even = even_shares(self._counts[1:], self.size - others, turn=epoch - 1)
        return torch.cat([torch.tensor([others]), even])


def even_shares(counts: Tensor, taken: int, *, turn: int = 0) -> Tensor:
    """(G,) how many of each group make up `taken`: the same of each, of a small group all it has.

    counts: (G,) sizes of groups, together at least `taken`; turn: which groups have one more than
    others, where it does not come out even, goes round from turn to turn.
    """
    low, high = 0, taken  # the largest share that is not too much in all
    while low < high:
        middle = (low + high + 1) // 2
        if int(counts.clamp_max(middle).sum()) <= taken:
            low = middle
        else:
            high = middle - 1
    shares = counts.clamp_max(low)
    left = taken - int(shares.sum())
    larger = (counts > low).nonzero()[:, 0]
    if left:
        shares[larger[(turn * left + torch.arange(left)) % len(larger)]] += 1
    return shares
