"""A run read bit by bit from its folder: curves, warnings, and the labels of its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.runs.store import Run, RunInfo
from studio.runs.curves import Curves
from studio.runs.outcome import Outcome
from studio.runs.history import LabelHistory

STAGES = ("zero-shot", "phase1", "final")
"""How far the labels have come, in order: before training, after Phase I, after all."""


class RunReader:
    """Follows one run: each `refresh` reads only what was appended since the last one."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.info: RunInfo = run.info
        self.curves = Curves(run=run.id)
        self.warnings: list[str] = []
        self.history = LabelHistory(run)
        self._next = 0
        self._arrays: dict[str, dict[str, Any]] = {}
        self._outcomes: dict[str, Outcome] = {}  # by the name of the file
        self._root = ""

    def refresh(self) -> None:
        """Take in the new lines of events.jsonl."""
        events, self._next = self.run.events(self._next)
        for event in events:
            self.curves.add(event)
            kind = str(event.get("kind"))
            if kind == "warned":
                self.warnings.append(str(event.get("message", "")))
            if kind in (*_BUILD, "combined") and isinstance(event.get("arrays"), str):
                self._arrays[kind] = event
        if events:
            self.info = self.run.info

    def outcome(self, *, truth: NDArray[np.int64] | None = None) -> Outcome | None:
        """The latest labels of all images: final ones, or those after Phase I while it goes on.

        truth: (N,) with -1 = unknown, or None. Returns None while there are no labels to judge.
        """
        kind = next((k for k in ("finished", "judged") if k in self._arrays), None)
        return None if kind is None else _with(self._scored(kind), truth)

    def outcomes(self, *, truth: NDArray[np.int64] | None = None) -> dict[str, Outcome]:
        """The labels at each of `STAGES` that the run has been through, in that order.

        Before training there are no two models and no judge: both have the zero-shot label, and its
        probability stands for how clean it is. A run that ended early has no "final".

        truth: (N,) with -1 = unknown, or None.
        """
        found = {}
        for kind, name in (("zero_shot", "zero-shot"), ("judged", "phase1"), ("finished", "final")):
            if kind in self._arrays:
                outcome = self._scored(kind)
                found[outcome.stage if outcome.stage in STAGES else name] = outcome
        return {name: _with(found[name], truth) for name in STAGES if name in found}

    @property
    def root(self) -> str:
        """The folder of the images; "" while it is not known. A list of many images reads slowly,
        and it is written once: read once as well.
        """
        self._root = self._root or str(self.run.images()["root"])
        return self._root

    @property
    def mark(self) -> tuple[str, ...]:
        """Changes when the outcomes do."""
        return tuple(str(event["arrays"]) for event in self._arrays.values())

    def _scored(self, kind: str) -> Outcome:
        """The outcome, the last one with its combined score once that is there."""
        outcome = self._read(kind)
        if kind == "finished" and outcome.combined is None and "combined" in self._arrays:
            score = self.run.arrays(str(self._arrays["combined"]["arrays"]))["score"].numpy()
            outcome = replace(outcome, combined=score)
            self._outcomes[str(self._arrays[kind]["arrays"])] = outcome
        return outcome

    def _read(self, kind: str) -> Outcome:
        name = str(self._arrays[kind]["arrays"])
        if name not in self._outcomes:
            arrays = {key: value.numpy() for key, value in self.run.arrays(name).items()}
            paths = next((o.paths for o in self._outcomes.values()), ())  # one tuple for all
            if len(paths) != arrays["labels"].shape[-1]:
                paths = tuple(map(str, self.run.images()["images"]))
            stage = str(self._arrays[kind].get("stage", "phase1"))
            self._outcomes[name] = _BUILD[kind](
                arrays, paths, tuple(self.run.info.class_names), stage
            )
        return self._outcomes[name]


def _with(outcome: Outcome, truth: NDArray[np.int64] | None) -> Outcome:
    known = truth is not None and len(truth) == len(outcome)
    return replace(outcome, truth=truth) if known else outcome


def _from_zero_shot(
    arrays: Mapping[str, NDArray[Any]], paths: tuple[str, ...], names: tuple[str, ...], stage: str
) -> Outcome:
    del stage
    return zero_shot_outcome(
        paths=paths, class_names=names, labels=arrays["labels"], confidence=arrays["confidence"]
    )


def zero_shot_outcome(
    *,
    paths: tuple[str, ...],
    class_names: tuple[str, ...],
    labels: NDArray[np.int64],
    confidence: NDArray[np.float32],
) -> Outcome:
    """Labels before any training as an outcome; see `RunReader.outcomes` for what that means.

    labels: (N,); confidence: (N,) in [0, 1].
    """
    return Outcome(
        paths=paths,
        class_names=class_names,
        labels=labels,
        confidence=confidence,
        clean_probability=confidence,
        clean=confidence > 0.5,
        model_labels=np.stack([labels, labels]),
        model_clean_probability=np.stack([confidence, confidence]),
        top_labels=np.zeros((len(labels), 0), np.int64),
        top_probabilities=np.zeros((len(labels), 0), np.float32),
        stage="zero-shot",
    )


def _from_finished(
    arrays: Mapping[str, NDArray[Any]], paths: tuple[str, ...], names: tuple[str, ...], stage: str
) -> Outcome:
    return Outcome(
        paths=paths,
        class_names=names,
        labels=arrays["labels"],
        confidence=arrays["confidence"],
        clean_probability=arrays["clean_probability"],
        clean=arrays["clean" if "clean" in arrays else "kept"].astype(bool),
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
        clean=arrays["clean"].astype(bool)[better, rows],
        model_labels=labels,
        model_clean_probability=believed,
        top_labels=np.zeros((len(rows), 0), np.int64),
        top_probabilities=np.zeros((len(rows), 0), np.float32),
        stage=stage,
    )


_BUILD = {"zero_shot": _from_zero_shot, "judged": _from_judged, "finished": _from_finished}
