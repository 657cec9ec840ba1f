"""A run read bit by bit from its folder: curves, warnings, and the labels of its images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.runs.store import Run, RunInfo
from studio.views.curves import Curves
from studio.views.figures import Figure, figures, numbers
from studio.views.gallery import Outcome

if TYPE_CHECKING:
    pass


class RunReader:
    """Follows one run: each `refresh` reads only what was appended since the last one."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.info: RunInfo = run.info
        self.curves = Curves(run=run.id)
        self.warnings: list[str] = []
        self._next = 0
        self._arrays: dict[str, dict[str, Any]] = {}
        self._outcome: tuple[str, Outcome] | None = None

    def refresh(self) -> None:
        """Take in the new lines of events.jsonl."""
        events, self._next = self.run.events(self._next)
        for event in events:
            self.curves.add(event)
            kind = str(event.get("kind"))
            if kind == "warned":
                self.warnings.append(str(event.get("message", "")))
            if kind in ("zero_shot", "judged", "finished") and isinstance(event.get("arrays"), str):
                self._arrays[kind] = event
        if events:
            self.info = self.run.info

    def figures(self) -> list[Figure]:
        """The curves so far, see `views.figures`."""
        return figures(self.curves)

    def numbers(self) -> str:
        """The curves as tables in HTML."""
        return numbers(self.curves)

    def outcome(self, *, truth: NDArray[np.int64] | None = None) -> Outcome | None:
        """The latest labels of all images: final ones, or those after Phase I while it goes on.

        truth: (N,) with -1 = unknown, or None. Returns None while there are no labels to judge.
        """
        kind = next((k for k in ("finished", "judged") if k in self._arrays), None)
        if kind is None:
            return None
        name = str(self._arrays[kind]["arrays"])
        if self._outcome is None or self._outcome[0] != name:
            arrays = {key: value.numpy() for key, value in self.run.arrays(name).items()}
            paths = tuple(str(p) for p in self.run.images()["images"])
            build = _from_finished if kind == "finished" else _from_judged
            stage = str(self._arrays[kind].get("stage", "phase1"))
            self._outcome = name, build(arrays, paths, tuple(self.run.info.class_names), stage)
        outcome = self._outcome[1]
        if truth is not None and len(truth) == len(outcome):
            outcome = Outcome(**{**vars(outcome), "truth": truth})
        return outcome


def _from_finished(
    arrays: Mapping[str, NDArray[Any]], paths: tuple[str, ...], names: tuple[str, ...], stage: str
) -> Outcome:
    return Outcome(
        paths=paths,
        class_names=names,
        labels=arrays["labels"],
        confidence=arrays["confidence"],
        clean_probability=arrays["clean_probability"],
        kept=arrays["kept"].astype(bool),
        model_labels=arrays["model_labels"],
        model_clean_probability=arrays["model_clean_probability"],
        top_labels=arrays["top_labels"],
        top_probabilities=arrays["top_probabilities"],
        stage=stage,
    )


def _from_judged(
    arrays: Mapping[str, NDArray[Any]], paths: tuple[str, ...], names: tuple[str, ...], stage: str
) -> Outcome:
    """Before the classifier exists: the label of the model whose peer believes it more."""
    labels, believed = arrays["labels"], arrays["clean_probability"]
    better = (believed[1] > believed[0]).astype(np.int64)
    rows = np.arange(labels.shape[1])
    return Outcome(
        paths=paths,
        class_names=names,
        labels=labels[better, rows],
        confidence=arrays["confidence"][better, rows],
        clean_probability=believed[better, rows],
        kept=arrays["clean"].astype(bool)[better, rows],
        model_labels=labels,
        model_clean_probability=believed,
        top_labels=np.zeros((len(rows), 0), np.int64),
        top_probabilities=np.zeros((len(rows), 0), np.float32),
        stage=stage,
    )
