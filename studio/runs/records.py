"""Events on their way to disk and back: which ones are written, in what form, and how read."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from studio.errors import RunError
from studio.runs.measured import Combined, Estimated, Score, Strangers
from studio.runs.run import Run
from studio.scores.estimate import Estimate
from studio.scores.knowledge import Knowledge
from studio.untrusted import Unreadable

if TYPE_CHECKING:
    from studio.coft.events import Event

_E = TypeVar("_E")

MOST = 10**9
"""Of what an event counts: epochs, steps, images."""
STEP_INTERVAL_S = 0.2  # between two written steps of one model: five points a second draw a curve


def kind_of(event: object) -> str:
    """The event's class name in snake_case: ZeroShot -> "zero_shot"."""
    return _kind(type(event))


def _kind(cls: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


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


# What was written, read back -------------------------------------------------------------------


def decode(record: Mapping[str, Any], *, run: Run | None = None) -> Any:
    """The event that a line of events.jsonl was made of: the inverse of `Recorder.record`.

    Tensors are read from the run's folder when they are first asked for. Events of a fit are those
    of `studio.coft.events`; what a run writes besides is in `studio.runs.measured`, and
    `Knowledge`.

    Args:
        record: One line, parsed.
        run: Whose line it is; None: tensors cannot be read.

    Returns:
        The event; None for a line of another version or one that makes no sense.
    """
    kind = record.get("kind")
    try:
        if kind == "score":
            return _score(record)
        if kind == "estimate":
            place = {name: record.get(name) for name in ("phase", "epoch")}
            return Estimated(str(record["stage"]), _plain_event(Estimate, record), **place)
        if kind == "knowledge":
            return _plain_event(Knowledge, record)
        cls = _stored_classes().get(kind) if isinstance(kind, str) else None
        return None if cls is None else _stored_event(cls, record, run)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _score(record: Mapping[str, Any]) -> Score:
    places = {"phase", "epoch", "epochs", "round", "model", "time"}
    values = {
        name: None if value is None else float(value)
        for name, value in record.items()
        if name not in places and not isinstance(value, (str, list))
    }
    place = {name: _place(record.get(name)) for name in ("phase", "epoch", "model")}
    return Score(str(record["stage"]), values, round_number=_place(record.get("round")), **place)


def _place(value: Any) -> int | None:
    return None if value is None else _whole(value)


def _whole(value: Any) -> int:
    """A number that counts something; raises what `decode` catches when it is none."""
    if isinstance(value, bool) or not 0 <= int(value) <= MOST:
        raise ValueError("no such number")
    return int(value)


class _Stored:
    """An event in a run's folder, with its tensors read when one of them is first asked for."""

    _load: Callable[[], Mapping[str, Any]]

    def __getattr__(self, name: str) -> Any:  # only called for what is not there yet
        if name.startswith("_"):
            raise AttributeError(name)
        self.__dict__.update(self._load())
        if name not in self.__dict__:
            raise RunError(f"a record of kind {kind_of(self)} has no {name}")
        return self.__dict__[name]


@functools.cache
def _stored_classes() -> dict[str, type[Any]]:
    from studio.coft import events

    classes = (
        events.Progress, events.Warned, events.ZeroShot, events.SeedSet, events.Step,
        events.Monitor, events.Judged, events.Checkpoint, events.Finished, Combined, Strangers,
    )  # fmt: skip
    made = (type(cls.__name__, (_Stored, cls), {"__doc__": cls.__doc__}) for cls in classes)
    return {_kind(cls): cls for cls in made}


def _stored_event(cls: type[Any], record: Mapping[str, Any], run: Run | None) -> Any:
    event = object.__new__(cls)
    for field in dataclasses.fields(cls):
        if field.name in record:
            event.__dict__[field.name] = _value(str(field.type), record[field.name])
        elif field.default_factory is not dataclasses.MISSING:
            event.__dict__[field.name] = field.default_factory()
        elif field.default is dataclasses.MISSING and "Tensor" not in str(field.type):
            raise KeyError(field.name)
    event.__dict__["_load"] = functools.partial(_tensors_of, record, run)
    return event


def _tensors_of(record: Mapping[str, Any], run: Run | None) -> dict[str, Any]:
    if run is None:
        return {}
    if record["kind"] == "checkpoint":
        from studio.runs.model import load_tensors

        try:
            return {"tensors": load_tensors(run.path / str(record["path"]))}
        except Unreadable as error:
            raise run.damaged(error) from None
    if not isinstance(record.get("arrays"), str):
        return {}
    from studio.runs.tensors import checked

    kind, name = str(record["kind"]), record["arrays"]
    try:
        return checked(kind, run.arrays(name), file=name)
    except Unreadable as error:
        raise run.damaged(error) from None


def _plain_event(cls: type[_E], record: Mapping[str, Any]) -> _E:
    found = [field for field in dataclasses.fields(cls) if field.name in record]  # type: ignore[arg-type]
    return cls(**{field.name: _value(str(field.type), record[field.name]) for field in found})


def _value(kind: str, value: Any) -> Any:
    """A value as the field's annotation wants it; raises what `decode` catches when it is none."""
    if value is None:
        if "None" in kind:
            return None
        return {"float": math.nan}[kind]  # JSON has no NaN: it was written as null
    plain: dict[str, Callable[[Any], Any]] = {
        "int": _whole, "float": float, "bool": bool, "str": str
    }  # fmt: skip
    what = kind.split("[")[0].split(" ")[0]
    return {**plain, "tuple": tuple, "dict": dict}[what](value)
