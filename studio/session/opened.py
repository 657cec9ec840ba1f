"""A run made ready to be looked at: its outcome beside the pictures of its folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from studio.errors import FolderError, RunError
from studio.images.canvases import Canvases
from studio.images.folder import Folder, truth
from studio.runs.given import Correction
from studio.runs.outcome import Outcome
from studio.runs.reader import RunReader, zero_shot_outcome
from studio.session.session import Session, run_truth
from studio.session.source import NOTHING, OpenedFolder, OpenedRun, Source, parse
from studio.views.markup import notice, stat, stats
from studio.views.numbers import count, percent


@dataclass(frozen=True)
class Opened:
    """folder, canvases: None when the images are gone, and `problem` says so; place: path -> index
    of an image in the folder, which may have grown since the run; source: what was opened; stages:
    the outcome at each stage, in order, of which `outcome` is one; model: as the run was given it.
    """

    session: Session
    source: Source
    outcome: Outcome
    folder: Folder | None
    canvases: Canvases | None
    place: dict[str, int]
    problem: str = ""
    stages: dict[str, Outcome] = field(default_factory=dict)
    model: str = ""

    @property
    def key(self) -> tuple[str, str, tuple[str, ...]]:
        """What features depend on: the model and the images. Runs that share it share them."""
        return self.model, self.folder.fingerprint if self.folder else "", self.outcome.paths

    @property
    def corrections(self) -> Mapping[str, Correction]:
        """What people said about the images, by path."""
        return self.session.corrections(self.source).current()

    def picture(self, index: int) -> str:
        """Address of the thumbnail of the run's image `index`; empty when there is none."""
        place = self.place.get(self.outcome.paths[index])
        if place is None or self.folder is None or self.canvases is None:
            return ""
        return self.session.picture(self.folder, self.canvases, place)

    def large_picture(self, index: int) -> str:
        """Address of a large view; empty when there is none."""
        place = self.place.get(self.outcome.paths[index])
        if place is None or self.folder is None:
            return ""
        return self.session.large_picture(self.folder, place)

    def summary(self) -> str:
        """The outcome in a few figures, in HTML."""
        outcome, told = self.outcome, ""
        kept = float(outcome.clean.mean()) if len(outcome) else 0.0
        before = outcome.stage == "zero-shot"
        clean = "sure" if before else "clean"
        figures = [stat(count(len(outcome)), "images"), stat(percent(kept), clean)]
        if not before:  # there is one model only
            figures.append(stat(percent(float(outcome.disagree.mean())), "models disagree"))
        if outcome.truth is not None and (known := outcome.truth >= 0).any():
            right = outcome.labels[known] == outcome.truth[known]
            share = percent(float(right.mean()), digits=1)
            figures.append(stat(share, "right", hint="by sub-folder names"))
            if (believed := outcome.clean[known]).any():
                share = percent(float(right[believed].mean()), digits=1)
                figures.append(stat(share, f"right among {clean}"))
        if self.problem:
            told = notice(f"{self.problem} Labels are shown without pictures.", kind="warn")
        elif before:
            told = notice(
                "These are labels before training: there is no second model yet, and the "
                "probability of a label stands for how clean it is."
            )
        elif outcome.stage == "phase1":
            text = "These are the labels after Phase I; no classifier has been trained on them yet."
            told = notice(text)
        return told + stats(figures)


def open_run(session: Session, source: object, stage: object = None) -> Opened:
    """The outcome of a run, or of the images at hand, with its pictures.

    source: a `Source` or its text form; of the images at hand the labels of now are taken, whatever
    its marks are. stage: one of the run's stages, see `RunReader.outcomes`; else the latest.

    Raises:
        RunError: no such run, or it has nothing to show yet.
    """
    source = parse(source)
    found = _run(session, source) if isinstance(source, OpenedRun) else _at_hand(session)
    wanted = found.stages.get(stage) if isinstance(stage, str) else None
    return found if wanted is None else replace(found, outcome=wanted)


def _run(session: Session, source: OpenedRun) -> Opened:
    reader = session.reader(source.run_id)
    outcomes = session.outcomes(reader)
    if not outcomes:
        raise RunError("This run has no labels yet: they come once the images have been read.")
    try:
        folder, canvases = session.open_folder(root_of(reader))
    except FolderError as error:
        last = list(outcomes.values())[-1]
        return Opened(
            session, source, last, None, None, {}, str(error), outcomes, reader.info.model
        )
    aliases = aliases_of(session, folder)
    # Lists as long as the folder, which every click would have to make anew otherwise.
    mark = (reader.mark, id(folder), tuple(aliases.items()), reader.info.truth_known)

    def make() -> Opened:
        stages = outcomes
        if reader.info.truth_known:
            last = list(outcomes.values())[-1]
            known = run_truth(folder, last.paths, last.class_names, aliases)
            stages = session.outcomes(reader, truth=known)
        place = {image.path: i for i, image in enumerate(folder.images)}
        last = list(stages.values())[-1]
        return Opened(session, source, last, folder, canvases, place, "", stages, reader.info.model)

    return session.remembered(source.key(), mark, make)


def _at_hand(session: Session) -> Opened:
    """The images at hand with their zero-shot labels, as the Data tab shows them."""
    view = session.data.state
    folder, canvases, preview = view.folder, view.canvases, view.preview
    if folder is None or canvases is None or preview is None:
        if view.busy:
            raise RunError(f"{view.busy}: open this tab again when that is done.")
        raise RunError(NOTHING)

    def make() -> Opened:
        outcome = zero_shot_outcome(
            paths=tuple(image.path for image in folder.images),
            class_names=preview.class_names,
            labels=preview.labels,
            confidence=preview.confidence,
        )
        known = truth(folder, preview.class_names, aliases=view.aliases)
        if known is not None:
            outcome = replace(outcome, truth=known)
        place = {path: i for i, path in enumerate(outcome.paths)}
        stages = {outcome.stage: outcome}
        labels = hashlib.sha256(repr(outcome.class_names).encode() + outcome.labels.tobytes())
        source = OpenedFolder(folder.fingerprint[:12], labels.hexdigest()[:12])
        return Opened(session, source, outcome, folder, canvases, place, "", stages, preview.model)

    # What was made holds on to these labels, so that no others can come to the same address.
    made_of = (id(preview.labels), id(folder), tuple(view.aliases.items()))
    return session.remembered("folder", made_of, make)


def root_of(reader: RunReader) -> Path:
    """The folder that a run's images lie in."""
    return Path(reader.root or reader.info.folder)


def aliases_of(session: Session, folder: Folder) -> dict[str, str]:
    """Folder name -> class name, as far as the data set at hand is the run's."""
    view = session.data.state
    same = view.folder is not None and view.folder.root == folder.root
    return view.aliases if same else {}
