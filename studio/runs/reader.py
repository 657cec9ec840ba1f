"""A run, read: THE one way from a run's folder to what it says.

Curves, warnings, scores, estimates, the labels of each stage with what people said about them, the
history of each label: all of it comes from the events that the run recorded, decoded once
(`records.decode`). A reader follows a run that is at work, and reads only what was appended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import PromptError
from studio.files import read_json
from studio.forking import Lock
from studio.images.names import truth_of
from studio.prompts.prompt_set import PromptSet
from studio.runs.corrections import Corrections
from studio.runs.curves import Curves
from studio.runs.history import STAGED, LabelHistory
from studio.runs.measured import Score
from studio.runs.outcome import Outcome, better_judged
from studio.runs.records import decode, kind_of
from studio.runs.store import Run, RunInfo
from studio.runs.tensors import check_classes, images_in, loaded
from studio.scores.estimate import Estimate
from studio.scores.knowledge import Knowledge
from studio.untrusted import Unreadable

if TYPE_CHECKING:
    from studio.coft.events import Finished, Judged, ZeroShot

STAGES = ("zero-shot", "phase1", "final")
"""How far the labels have come, in order: before training, after Phase I, after all."""

_STAGE_OF = {"zero_shot": "zero-shot", "judged": "phase1", "finished": "final"}


class RunReader:
    """Follows one run, for any number of threads.

    Attributes:
        run: The run.
        info: What it is, as of the last `refresh`.
        curves: Losses by step, shares and scores by epoch.
        warnings: In the order they came.
        scores: Of all stages, in the order they came.
        estimates: By stage ("zero-shot", "finished", ...), the last of each.
        knowledge: Whether the model knows such images; None until the run has said so.
        history: Of each label.
        corrections: What people said about the images.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.info: RunInfo = run.info
        self.corrections = Corrections.of(run)
        self._lock = Lock()
        self._begin()

    def _begin(self) -> None:
        """Before the first line."""
        self.curves = Curves(run=self.run.id)
        self.warnings: list[str] = []
        self.scores: list[Score] = []
        self.estimates: dict[str, Estimate] = {}
        self.knowledge: Knowledge | None = None
        self.history = LabelHistory(self._fitting)
        self._next = 0
        self._staged: list[Any] = []  # events with labels of single images
        self._latest: dict[str, tuple[str, Any]] = {}  # kind -> file of its tensors, event
        self._made: dict[str, tuple[tuple[str, ...], Outcome]] = {}  # kind -> files, outcome
        self._merged: dict[str, tuple[Outcome, Outcome]] = {}  # kind -> made, with corrections
        self._images: tuple[str, tuple[str, ...]] = "", ()

    def refresh(self) -> None:
        """Take in the new lines of events.jsonl, and what the run is called now."""
        with self._lock:
            info = self.run.info  # it may have another name, too
            if info.resumed != self.info.resumed:  # lines that were read are gone
                self._begin()
            self.info = info
            records, self._next = self.run.events(self._next)
            for record in records:
                self._take(record)

    def _take(self, record: Mapping[str, Any]) -> None:
        event, kind = decode(record, run=self.run), str(record["kind"])
        self.curves.add(event)
        if event is None:
            return
        if kind == "warned":
            self.warnings.append(event.message)
        elif kind == "score":
            self.scores.append(event)
        elif kind == "estimate":
            self.estimates[event.stage] = event.estimate
        elif kind == "knowledge":
            self.knowledge = event
        elif isinstance(record.get("arrays"), str):
            if kind in STAGED:
                self._staged.append(event)
            self._latest[kind] = record["arrays"], event

    # Labels ------------------------------------------------------------------------------------

    def outcome(self) -> Outcome | None:
        """The latest labels of all images: final ones, or those after Phase I while it goes on.

        None while there are no labels to judge.
        """
        with self._lock:
            kind = next((k for k in ("finished", "judged") if k in self._latest), None)
            return None if kind is None else self._outcome(kind)

    def final(self) -> Outcome | None:
        """The labels that the run ended with, also where it was stopped early; None until then."""
        with self._lock:
            return self._outcome("finished") if "finished" in self._latest else None

    def outcomes(self) -> dict[str, Outcome]:
        """The labels at each of `STAGES` that the run has been through, in that order.

        Before training there are no two models and no judge: both have the zero-shot label, and its
        probability stands for how clean it is. A run that ended early has no "final".
        """
        found = {}
        with self._lock:
            for kind, name in _STAGE_OF.items():
                if kind in self._latest:
                    outcome = self._outcome(kind)
                    found[outcome.stage if outcome.stage in STAGES else name] = outcome
        return {name: found[name] for name in STAGES if name in found}

    def latest(self, kind: str) -> Any:
        """The last event of a kind that has tensors, "judged" or "finished", say; None so far."""
        with self._lock:
            return self._latest[kind][1] if kind in self._latest else None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Those that the run was given, and those that were added since."""
        return (*self.info.class_names, *self.corrections.added())

    @property
    def root(self) -> Path:
        """The folder of the images."""
        return Path(self._described()[0] or self.info.folder)

    @property
    def prompts(self) -> PromptSet:
        """What the run read about each class; nothing where it has not come that far."""
        saved = read_json(self.run.path / "prompts.json")
        try:
            return PromptSet() if saved is None else PromptSet.from_dict(saved)
        except PromptError as error:
            raise self.run.damaged(f"prompts.json: {error}") from None

    @property
    def mark(self) -> tuple[object, ...]:
        """Changes when the outcomes do, corrections included."""
        with self._lock:
            files = tuple(name for name, _ in self._latest.values())
        return (*files, self.info.resumed, self.corrections.mark)

    def _outcome(self, kind: str) -> Outcome:
        """With what people have said by now; the same object as long as nothing changes."""
        made, corrections = self._without_corrections(kind), self.corrections.current()
        before = self._merged.get(kind)
        if before is None or before[0] is not made or before[1].corrections is not corrections:
            merged = replace(made, corrections=corrections, class_names=self.class_names)
            self._merged[kind] = made, merged
        return self._merged[kind][1]

    def _without_corrections(self, kind: str) -> Outcome:
        more = ("combined", "strangers") if kind == "finished" else ("strangers",)
        kinds = (kind, *more)
        files = tuple(self._latest[k][0] for k in kinds if k in self._latest)
        if kind not in self._made or self._made[kind][0] != files:
            event = self._latest[kind][1]
            self._check(kind)
            paths, names = self._paths(event.labels.shape[-1]), tuple(self.info.class_names)
            outcome = replace(_BUILD[kind](event, paths, names), truth=self._truth(paths))
            if "combined" in kinds and "combined" in self._latest:
                self._check("combined")
                outcome = replace(outcome, combined=self._latest["combined"][1].score.numpy())
            if "strangers" in self._latest:
                self._check("strangers")
                outcome = replace(outcome, strangers=self._latest["strangers"][1].score.numpy())
            self._made[kind] = files, outcome
        return self._made[kind][1]

    def _check(self, kind: str) -> None:
        """Raise where labels are not of the run's images and classes."""
        file, event = self._latest[kind]
        if reason := self._misfit(kind, event, file):
            raise self.run.damaged(reason)

    def _misfit(self, kind: str, event: Any, file: str) -> str:
        """Why the tensors of an event cannot be those of this run; "" when they can."""
        tensors = vars(event) if images_in(kind, vars(event)) is not None else loaded(kind, event)
        images = images_in(kind, tensors)
        paths = self._paths(images) if images is not None else self._described()[1]
        if images is not None and images != len(paths):
            return f"{file} is about {images} images, images.json lists {len(paths)}"
        try:
            check_classes(
                kind, tensors, classes=len(self.info.class_names), images=len(paths), file=file
            )
        except Unreadable as error:
            return str(error)
        return ""

    def _fitting(self) -> tuple[Any, ...]:
        """The events with labels of single images, without those that are not of this run."""
        with self._lock:
            staged = tuple(self._staged)
        return tuple(e for e in staged if not self._misfit(kind_of(e), e, kind_of(e)))

    def _described(self) -> tuple[str, tuple[str, ...]]:
        """The folder and its images. A long list reads slowly, and it is written once."""
        with self._lock:
            if not self._images[1]:
                found = self.run.images()
                self._images = str(found["root"]), tuple(map(str, found["images"]))
            return self._images

    def _paths(self, number: int) -> tuple[str, ...]:
        paths = self._described()[1]
        if len(paths) != number:
            self._images = "", ()
            paths = self._described()[1]
        return paths

    def _truth(self, paths: tuple[str, ...]) -> NDArray[np.int64] | None:
        """(N,) true classes by the run's own names and aliases, -1 = unknown, for scores only."""
        if not self.info.truth_known:
            return None
        return truth_of(paths, self.info.class_names, aliases=self.info.aliases)


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


def _from_zero_shot(event: ZeroShot, paths: tuple[str, ...], names: tuple[str, ...]) -> Outcome:
    return zero_shot_outcome(
        paths=paths,
        class_names=names,
        labels=event.labels.numpy(),
        confidence=event.confidence.numpy(),
    )


def _from_judged(event: Judged, paths: tuple[str, ...], names: tuple[str, ...]) -> Outcome:
    labels, clean = event.labels.numpy(), event.clean.numpy().astype(bool)
    probability = event.clean_probability.numpy()
    chosen, rows = better_judged(clean, probability), np.arange(labels.shape[1])
    return Outcome(
        paths=paths,
        class_names=names,
        labels=labels[chosen, rows],
        confidence=event.confidence.numpy()[chosen, rows],
        clean_probability=probability[chosen, rows],
        clean=clean[chosen, rows],
        model_labels=labels,
        model_clean_probability=probability,
        top_labels=np.zeros((len(rows), 0), np.int64),
        top_probabilities=np.zeros((len(rows), 0), np.float32),
        stage="phase1",
    )


def _from_finished(event: Finished, paths: tuple[str, ...], names: tuple[str, ...]) -> Outcome:
    return Outcome(
        paths=paths,
        class_names=names,
        labels=event.labels.numpy(),
        confidence=event.confidence.numpy(),
        clean_probability=event.clean_probability.numpy(),
        clean=event.clean.numpy().astype(bool),
        model_labels=event.model_labels.numpy(),
        model_clean_probability=event.model_clean_probability.numpy(),
        top_labels=event.top_labels.numpy(),
        top_probabilities=event.top_probabilities.numpy(),
        stage=event.stage,
    )


_BUILD: dict[str, Any] = {
    "zero_shot": _from_zero_shot,
    "judged": _from_judged,
    "finished": _from_finished,
}
