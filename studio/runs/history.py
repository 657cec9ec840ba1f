"""The history of an image's label through a run: what it was at each stage, and how clean."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from studio.runs.run import Run

_KINDS = ("zero_shot", "monitor", "judged", "finished")
_PHASES = {1: "Phase I", 2: "Phase II"}


@dataclass(frozen=True)
class HistoryStep:
    """One stage. labels: of model 1 and 2, or one for both; believed: p_clean of each label under
    the OTHER model; own: under the model itself; confidence: largest class probability; all in
    [0, 1], () where it was not measured. epochs: the first and the last of a phase that it holds
    for, None where it is no epoch.
    """

    stage: str
    labels: tuple[int, ...]
    confidence: tuple[float, ...] = ()
    believed: tuple[float, ...] = ()
    own: tuple[float, ...] = ()
    epochs: tuple[int, int] | None = None


@dataclass
class LabelHistory:
    """Reads the arrays of a run's events as they come; each file once."""

    run: Run
    watched: int = 0
    _next: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _events: list[tuple[str, dict[str, Any], dict[str, Any]]] = field(default_factory=list)

    def refresh(self) -> None:
        """Take in the new lines of events.jsonl."""
        with self._lock:
            events, self._next = self.run.events(self._next)
            for event in events:
                kind = str(event.get("kind"))
                if kind in _KINDS and isinstance(event.get("arrays"), str):
                    loaded = self.run.arrays(event["arrays"])
                    arrays = {name: tensor.numpy() for name, tensor in loaded.items()}
                    self._events.append((kind, event, arrays))
                    if kind == "monitor":
                        self.watched = max(self.watched, len(arrays["indices"]))

    def of(self, index: int) -> list[HistoryStep]:
        """The stages of an image in the order they came; equal epochs in a row are one."""
        stops: list[HistoryStep] = []
        for kind, event, arrays in self._events:
            stop = _stop(kind, event, arrays, index)
            if stop is None:
                continue
            last = stops[-1] if stops else None
            if last and last.epochs and stop.epochs and _same(last, stop):
                stops[-1] = HistoryStep(last.stage, last.labels, epochs=(last.epochs[0], stop.epochs[1]))
            else:
                stops.append(stop)
        return stops


def _same(a: HistoryStep, b: HistoryStep) -> bool:
    return a.stage == b.stage and a.labels == b.labels


def _stop(kind: str, event: dict[str, Any], arrays: dict[str, Any], index: int) -> HistoryStep | None:
    if kind == "monitor":
        found = np.flatnonzero(arrays["indices"] == index)
        if not len(found):
            return None
        epoch = int(event.get("epoch", 0))
        labels = tuple(int(n) for n in arrays["labels"][:, found[0]])
        return HistoryStep(_PHASES.get(int(event.get("phase", 0)), ""), labels, epochs=(epoch, epoch))
    if kind == "zero_shot":
        return HistoryStep(
            "Zero-shot", (int(arrays["labels"][index]),), (float(arrays["confidence"][index]),)
        )
    if kind == "judged":
        return HistoryStep(
            "After Phase I",
            _ints(arrays["labels"], index),
            _floats(arrays["confidence"], index),
            _floats(arrays["clean_probability"], index),
            _floats(arrays["own_clean_probability"], index),
        )
    return HistoryStep(
        "Final, by model",
        _ints(arrays["model_labels"], index),
        believed=_floats(arrays["model_clean_probability"], index),
    )


def _ints(values: Any, index: int) -> tuple[int, ...]:
    return tuple(int(n) for n in values[:, index])


def _floats(values: Any, index: int) -> tuple[float, ...]:
    return tuple(float(n) for n in values[:, index])
