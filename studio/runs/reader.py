"""A run, read: THE one way from a run's folder to what it says.

Curves, warnings, scores, estimates, the labels of each stage with what people said about them, the
history of each label: all of it comes from the events that the run recorded, decoded once
(`records.decode`). A reader follows a run that is at work, and reads only what was appended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cache import Cache
from studio.errors import PromptError
from studio.files import read_json
from studio.forking import Lock
from studio.images.names import truth_of
from studio.prompts.prompt_set import PromptSet
from studio.runs.corrections import Corrections
from studio.runs.curves import Curves
from studio.runs.history import STAGED, LabelHistory
from studio.runs.measured import Score
from studio.runs.outcome import Outcome
from studio.runs.outcome_of import BUILD, zero_shot_outcome
from studio.runs.records import decode, kind_of
from studio.runs.standing import OwnLabels, Standing, mark_of, read_standing
from studio.runs.store import Run, RunInfo
from studio.runs.tensors import check_classes, images_in, loaded
from studio.scores.estimate import Estimate
from studio.scores.knowledge import Knowledge
from studio.untrusted import Unreadable

STAGES = ("zero-shot", "phase1", "final")
"""How far the labels have come, in order: before training, after Phase I, after all."""

_MANY = 10_000

_STAGE_OF = {"zero_shot": "zero-shot", "judged": "phase1", "finished": "final"}


_PATHS: Cache[str, tuple[str, ...]] = Cache(most=2)


def _shared(paths: Sequence[str]) -> tuple[str, ...]:
    """The same tuple for all runs of the same images: of a million of them it takes 100 MB."""
    if len(paths) < _MANY:
        return tuple(paths)
    text = "\0".join(paths).encode("utf-8", "surrogateescape")
    key = hashlib.blake2b(text, digest_size=16).hexdigest()
    return _PATHS.get(key, lambda: tuple(paths))


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
        self.corrections = Corrections.of(run, images=lambda: self._described()[1])
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
        self._decided: tuple[object, Standing | None] | None = None  # mark of its file, and it
        self._true: tuple[object, tuple[str, ...], NDArray[np.int64] | None] | None = None
        self._standing_made: tuple[Standing, Outcome, Outcome] | None = None

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
            if (final := self.final()) is not None:
                return final
            return self._outcome("judged") if "judged" in self._latest else None

    def final(self) -> Outcome | None:
        """The labels that stand, also where the run was stopped early: those that it ended with,
        or those of another way for which answers speak (`runs.standing`); None until then.
        """
        with self._lock:
            ended, standing = self.ended(), self.standing()
            if ended is None or standing is None:
                return ended
            return self.outcomes().get(standing.way, ended)

    def ended(self) -> Outcome | None:
        """The labels that the run ended with, whichever stand; None until then."""
        with self._lock:
            return self._outcome("finished") if "finished" in self._latest else None

    def standing(self) -> Standing | None:
        """Which labels stand, where that was decided; read anew when it changes.

        Raises:
            RunError: Its files are damaged.
        """
        with self._lock:
            mark = mark_of(self.run)
            if self._decided is None or self._decided[0] != mark:
                self._decided = mark, read_standing(self.run)
            return self._decided[1]

    def own_labels(self) -> dict[str, OwnLabels]:
        """By way, labels that are kept beside what was decided: of a way that the run itself has
        not recorded, whether it stands or not.

        Raises:
            RunError: They are of other images or classes, or damaged.
        """
        with self._lock:
            standing, ended = self.standing(), self.ended()
            if standing is None or ended is None or standing.own is None:
                return {}
            own = standing.own
            if standing.own_way in STAGES:
                return {}
            if len(own.labels) != len(ended) or not all(
                0 <= labels.min(initial=0) <= labels.max(initial=0) < len(self.class_names)
                for labels in (own.labels, own.without_own_answers())
            ):
                raise self.run.damaged("standing.safetensors has labels of other images or classes")
            return {standing.own_way: own}

    def outcomes(self) -> dict[str, Outcome]:
        """The labels at each of `STAGES` that the run has been through, in that order.

        Before training there are no two models and no judge: both have the zero-shot label, and its
        probability stands for how clean it is. A run that ended early has no "final". Where the
        labels of a way stand that is no stage of the run, they come last but for "final".
        """
        found = {}
        with self._lock:
            for kind, name in _STAGE_OF.items():
                if kind in self._latest:
                    outcome = self._outcome(kind)
                    found[outcome.stage if outcome.stage in STAGES else name] = outcome
            own = self._standing_outcome()
        stages = [name for name in STAGES if name in found]
        if own is None:
            return {name: found[name] for name in stages}
        found[own.stage] = own
        return {name: found[name] for name in (*stages[:-1], own.stage, *stages[-1:])}

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
        return (*files, self.info.resumed, self.corrections.mark, mark_of(self.run))

    def _outcome(self, kind: str) -> Outcome:
        """With what people have said by now; the same object as long as nothing changes."""
        made, corrections = self._without_corrections(kind), self.corrections.current()
        before = self._merged.get(kind)
        if before is None or before[0] is not made or before[1].corrections is not corrections:
            merged = replace(made, corrections=corrections, class_names=self.class_names)
            self._merged[kind] = made, merged
        return self._merged[kind][1]

    def _standing_outcome(self) -> Outcome | None:
        """The labels that stand, of a way that the run itself has not recorded; else None."""
        standing, ended = self.standing(), self.ended()
        own = self.own_labels().get(standing.way) if standing is not None else None
        if standing is None or ended is None or own is None:
            return None
        before = self._standing_made
        if before is None or before[0] is not standing or before[1] is not ended:
            made = zero_shot_outcome(
                paths=ended.paths, class_names=ended.class_names, labels=own.labels,
                confidence=own.confidence,
            )  # fmt: skip
            made = replace(
                made, stage=standing.way, truth=ended.truth, strangers=ended.strangers,
                corrections=ended.corrections,
            )  # fmt: skip
            before = self._standing_made = standing, ended, made
        return before[2]

    def _without_corrections(self, kind: str) -> Outcome:
        more = ("combined", "strangers") if kind == "finished" else ("strangers",)
        kinds = (kind, *more)
        files = tuple(self._latest[k][0] for k in kinds if k in self._latest)
        if kind not in self._made or self._made[kind][0] != files:
            event = self._latest[kind][1]
            self._check(kind)
            paths, names = self._paths(event.labels.shape[-1]), tuple(self.info.class_names)
            outcome = replace(BUILD[kind](event, paths, names), truth=self._truth(paths))
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
                self._images = str(found["root"]), _shared(found["images"])
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
        before = self._true
        if before is None or before[0] is not paths or before[1] != self.info.class_names:
            names = self.info.class_names
            found = truth_of(paths, names, aliases=self.info.aliases)
            before = self._true = paths, names, found
        return before[2]
