"""Several ranks on one run, over torch.distributed (see `studio.ranks` for what they are).

What steers the work goes over gloo, also where gradients go over NCCL.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from studio.errors import RunError
from studio.messages import HEAD, head_of, rest_of, to_bytes, value_of
from studio.ranks import E, P, Ranks, Results, T, Team, read

WRITER_WAITS = timedelta(minutes=30)
"""For another rank, whose machine may be gone. One that ends closes its connections: that shows at
once."""
OTHERS_WAIT = timedelta(days=7)
"""For the writer, which reads images and labels all of them together meanwhile."""
AT_ONCE = 4
"""Parts of spread work that each rank does before results are gathered."""
ENDING_S = 3.0
"""So long after its connections closed a process may still be ending."""
_RESUMABLE = "`fit --resume` goes on with the run from its last checkpoint"


class ProcessEnded(RunError):  # noqa: N818 (it may have been meant to)
    """Another rank has ended, so that the run cannot go on as it is."""


class Collective(Ranks):
    """This rank among `number` of them, once the default process group is there."""

    def __init__(self, *, ended: Callable[[float], str]) -> None:
        """ended: which other rank has ended and how, in words, "" where none is known to have;
        called with how many seconds may be waited for one that is just about to.
        """
        self.number, self.own = dist.get_world_size(), dist.get_rank()
        self._ended = ended
        self._control: Any = dist.new_group(
            backend="gloo", timeout=WRITER_WAITS if self.own == 0 else OTHERS_WAIT
        )
        # Every rank makes every group, in the same order.
        self._pairs = [
            dist.new_group(list(range(own, self.number, 2)))
            for own in range(2 if self.number > 2 else 0)
        ]

    def over(self) -> None:
        """See `Ranks`."""
        self.same(None)

    def check(self) -> None:
        """See `Ranks`."""
        if said := self._ended(0.0):
            raise ProcessEnded(f"{said}; {_RESUMABLE}")

    def same(self, value: T) -> T:
        """See `Ranks`."""
        data = to_bytes(value) if self.writer else None
        head = torch.zeros(HEAD, dtype=torch.uint8) if data is None else head_of(data)
        with self.together():
            dist.broadcast(head, 0, group=self._control)
            rest = rest_of(head, data)
            if len(rest):
                dist.broadcast(rest, 0, group=self._control)
        return value if self.writer else value_of(head, rest)

    def once(
        self,
        work: Generator[E, None, T],
        *,
        told: Callable[[T], Any] = lambda value: value,
        heard: Callable[[Any], T] = lambda value: value,
    ) -> Generator[E, None, T]:
        """See `Ranks`."""
        if self.writer:
            value = yield from work
            self.same(told(value))
            return value
        work.close()
        return heard(self.same(None))

    def spread(self, parts: Sequence[P], work: Callable[[P], Results]) -> Iterator[Results]:
        """See `Ranks`."""
        stride = self.number * AT_ONCE
        for begin in range(0, len(parts), stride):
            some = parts[begin : begin + stride]
            own = [work(part) for part in some[self.own :: self.number]]
            found = self.gathered([read(results) for results in own])
            if found is not None:
                for number in range(len(some)):
                    yield tuple(found[number % self.number][number // self.number])

    def team(self, models: int) -> Team:
        """See `Ranks`."""
        return _Team(self, models)

    # What a team needs ------------------------------------------------------------------------

    def any(self, here: bool) -> bool:
        """Whether it is so on any rank."""
        flag = torch.tensor(int(here))
        with self.together():
            dist.all_reduce(flag, dist.ReduceOp.MAX, group=self._control)
        return bool(flag)

    def sent(self, value: Any, *, by: int, to: int = 0) -> Any:
        """A value of one rank's, to one other; the sender and all others get None."""
        if by == to or self.own not in (by, to):
            return value if self.own == to else None
        with self.together():
            if self.own == by:
                data = to_bytes(value)
                head = head_of(data)
                dist.send(head, to, group=self._control)
                if len(rest := rest_of(head, data)):
                    dist.send(rest, to, group=self._control)
                return None
            head = torch.zeros(HEAD, dtype=torch.uint8)
            dist.recv(head, by, group=self._control)
            if len(rest := rest_of(head, None)):
                dist.recv(rest, by, group=self._control)
        return value_of(head, rest)

    def gathered(self, value: Any) -> list[Any] | None:
        """To the writer: what each rank has; None to the others."""
        found = [self.sent(value if by == self.own else None, by=by) for by in range(self.number)]
        return found if self.writer else None

    def group_of(self, models: int, model: int) -> tuple[Any, list[int]]:
        """Who trains a model: their process group, and their numbers."""
        if models == 1:
            return dist.group.WORLD, list(range(self.number))
        members = list(range(model, self.number, models))
        return (self._pairs[model] if self._pairs else None), members

    @contextmanager
    def together(self) -> Iterator[None]:
        """Around what ranks do together, which fails where one of them has ended."""
        try:
            yield
        except RuntimeError as error:
            other = f"process 2 of {self.number}" if self.number == 2 else "another process"
            who = self._ended(ENDING_S) or f"{other} ended"
            raise ProcessEnded(f"{who}; {_RESUMABLE}") from error


class _Team(Team):
    """Model m is trained by the ranks m, m + models, m + 2 models, ..."""

    def __init__(self, ranks: Collective, models: int) -> None:
        self._ranks, self._models = ranks, models
        own = ranks.own % models
        self.mine = (own,)
        self._group, self._members = ranks.group_of(models, own)
        self._place = self._members.index(ranks.own)

    def in_step(self, batches: Iterator[T]) -> Iterator[T | None]:
        """See `Team`."""
        while True:
            batch = next(batches, None)
            if not self._ranks.any(batch is not None):
                return
            yield batch

    def rows(self, batch: int) -> slice:
        """See `Team`."""
        return rows_of(batch, self._place, len(self._members))

    def summed(self, parameters: Iterable[Tensor]) -> None:
        """See `Team`."""
        if len(self._members) == 1:
            return
        trained = [p for p in parameters if p.requires_grad]
        # Who has no gradient at all is told from who has one of zeros: the optimiser passes it by.
        has = torch.tensor([float(p.grad is not None) for p in trained], device=trained[0].device)
        flat = torch.cat(
            [has, *(torch.zeros_like(p).flatten() if p.grad is None else p.grad.float().flatten()
                    for p in trained)]
        )  # fmt: skip
        with self._ranks.together():
            dist.all_reduce(flat, group=self._group)
        sums = flat[len(trained) :].split([p.numel() for p in trained])
        for parameter, some, own in zip(trained, flat[: len(trained)].tolist(), sums, strict=True):
            if some:
                parameter.grad = own.view_as(parameter).to(parameter.dtype)

    def added(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """See `Team`."""
        if len(self._members) == 1:
            return dict(numbers)
        total = torch.tensor(list(numbers.values()), dtype=torch.float64)
        total = total.to(self._device)
        with self._ranks.together():
            dist.all_reduce(total, group=self._group)
        return dict(zip(numbers, total.tolist(), strict=True))

    def joined(self, rows: Tensor) -> Tensor:
        """See `Team`."""
        if len(self._members) == 1:
            return rows
        counts = [torch.zeros((), dtype=torch.int64, device=self._device) for _ in self._members]
        here = torch.tensor(len(rows), device=self._device)
        with self._ranks.together():
            dist.all_gather(counts, here, group=self._group)
            most = max(int(count) for count in counts)
            padded = rows.new_zeros(most, *rows.shape[1:])
            padded[: len(rows)] = rows
            found = [torch.empty_like(padded) for _ in self._members]
            dist.all_gather(found, padded, group=self._group)
        return torch.cat([own[: int(n)] for own, n in zip(found, counts, strict=True)])

    def told(self, said: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
        """See `Team`."""
        all_of_them = [self.from_trainer(model, lambda: said) for model in range(self._models)]
        return [own for own in all_of_them if own is not None]

    def from_trainer(self, model: int, make: Callable[[], T]) -> T | None:
        """See `Team`."""
        here = self._ranks.own == model
        found: T | None = self._ranks.sent(make() if here else None, by=model)
        return found

    def exchange(self, modules: Sequence[nn.Module]) -> None:
        """See `Team`."""
        for model, module in enumerate(modules):
            trained = self._ranks.own == model
            state = self._ranks.sent(dict(module.state_dict()) if trained else None, by=model)
            state = self._ranks.same(state)
            if not trained:
                module.load_state_dict(state)

    def share(self, parts: Sequence[P]) -> Sequence[P]:
        """See `Team`."""
        return parts[self._place :: len(self._members)]

    def for_each(
        self, parts: Sequence[P], look: Callable[[P], T], work: Callable[[int, T], Results]
    ) -> list[list[Results]] | None:
        """See `Team`."""
        (model,) = self.mine
        found = self._ranks.gathered([work(model, look(part)) for part in self.share(parts)])
        if found is None:
            return None
        results = []
        for one in range(self._models):
            _, members = self._ranks.group_of(self._models, one)
            by_place = [found[member] for member in members]
            size = len(members)
            results.append([tuple(by_place[n % size][n // size]) for n in range(len(parts))])
        return results

    @property
    def _device(self) -> torch.device:
        gpu = dist.get_backend(self._group) == "nccl"
        return torch.device("cuda" if gpu else "cpu")


def rows_of(batch: int, place: int, members: int) -> slice:
    """Which rows of a batch are those of one of its members, about as many for each."""
    return slice(batch * place // members, batch * (place + 1) // members)
