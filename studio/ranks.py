"""How the work on a run is shared out among processes ("ranks"), as those see it who do the work.

Here is the one process that does all of it itself, so that nobody need ask how many there are;
`studio.processes` has several. Every rank goes the same way through the code and comes by the same
calls in the same order. Rank 0 is the *writer*: it decides, and all that leaves the fit is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:  # `--help` need not wait for torch
    from torch import Tensor, nn

T = TypeVar("T")
P = TypeVar("P")
E = TypeVar("E")

Results = tuple["Tensor", ...]
"""What comes of a part of some work."""


class OnTheWay:
    """Results of which a copy to the CPU has begun, behind the work that they come of.

    Whoever only then asks for a copy is given it behind all that the GPU was given meanwhile.
    """

    def __init__(self, results: Results) -> None:
        import torch

        self._copies = tuple(tensor.to("cpu", non_blocking=True) for tensor in results)
        self._done = torch.cuda.Event()
        self._done.record(torch.cuda.current_stream(results[0].device))

    def arrived(self) -> Results:
        """The same, once they are there; in ordinary memory, for pinned memory is scarce."""
        self._done.synchronize()
        return tuple(tensor.clone() for tensor in self._copies)


def read(results: Results) -> Results:
    """On the CPU; waits for the device."""
    return tuple(tensor.cpu() for tensor in results)


class Team:
    """How the training of some models is shared out: every model has ranks of its own.

    Attributes:
        mine: Numbers of the models that this rank trains.
    """

    def __init__(self, models: int) -> None:
        self.mine: tuple[int, ...] = tuple(range(models))

    def in_step(self, batches: Iterator[T]) -> Iterator[T | None]:
        """Each batch once all ranks have come to their own; None for who has none left."""
        yield from batches

    def rows(self, batch: int) -> slice:
        """Which rows of a batch of so many are this rank's."""
        return slice(0, batch)

    def summed(self, parameters: Iterable[Tensor]) -> None:
        """Add up, in place, the gradients of all ranks that train the same model."""

    def added(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """Sums over all ranks that train the same model."""
        return dict(numbers)

    def joined(self, rows: Tensor) -> Tensor:
        """The rows of all ranks that train the same model, in the order of the batch."""
        return rows

    def told(self, said: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
        """To the writer: what every model's ranks say, in the models' order; [] to the others.

        said: plain values, None where there is nothing to say.
        """
        return [] if said is None else [said]

    def from_trainer(self, model: int, make: Callable[[], T]) -> T | None:
        """To the writer: something of a model, made by a rank that trains it; None to others."""
        del model
        return make()

    def exchange(self, modules: Sequence[nn.Module]) -> None:
        """Bring each model's weights from those who trained it to all ranks, in place."""

    def share(self, parts: Sequence[P]) -> Sequence[P]:
        """Parts of some work on each model that fall to this rank."""
        return parts

    def for_each(
        self, parts: Sequence[P], look: Callable[[P], T], work: Callable[[int, T], Results]
    ) -> list[list[Results]] | None:
        """To the writer: by model and part, work(model, look(part)) of ranks that train the model.

        None to the others.
        """
        results: list[list[Results]] = [[] for _ in self.mine]
        for part in parts:
            seen = look(part)
            for model in self.mine:
                results[model].append(work(model, seen))
        return results


class Ranks:
    """All processes of a run: here one, which is the writer.

    Attributes:
        number: How many there are.
        own: Which of them this is, from 0.
    """

    number, own = 1, 0

    @property
    def writer(self) -> bool:
        """Whether this is the rank that decides and writes."""
        return self.own == 0

    def over(self) -> None:
        """The run has ended as it should: of the others, each waits for the writer to say so."""

    def check(self) -> None:
        """Raise when another rank has ended; asked now and then where nothing is exchanged."""

    def same(self, value: T) -> T:
        """The writer's value, to all. Tensors, plain values, and lists and mappings of these."""
        return value

    def once(
        self,
        work: Generator[E, None, T],
        *,
        told: Callable[[T], Any] = lambda value: value,
        heard: Callable[[Any], T] = lambda value: value,
    ) -> Generator[E, None, T]:
        """What work on the writer comes to; the others wait for it.

        told, heard: to what is said to the others, as in `same`, and back.
        """
        del told, heard
        return (yield from work)

    def spread(self, parts: Sequence[P], work: Callable[[P], Results]) -> Iterator[Results]:
        """To the writer: what work on each part comes to, on the CPU, in their order.

        Each part is worked on by one rank; the others than the writer are yielded nothing. A GPU is
        given the next part before anybody waits for this one.
        """
        before: OnTheWay | None = None
        for part in parts:
            found = work(part)
            if found[0].device.type != "cuda":
                yield read(found)
                continue
            own = OnTheWay(found)
            if before is not None:
                yield before.arrived()
            before = own
        if before is not None:
            yield before.arrived()

    def team(self, models: int) -> Team:
        """How the training of so many models is shared out."""
        return Team(models)


ALONE = Ranks()
"""One process, as everybody has it who asks for no more."""
