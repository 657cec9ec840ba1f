"""Events on their way to disk: which ones are written, and in what form."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from studio.runs.run import Run

if TYPE_CHECKING:
    from studio.coft.events import Event

STEP_INTERVAL_S = 0.2  # between two written steps of one model: five points a second draw a curve


def kind_of(event: object) -> str:
    """The event's class name in snake_case: ZeroShot -> "zero_shot"."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


class Recorder:
    """Writes a fit's events to a run.

    Of the steps it writes at most one in STEP_INTERVAL_S for each phase and model, and always the
    first and the last of an epoch. Of progress it writes where a stage begins and ends: how far it
    is now stands in status.json. Everything else is written as it comes.
    """

    def __init__(self, run: Run, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds, from any beginning."""
        self._run = run
        self._clock = clock
        self._epoch: dict[tuple[int, int], int] = {}
        self._written: dict[tuple[int, int], float] = {}
        self._held: dict[tuple[int, int], dict[str, Any]] = {}
        self._stage: str | None = None

    def record(self, event: Event) -> None:
        """Write the event, or hold it back, or drop it."""
        kind = kind_of(event)
        if kind == "step":
            self._step(_plain(event))
            return
        self.flush()
        if kind == "progress":
            self._progress(_plain(event))
        elif kind == "checkpoint":
            self._checkpoint(event)
        else:
            self.write(kind, _plain(event), _tensors(event))

    def write(self, kind: str, values: Mapping[str, Any], tensors: Mapping[str, Any] = {}) -> None:
        """One line of that kind, and a file for its tensors."""
        line = {"kind": kind, **values}
        if tensors:
            line["arrays"] = self._run.write_arrays(kind, tensors)
        self._run.append(line)

    def flush(self) -> None:
        """Write the steps that were held back."""
        for line in self._held.values():
            self._run.append(line)
        self._held.clear()

    def _step(self, values: dict[str, Any]) -> None:
        key, now = (values["phase"], values["model"]), self._clock()
        line = {"time": round(time.time(), 3), "kind": "step", **values}
        new_epoch = self._epoch.get(key) != values["epoch"]
        if new_epoch and key in self._held:
            self._run.append(self._held.pop(key))  # the last step of the epoch before
        if new_epoch or now - self._written[key] >= STEP_INTERVAL_S:
            self._run.append(line)
            self._held.pop(key, None)
            self._epoch[key], self._written[key] = values["epoch"], now
        else:
            self._held[key] = line

    def _progress(self, values: dict[str, Any]) -> None:
        begins, ends = values["stage"] != self._stage, values["done"] >= values["total"]
        if begins or ends:
            self.write("progress", values)
        self._stage = None if ends else values["stage"]

    def _checkpoint(self, event: Any) -> None:
        # Here, because it imports torch, which `python -m studio runs` can do without.
        from studio.runs.model import save_model

        name = "model" if event.name == "classifier" else f"checkpoints/{event.name}"
        save_model(self._run.path / name, tensors=event.tensors, meta=event.meta)
        self.write("checkpoint", {"name": event.name, "path": name, "meta": event.meta})


def _is_tensor(value: object) -> bool:
    return hasattr(value, "detach")


def _tensors(event: Any) -> dict[str, Any]:
    values = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    return {name: value for name, value in values.items() if _is_tensor(value)}


def _plain(event: Any) -> dict[str, Any]:
    values = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    return {name: value for name, value in values.items() if not _is_tensor(value)}
