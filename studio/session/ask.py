"""To ask a person about images of a run, or of those at hand: begin, go on, and add a class."""

from __future__ import annotations

from collections.abc import Mapping

from studio.ask.accuracy import Decision, decide
from studio.errors import RunError
from studio.runs.given import GIVEN_FILE, NONE, Correction, read_corrections
from studio.runs.outcome import ANSWERED
from studio.runs.question import TOGETHER
from studio.session.asking import Asking
from studio.session.encoded import subject_of
from studio.session.opened import Opened, open_run
from studio.session.source import OpenedFolder, OpenedRun
from studio.session.tasks import Task

FEWEST = 10
"""Answers from which on it is said which way of labelling they speak for."""

LOST = "The images or class names have changed meanwhile: press “20 images worth a look” again."


def preparing(opened: Opened) -> Task:
    """The task after which `begin` has all it needs.

    Raises:
        RunError: the images are gone.
    """
    return subject_of(opened)


def begin(opened: Opened) -> Asking:
    """The asking about these images: as it stands, or with twenty images more where all were shown.

    Waits for `preparing`.
    """
    asking = _asking(opened)
    asking.begin()
    return asking


def asking_of(opened: Opened) -> Asking:
    """The asking that is under way.

    Raises:
        RunError: there is none about these images and names.
    """
    if opened.asking is None:
        raise RunError(LOST)
    return opened.asking


def add_class(opened: Opened, name: str) -> Opened:
    """Add a class that nobody listed; the images are compared with its name at once.

    Returns:
        What is opened, with that class as the last one.

    Raises:
        StudioError: the name cannot be used, or there is such a class.
    """
    session, source = opened.session, opened.source
    if isinstance(source, OpenedFolder):
        session.data.add_class(name)
        session.prompts.label()
    else:
        session.reader(source.run_id).corrections.add_class(name)
    found = open_run(session, source)
    if len(found.outcome.class_names) == len(opened.outcome.class_names):
        raise RunError("The images have to be labelled again first: press “Label now” on Data.")
    return found


def follow_now(opened: Opened) -> Asking:
    """The asking about these images, with labels that follow all that was said by now."""
    asking = _asking(opened)
    asking.weigh()
    return asking


def spoken_for(opened: Opened) -> Decision | None:
    """Which way of labelling the answers speak for: zero-shot, together, or a stage of the run;
    None while there are fewer than FEWEST answers that none of these ways has been told.
    """
    asking, source, outcome = opened.asking, opened.source, opened.outcome
    if asking is None:
        return None
    before: Mapping[str, Correction] = {}
    if isinstance(source, OpenedRun):
        given = opened.session.store.get(source.run_id).path / GIVEN_FILE
        before = read_corrections(given) if given.is_file() else {}
    number = {name: label for label, name in enumerate(outcome.class_names)}
    told = {
        i: number.get(said.label, NONE)
        for i, path in enumerate(outcome.paths)
        if (said := asking.corrections.current().get(path)) is not None
        and said.by_person and path not in before
    }  # fmt: skip
    if len(told) < FEWEST:
        return None
    own = {name: stage for name, stage in opened.stages.items() if name != ANSWERED}
    ways = {name: stage.labels for name, stage in own.items()}
    together = ways["zero-shot" if "zero-shot" in ways else list(ways)[-1]].copy()
    together[asking.subject.rows] = asking.subject.weighs.first
    return decide(told, {**ways, TOGETHER: together}, usual=list(ways)[-1])


def _asking(opened: Opened) -> Asking:
    session, source = opened.session, opened.source
    subject = subject_of(opened).result()
    corrections = session.corrections(source)
    before = opened.outcome
    return session.askings.get(source, before, subject, corrections, known=opened.asking)


__all__ = ["add_class", "asking_of", "begin", "follow_now", "preparing", "spoken_for"]
