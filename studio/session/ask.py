"""To ask a person about images of a run, or of those at hand: begin, go on, and add a class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from studio.ask.accuracy import (
    FEWEST_TO_DECIDE,
    Decision,
    first_drawn,
    right_share,
)
from studio.errors import RunError
from studio.runs.deciding import (
    UNMEASURED,
    WAYS,
    Checked,
    answered_before,
    between,
    keep,
    leave_to_answers,
    settle,
)
from studio.runs.given import NONE
from studio.runs.judge_checks import Questioned
from studio.runs.outcome import ANSWERED, TOGETHER, Outcome
from studio.runs.reader import STAGES, RunReader
from studio.runs.standing import PERSON, OwnLabels, Standing
from studio.session.asking import Asking
from studio.session.encoded import drawn_order, subject_of
from studio.session.opened import Opened, open_run
from studio.session.source import OpenedFolder, OpenedRun
from studio.session.tasks import Task

LOST = "The images or class names have changed meanwhile: press “20 images worth a look” again."


def preparing(opened: Opened) -> Task:
    """The task after which `begin` has all it needs.

    Raises:
        RunError: the images are gone.
    """
    return subject_of(opened)


def begin(opened: Opened, *, checking: bool = False) -> Asking:
    """The asking about these images: as it stands, or with twenty images more where all were shown.

    checking: about images that are drawn to check the labels. Waits for `preparing`.
    """
    asking = _asking(opened)
    asking.begin(checking=checking)
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


def checked_of(opened: Opened) -> Checked | None:
    """What the answers about drawn images say by now; None where there is none."""
    told, ways = _told(opened), _ways(opened)
    if not told or not ways:
        return None
    way, standing = _standing_way(opened, ways)
    own = ways[way]
    labels = own.without_own_answers()
    fair = own.fair(told)
    share = right_share(
        {i: label == labels[i] for i, label in fair.items()}, labels, own.confidence,
        among=_order(opened),
    )  # fmt: skip
    return Checked(share, _decision(opened, told, ways), way, standing)


def questioned_of(opened: Opened) -> Questioned | None:
    """The labels that stand, as they are checked; None before there are any to check.

    Raises:
        RunError: They may have been told answers about the images that would be checked.
    """
    ways = _ways(opened)
    if not ways or (isinstance(opened.source, OpenedRun) and _reader(opened) is None):
        return None
    own = ways[_standing_way(opened, ways)[0]]
    if own.unmeasured:
        raise RunError(UNMEASURED)
    labels = own.without_own_answers()
    return Questioned(
        opened.outcome.paths, opened.outcome.class_names, labels, own.confidence, _order(opened),
        [labels, *(one.labels for one in ways.values())], own.checked,
    )  # fmt: skip


def settle_standing(opened: Opened) -> None:
    """Have the labels of a run stand that the answers about drawn images speak for."""
    reader = _reader(opened)
    if reader is not None:
        settle(reader, *_compared(opened))


def reverse_standing(opened: Opened) -> str:
    """Have the labels after training stand where others do, whatever answers say, and leave it to
    the answers where a person had decided; what was done, in words.

    Raises:
        RunError: There is nothing to reverse.
    """
    reader = _reader(opened)
    standing = None if reader is None else reader.standing()
    if reader is None or standing is None:
        raise RunError("Nothing was decided about these labels.")
    if standing.by == PERSON:
        leave_to_answers(reader, *_compared(opened))
        return "The answers decide again which labels stand"
    usual = list(_stages(opened))[-1]
    keep(reader, usual)
    return f"The labels {WAYS[usual]} stand"


def _standing_way(opened: Opened, ways: Mapping[str, OwnLabels]) -> tuple[str, Standing | None]:
    """Whose labels stand, and what was decided; None where nothing was, or where that names labels
    that the run does not have, so that others leave it.
    """
    reader = _reader(opened)
    standing = None if reader is None else reader.standing()
    if standing is None or standing.way not in ways:
        return list(_stages(opened))[-1], None
    return standing.way, standing


def _reader(opened: Opened) -> RunReader | None:
    """Of a run that has ended."""
    if not isinstance(opened.source, OpenedRun):
        return None
    reader = opened.session.reader(opened.source.run_id)
    return reader if reader.ended() is not None else None


def _stages(opened: Opened) -> dict[str, Outcome]:
    """The labels that were made without these answers, in order."""
    return {name: stage for name, stage in opened.stages.items() if name in STAGES}


def _order(opened: Opened) -> NDArray[np.int64]:
    """All images in the order in which they are checked, but those whose answers the labels were
    told when they were made.
    """
    by, source = list(_stages(opened).values())[-1], opened.source
    before: frozenset[str] = frozenset()
    if isinstance(source, OpenedRun):
        before = answered_before(opened.session.store.get(source.run_id))
    order = drawn_order(opened)
    if not before:
        return order
    told = np.array([path in before for path in by.paths], bool)
    return order[~told[order]]


def _told(opened: Opened) -> dict[int, int]:
    """What a person said of the images that were drawn first: image -> class, or NONE."""
    outcome = opened.outcome
    number = {name: label for label, name in enumerate(outcome.class_names)}
    said = opened.corrections
    if not said:
        return {}
    answers = {
        i: number.get(said[path].label, NONE)
        for i, path in enumerate(outcome.paths)
        if path in said and said[path].by_person
    }
    return {i: answers[i] for i in first_drawn(_order(opened), answers)} if answers else {}


def _ways(opened: Opened) -> dict[str, OwnLabels]:
    """The labels of each way of labelling: the stages, those that are kept with the run, which
    another session may have made, and above these the ones of this session.
    """
    ways = {name: OwnLabels(s.labels, s.confidence) for name, s in _stages(opened).items()}
    reader = _reader(opened)
    if reader is not None:
        ways |= reader.own_labels()
    asking = opened.asking
    if not ways or asking is None:
        return ways
    together = (
        opened.stages["zero-shot"] if "zero-shot" in ways else list(opened.stages.values())[-1]
    )
    labels, sure = together.labels.copy(), together.confidence.copy()
    first = asking.subject.weighs.first
    labels[asking.subject.rows] = first
    ways[TOGETHER] = OwnLabels(labels, sure)
    followed = opened.stages.get(ANSWERED)
    if followed is not None and asking.checked:
        ways[ANSWERED] = OwnLabels(followed.labels, followed.confidence, asking.checked)
    return ways


def _compared(opened: Opened) -> tuple[Decision | None, dict[str, OwnLabels]]:
    """What the answers decide, and the compared labels that are no stage of the run."""
    ways = _ways(opened)
    more = {way: own for way, own in ways.items() if way not in STAGES}
    return _decision(opened, _told(opened), ways), more


def _decision(
    opened: Opened, told: Mapping[int, int], ways: Mapping[str, OwnLabels]
) -> Decision | None:
    if len(told) < FEWEST_TO_DECIDE:
        return None
    return between(ways, told, usual=list(_stages(opened))[-1])


def _asking(opened: Opened) -> Asking:
    session, source = opened.session, opened.source
    if isinstance(source, OpenedRun):
        source = OpenedRun(source.run_id)  # whichever of its labels are looked at
    subject = subject_of(opened).result()
    corrections = session.corrections(source)
    before, choice = opened.outcome, source.choice
    asking = session.askings.get(source, before, subject, corrections, known=opened.asking)
    asking.draw = lambda: _order(opened)
    asking.after = lambda: settle_standing(open_run(session, choice))
    return asking
