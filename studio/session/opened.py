"""A run made ready to be looked at: its outcome beside the pictures of its folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter, eq
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.cache import Same
from studio.errors import FolderError, RunError
from studio.images.canvases import Canvases
from studio.images.folder import Folder, truth
from studio.runs.given import Correction
from studio.runs.info import ACTIVE
from studio.runs.outcome import ANSWERED, Outcome
from studio.runs.outcome_of import zero_shot_outcome
from studio.runs.resume import what_to_do
from studio.scores.estimate import Estimate
from studio.session.asking import Asking
from studio.session.session import LOOKING, Placed, Session
from studio.session.source import (
    AT_HAND,
    NOTHING,
    OTHER_IMAGES,
    OpenedFolder,
    OpenedRun,
    Source,
    parse,
)
from studio.session.task import Task

LARGE = 50_000
"""Images of a run from which its folder is looked through in the background: a million names take a
minute. Until that is done each picture is read when it is shown."""


@dataclass(frozen=True)
class Opened:
    """folder, canvases: None when the images are gone, and `problem` says so, or while the folder
    is looked through (`reading`); at: (N,) index of each image in the folder, which may have grown
    since the run, -1 = gone; images: a mark of the N images; source: what was opened; stages: the
    outcome at each stage, in order, of which `outcome` is one; model: as the run was given it;
    asking: about these images and labels, where one has begun; reading: the task whose value is
    folder and canvases, of runs with many images.
    """

    session: Session
    source: Source
    outcome: Outcome
    folder: Folder | None
    canvases: Canvases | None
    at: NDArray[np.int64]
    images: str
    problem: str = ""
    stages: dict[str, Outcome] = field(default_factory=dict)
    model: str = ""
    asking: Asking | None = None
    reading: Task | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What features depend on: the model and the images. Runs that share it share them."""
        if self.reading is not None:  # known before the folder is
            return self.model, f"{self.root}#{id(self.reading)}", self.images
        return self.model, self.folder.fingerprint if self.folder else "", self.images

    @property
    def there(self) -> bool:
        """Whether the images are there, or nobody knows yet."""
        return self.folder is not None or (self.reading is not None and self.reading.pending)

    @property
    def root(self) -> Path:
        """The folder of the images, whether it is there or not."""
        if self.folder is not None:
            return self.folder.root
        assert isinstance(self.source, OpenedRun)
        return self.session.reader(self.source.run_id).root

    def read(self, task: Task | None = None) -> Opened:
        """The same with its folder, waited for. task: told how far that is.

        Raises:
            StudioError: There is none.
        """
        if self.folder is not None:
            return self
        if self.reading is None:
            raise RunError(self.problem)
        progress = None if task is None else task.begin(LOOKING)
        while progress is not None and self.reading.pending:
            progress(self.reading.state.done, self.reading.state.total)
            self.reading.ended.wait(0.2)
        folder, canvases = self.reading.result()
        at = places_in(self.outcome.paths, folder)
        return replace(self, folder=folder, canvases=canvases, at=at)

    @property
    def corrections(self) -> Mapping[str, Correction]:
        """What people said about the images, by path."""
        return self.session.corrections(self.source).current()

    @property
    def answered(self) -> Estimate | None:
        """How many of the labels that follow answers are right; None where it is not known."""
        followed = None if self.asking is None else self.asking.followed
        return None if followed is None else followed.estimate

    def place(self, index: int) -> int | None:
        """Where the run's image `index` is in the folder; None: it is gone, or nobody knows yet."""
        at = int(self.at[index])
        return at if at >= 0 and self.folder is not None else None

    def picture(self, index: int) -> str:
        """Address of the thumbnail of the run's image `index`; empty when there is none."""
        if self.folder is None and self.there:
            return self._found(index, self.session.pictures.small_of)
        place = self.place(index)
        if place is None or self.folder is None or self.canvases is None:
            return ""
        return self.session.pictures.small(self.folder, self.canvases, place)

    def large_picture(self, index: int) -> str:
        """Address of a large view; empty when there is none."""
        if self.folder is None and self.there:
            return self._found(index, self.session.pictures.large_of)
        place = self.place(index)
        if place is None or self.folder is None:
            return ""
        return self.session.pictures.large(self.folder, place)

    def _found(self, index: int, address: Callable[..., str]) -> str:
        """The address of an image that is looked for by its path alone."""
        assert isinstance(self.source, OpenedRun)
        links = self.session.reader(self.source.run_id).info.follow_links
        return address(self.root, self.outcome.paths[index], follow_links=links)


def places_in(paths: Sequence[str], folder: Folder) -> NDArray[np.int64]:
    """(N,) index of the image of each path in a folder, -1 where there is none."""
    if len(paths) == len(folder.images) and all(
        map(eq, paths, map(attrgetter("path"), folder.images))
    ):
        return np.arange(len(paths))
    place = {image.path: i for i, image in enumerate(folder.images)}
    return np.array([place.get(path, -1) for path in paths], np.int64).reshape(-1)


def _placed(paths: Sequence[str], folder: Folder | None) -> Placed:
    """Where the images of these paths are in a folder, and their mark."""
    gone = np.full(len(paths), -1, np.int64)
    return gone if folder is None else places_in(paths, folder), images_mark(paths)


def images_mark(paths: Sequence[str]) -> str:
    """Changes with the images."""
    return hashlib.sha256("\0".join(paths).encode("utf-8", "surrogateescape")).hexdigest()[:20]


def open_run(session: Session, source: object, stage: object = None) -> Opened:
    """The outcome of a run, or of the images at hand, with its pictures.

    source: a `Source` or its text form; the labels of now are taken, whatever its marks are. stage:
    one of the run's stages, see `RunReader.outcomes`, or ANSWERED; else the labels that stand
    (`runs.standing`), where that was decided, and the latest ones where it was not.

    Raises:
        RunError: no such run, or it has nothing to show yet.
    """
    source = parse(source)
    if isinstance(source, OpenedRun):
        opened = _run(session, OpenedRun(source.run_id))
    else:
        opened = _at_hand(session)
    asking = session.askings.peek(opened.source, opened.outcome)
    answered = None if asking is None else asking.outcome(opened.outcome)
    stages = opened.stages if answered is None else {**opened.stages, ANSWERED: answered}
    standing = None
    if isinstance(source, OpenedRun):
        standing = session.reader(source.run_id).standing()
    outcome = stages.get(stage) if isinstance(stage, str) else None
    if outcome is None and standing is not None:
        outcome = stages.get(standing.way)
    outcome = answered if outcome is None else outcome
    opened = replace(opened, asking=asking)
    if standing is not None:  # so that nobody accepts labels that have moved on
        mark = f"{standing.way}-{standing.checks}"
        opened = replace(opened, source=replace(opened.source, labels=mark))
    if outcome is None:
        return opened
    if asking is not None and outcome is answered:
        mark = asking.mark  # so that nobody accepts labels that have moved on
        opened = replace(opened, source=replace(opened.source, labels=mark))
    return replace(opened, outcome=outcome, stages=stages)


def open_seen(session: Session, source: object) -> Opened:
    """The same, of the images that a page has seen; for what is done to them unseen.

    Raises:
        RunError: other images are at hand by now, and those of `open_run`.
    """
    source, opened = parse(source), open_run(session, source)
    if not source.same_images(opened.source):
        raise RunError(OTHER_IMAGES)
    return opened


def _run(session: Session, source: OpenedRun) -> Opened:
    reader = session.reader(source.run_id)
    outcomes = session.outcomes(reader)
    if not outcomes:
        wait = "they come once the images have been read"
        to_do = wait if reader.run.status()["state"] in ACTIVE else what_to_do(reader.run)
        raise RunError(f"This run has no labels yet: {to_do}.")
    last, model = list(outcomes.values())[-1], reader.info.model
    reading, problem = None, ""
    folder: Folder | None = None
    canvases: Canvases | None = None
    try:
        if len(last) < LARGE:
            folder, canvases = session.open_folder(
                reader.root, follow_links=reader.info.follow_links
            )
        else:
            reading = session.reading(reader.root, follow_links=reader.info.follow_links)
            if reading.ready:
                folder, canvases = reading.value
            problem = reading.error
    except FolderError as error:
        problem = str(error)

    def make() -> Opened:
        # As long as the folder: every click would have to make it anew otherwise.
        at, images = session.placed(
            source, Same(last.paths, folder), lambda: _placed(last.paths, folder)
        )
        return Opened(
            session, source, last, folder, canvases, at, images, problem, outcomes, model,
            reading=reading,
        )  # fmt: skip

    return session.opened(source, (reader.mark, Same(folder, reading), problem), make)


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
        true = truth(folder, preview.class_names, aliases=view.aliases)
        if true is not None:
            outcome = replace(outcome, truth=true)
        stages = {outcome.stage: outcome}
        labels = hashlib.sha256(repr(outcome.class_names).encode() + outcome.labels.tobytes())
        source = OpenedFolder(folder.fingerprint[:12], labels.hexdigest()[:12])
        return Opened(
            session, source, outcome, folder, canvases, np.arange(len(outcome)),
            images_mark(outcome.paths), "", stages, preview.model,
        )  # fmt: skip

    return session.opened(AT_HAND, (Same(preview.labels, folder), view.aliases), make)
