"""The history of an image's label through a run: what it was at each stage, and how clean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.runs.records import kind_of

if TYPE_CHECKING:
    from studio.coft.events import Finished, Judged, Monitor, ZeroShot

    Staged = ZeroShot | Monitor | Judged | Finished

STAGED = ("zero_shot", "monitor", "judged", "finished")
"""Kinds of the events that tell labels of single images."""
_PHASES = {1: "Phase I", 2: "Phase II"}


@dataclass(frozen=True)
class HistoryStep:
    """One stage. labels: of model 1 and 2, or one for both; clean_probability: of each label under
    the OTHER model; own_clean_probability: under the model itself; confidence: largest class
    probability; all in [0, 1], () where it was not measured. epochs: the first and the last of a
    phase that it holds for, None where it is no epoch.
    """

    stage: str
    labels: tuple[int, ...]
    confidence: tuple[float, ...] = ()
    clean_probability: tuple[float, ...] = ()
    own_clean_probability: tuple[float, ...] = ()
    epochs: tuple[int, int] | None = None


class LabelHistory:
    """The histories of a run's images. staged: gives the events of `STAGED`, in order.

    Tensors are read when a history is first asked for: most pages that follow a run never do.
    """

    def __init__(self, staged: Callable[[], Sequence[Staged]]) -> None:
        self._staged = staged

    @property
    def watched(self) -> int:
        """How many images the run looked at after each epoch."""
        watching = (e for e in self._staged() if kind_of(e) == "monitor")
        return max((len(event.indices) for event in watching), default=0)  # type: ignore[union-attr]

    def of(self, index: int) -> list[HistoryStep]:
        """The stages of an image in the order they came; equal epochs in a row are one."""
        steps: list[HistoryStep] = []
        for event in self._staged():
            step = _STEP[kind_of(event)](event, index)
            if step is None:
                continue
            last = steps[-1] if steps else None
            if last and step.stage == "Final" and last.labels == step.labels:
                continue  # labels that nothing was trained for, and that stayed as they were
            if last and last.epochs and step.epochs and _same(last, step):
                epochs = last.epochs[0], step.epochs[1]
                steps[-1] = HistoryStep(last.stage, last.labels, epochs=epochs)
            else:
                steps.append(step)
        return steps


def _same(a: HistoryStep, b: HistoryStep) -> bool:
    return a.stage == b.stage and a.labels == b.labels


def _zero_shot(event: ZeroShot, index: int) -> HistoryStep:
    confidence = float(event.confidence[index])
    return HistoryStep("Zero-shot", (int(event.labels[index]),), (confidence,))


def _monitor(event: Monitor, index: int) -> HistoryStep | None:
    found = np.flatnonzero(event.indices.numpy() == index)
    if not len(found):
        return None
    labels = tuple(event.labels[:, found[0]].tolist())
    return HistoryStep(_PHASES.get(event.phase, ""), labels, epochs=(event.epoch, event.epoch))


def _judged(event: Judged, index: int) -> HistoryStep:
    return HistoryStep(
        "After Phase I",
        _column(event.labels, index),
        _column(event.confidence, index),
        _column(event.clean_probability, index),
        _column(event.own_clean_probability, index),
    )


def _finished(event: Finished, index: int) -> HistoryStep:
    if event.stage == "zero-shot":  # nothing was trained: there are no two models, and no judge
        return HistoryStep("Final", (int(event.model_labels[0, index]),))
    return HistoryStep(
        "Final, by model",
        _column(event.model_labels, index),
        clean_probability=_column(event.model_clean_probability, index),
    )


def _column(values: Any, index: int) -> tuple[Any, ...]:
    return tuple(values[:, index].tolist())


_STEP: dict[str, Callable[[Any, int], HistoryStep | None]] = {
    "zero_shot": _zero_shot,
    "monitor": _monitor,
    "judged": _judged,
    "finished": _finished,
}
