"""What a fit needs to go on later from where it is, and how it goes on [studio].

A fit that is asked to yields a `FitState` now and then: everything that it cannot work out again,
in named parts. A fit that is given one goes the same way again without training, takes each part
where it comes by, and yields that state once more where it goes on; what it yields before has been
yielded by the fit that it continues. From there on every number is the same as without a break.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from studio.clip.scaling import LossScaler
from studio.coft.events import FitPart, FitState

Part = Mapping[str, Any]
"""Tensors, numbers, texts, None, and lists and mappings of these by texts."""

Due = Callable[[bool], bool]
"""Whether a state is wanted now. Its argument: between two stages, where one costs least."""


class Keeper:
    """The parts of a fit as they are now, and those that it goes on from."""

    def __init__(
        self,
        *,
        due: Due | None,
        state: FitState | None,
        agreed: Callable[[bool], bool] = lambda own: own,
    ) -> None:
        """due: None: no state is ever wanted; state: what the fit goes on from; agreed: what the
        writer says, to all ranks.
        """
        self._due, self._state, self._agreed = due, state, agreed
        self._whole = True
        self._parts: dict[str, Callable[[], FitPart]] = {}

    @property
    def on_the_way(self) -> bool:
        """Whether the fit has yet to come to where it goes on."""
        return self._state is not None

    def taken(self, name: str) -> dict[str, Any] | None:
        """What was kept of a part; None where nothing was, or once the fit goes on."""
        found = None if self._state is None else self._state.parts.get(name)
        return None if found is None else unpacked(found)

    def arrived(self, at: str) -> Iterator[FitState]:
        """Yields the state that the fit goes on from, if it was made at this place."""
        if self._state is not None and self._state.at == at:
            state, self._state = self._state, None
            yield state

    @contextmanager
    def keeps(self, name: str, make: Callable[[], Part]) -> Iterator[None]:
        """A part that changes: made anew for each state, for as long as this lasts."""
        self._parts[name] = lambda: packed(make())
        try:
            yield
        finally:
            self._parts.pop(name, None)

    def holds(self, name: str, part: Part) -> None:
        """A part that stays as it is until another one of that name takes its place."""
        made: list[FitPart] = []

        def once() -> FitPart:
            if not made:
                made.append(packed(part, copied=False))
            return made[0]

        self._parts[name] = once

    def forgets(self, name: str) -> None:
        """No state needs a part any more."""
        self._parts.pop(name, None)

    def cut_short(self) -> None:
        """Work was ended early that a later fit is to do whole: no state holds what it came to."""
        self._whole = False

    def ends(
        self, at: str, stop: Callable[[], bool], *, between: bool = False
    ) -> Generator[FitState, None, bool]:
        """Whether the fit is to end early; before, its state if one is wanted, or if it is to end.

        at: the part that is at work; between: two stages.
        """
        ended = stop()
        wanted = self._due is not None and (ended or self._due(between))
        if wanted and self._agreed(self._whole):
            yield FitState(at, {name: make() for name, make in self._parts.items()})
        if ended:  # what comes now leaves out what a later fit is to do
            self._due = None
        return ended


class Batches:
    """The batches of one model's training, epoch by epoch; it knows where it is."""

    def __init__(self, size: int) -> None:
        self._epoch, self._done, self._size = 1, 0, size
        self._order: Tensor | None = None

    def of(self, epoch: int, draw: Callable[[], Tensor]) -> Iterator[Tensor]:
        """Those of an epoch that are still to come. draw: their order, once an epoch."""
        if epoch < self._epoch:
            return
        if epoch > self._epoch or self._order is None:
            self._epoch, self._done, self._order = epoch, 0, draw()
        for part in self._order.split(self._size)[self._done :]:
            yield part
            self._done += 1

    @property
    def then(self) -> Tensor | None:
        """The batch behind the one that is at work; None where the epoch has no more."""
        if self._order is None:
            return None
        begin = (self._done + 1) * self._size
        return self._order[begin : begin + self._size] if begin < len(self._order) else None

    def state(self) -> Part:
        """Where it is."""
        return {"epoch": self._epoch, "done": self._done, "order": self._order}

    def restore(self, part: Part) -> None:
        """To where it was."""
        self._epoch, self._done = int(part["epoch"]), int(part["done"])
        self._order = part["order"]


class Course:
    """How far the training of some models is, each of which goes through every epoch.

    epoch: from 1; beyond the last one, the training is over.
    """

    def __init__(self, models: int, *, size: int) -> None:
        """size: of the batches."""
        self.epoch = 1
        self.batches = [Batches(size) for _ in range(models)]

    def restore(self, part: Part, of_models: Sequence[Part]) -> None:
        """To where a part of a fit's state says, with what it says of each model."""
        if "batches" not in part:
            self.epoch = int(part["epoch"])
            for batches, own in zip(self.batches, of_models, strict=True):
                batches.restore(own["batches"])
            return
        # Of earlier versions, which trained one model after the other and knew one place.
        place = part["batches"]
        self.epoch, at = int(place["epoch"]), int(place["model"])
        for model, batches in enumerate(self.batches):
            begun = {"epoch": self.epoch + (model < at), "done": 0, "order": None}
            batches.restore(place if model == at else begun)


# How training stands -----------------------------------------------------------------------------


def state_of(
    *,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    schedule: LRScheduler,
    scaler: LossScaler,
    generators: Mapping[str, torch.Generator],
) -> Part:
    """Weights, optimiser, schedule, scale of the loss and random streams of a training."""
    stands = optimizer.state_dict()
    return {
        "modules": {name: module.state_dict() for name, module in modules.items()},
        "optimizer": {
            "state": {str(number): own for number, own in stands["state"].items()},
            "param_groups": stands["param_groups"],
        },
        "schedule": schedule.state_dict(),
        "scaler": scaler.state(),
        "generators": {name: stream.get_state() for name, stream in generators.items()},
    }


def restore(
    part: Part,
    *,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    schedule: LRScheduler,
    scaler: LossScaler,
    generators: Mapping[str, torch.Generator],
) -> None:
    """The same into a training that has just been set up, in place."""
    for name, module in modules.items():
        module.load_state_dict(part["modules"][name])
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    state = {
        int(number): {key: _laid_out(value, trained[int(number)]) for key, value in own.items()}
        for number, own in part["optimizer"]["state"].items()
    }
    optimizer.load_state_dict({"state": state, "param_groups": part["optimizer"]["param_groups"]})
    schedule.load_state_dict(dict(part["schedule"]))
    scaler.restore(part.get("scaler", {}))  # earlier versions had none
    for name, stream in generators.items():
        stream.set_state(part["generators"][name])


def _laid_out(value: Any, like: Tensor) -> Any:
    """A tensor in memory as its parameter is: in another order of numbers steps round otherwise."""
    if not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    return torch.empty_like(like, dtype=value.dtype, requires_grad=False).copy_(value)


# Tensors apart from the rest ---------------------------------------------------------------------

_MARK = "tensor"


def packed(part: Part, *, copied: bool = True) -> FitPart:
    """Copies of a part's tensors by name, and the rest with these names in their places.

    copied: without, they share memory with those of a part on the CPU, which must not change.
    """
    tensors: dict[str, Tensor] = {}

    def walk(value: Any, name: str) -> Any:
        if isinstance(value, Tensor):
            own = value.detach().cpu()
            tensors[name] = own.clone() if copied else own
            return {_MARK: name}
        if isinstance(value, Mapping):
            return {str(key): walk(item, f"{name}.{key}") for key, item in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [walk(item, f"{name}.{number}") for number, item in enumerate(value)]
        return value

    return FitPart(tensors, {key: walk(value, key) for key, value in part.items()})


def unpacked(part: FitPart) -> dict[str, Any]:
    """The part again."""

    def walk(value: Any) -> Any:
        if isinstance(value, Mapping):
            if set(value) == {_MARK}:
                return part.tensors[value[_MARK]]
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        return value

    found: dict[str, Any] = walk(part.values)
    return found
