"""A judge's checks: images that are drawn for it as they are for a person, to measure the labels.

What it says of them is kept beside its other answers (`runs.judged`), counts as no judged label,
and changes no label. A person's checks and a judge's are never counted together: where both are of
the same images, the person's tell how often the judge is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from studio.ask.accuracy import checks as drawn
from studio.ask.accuracy import first_drawn, leaves_out, only
from studio.ask.judge_accuracy import JudgedShare, judged_share
from studio.ask.judge_question import MAX_NAMES, NONE, NONE_WORDS, TIMES
from studio.ask.judge_said import Judgement
from studio.errors import RunError
from studio.runs.deciding import UNMEASURED, answered_before, standing_of, ways_of
from studio.runs.judged import JudgeRecord
from studio.runs.judging import ChooseImages
from studio.runs.outcome import Outcome
from studio.runs.reader import RunReader
from studio.runs.resume import what_to_do
from studio.runs.table import safe_name, safe_path, write_csv

Labels: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = "NDArray[np.floating]"
COLUMNS = ("path", "pseudo-label", "judge_check", "judge_check_again")
"""Of a table of them. It has no column `label`: what a judge said is not taken for a person's."""


@dataclass(frozen=True)
class JudgeChecked:
    """What a judge's checks say. share: see `JudgedShare`; model, host: whose they are; left_out:
    images that the share says nothing of, since their labels were told their own answers.
    """

    share: JudgedShare
    model: str
    host: str
    left_out: int = 0

    @property
    def lines(self) -> list[str]:
        """For people."""
        first, *others = self.share.sentences(self.model)
        return [first, *(leaves_out(self.left_out) if self.share.tells else ()), *others]


@dataclass(frozen=True)
class Questioned:
    """The labels that are checked.

    paths: of the N images; class_names: C; labels: (N,) in question; confidence: (N,); order: (n,)
    images in the order in which they are checked, as of `studio.ask.accuracy.checks`; ways: (N,)
    labels of each way of labelling, those in question first; checked: where answers went into the
    labels in question, the images whose own answer did not; None: none went into them.
    """

    paths: Sequence[str]
    class_names: Sequence[str]
    labels: Labels
    confidence: Floats
    order: Labels
    ways: Sequence[Labels]
    checked: Collection[int] | None = None

    @classmethod
    def of(cls, outcome: Outcome) -> Questioned:
        """The labels of an outcome, none of which has been told an answer."""
        order = drawn(outcome.labels, outcome.confidence)
        return cls(
            outcome.paths, outcome.class_names, outcome.labels, outcome.confidence, order,
            [outcome.labels],
        )  # fmt: skip

    @classmethod
    def of_run(cls, reader: RunReader) -> Questioned:
        """The labels of a run that stand, without each checked image's own answer.

        Raises:
            RunError: It has not ended, or its labels may have been told answers about these images.
        """
        ended, final, run = reader.ended(), reader.final(), reader.run
        if ended is None or final is None:
            raise RunError(f"run {run.id} has not ended, so its labels cannot be checked: "
                           f"{what_to_do(run)}")  # fmt: skip
        order, before = drawn(ended.labels, ended.confidence), answered_before(run)
        if before:
            order = order[[ended.paths[i] not in before for i in order]]
        ways = ways_of(reader)
        own = ways[standing_of(reader)[0]]
        if own.unmeasured:
            raise RunError(UNMEASURED)
        return cls(
            final.paths, final.class_names, own.without_own_answers(), own.confidence, order,
            [own.without_own_answers(), *(way.labels for way in ways.values())], own.checked,
        )  # fmt: skip


def drawn_chooser(
    of: Questioned,
    probabilities: NDArray[np.float32],
    rows: Labels | None = None,
    *,
    before: Collection[str] = (),
) -> ChooseImages:
    """See `runs.judging.ChooseImages`: images in the order in which they were drawn.

    Each is shown with its label of every way of labelling, so that those can be judged, and with
    the likeliest other names.

    Args:
        of: The labels in question.
        probabilities: (N, C), see `runs.soft.soft_labels`.
        rows: Which of the N images are still there; None: all.
        before: Paths of images that this judge has checked before.
    """
    left = of.order if rows is None else of.order[np.isin(of.order, rows)]

    def choose_next(
        _answers: Mapping[int, int], asked: Collection[int], most: int
    ) -> Sequence[tuple[int, Sequence[int]]]:
        found: list[tuple[int, Sequence[int]]] = []
        for image in map(int, left):
            if len(found) >= most:
                break
            if image not in asked and of.paths[image] not in before:
                found.append((image, _shortlist(image, of.ways, probabilities)))
        return found

    return choose_next


def left_to_check(of: Questioned, done: Collection[str]) -> int:
    """How many images a judge can still be asked about. done: paths of those it has checked."""
    return len(of.order) - (sum(of.paths[i] in done for i in of.order) if done else 0)


def has_checks(record: JudgeRecord) -> bool:
    """Whether a judge has checked any image."""
    return any(one.checks and one.judgements for one in record.askings())


def judge_checked(record: JudgeRecord, of: Questioned) -> JudgeChecked | None:
    """What the checks of the judge say that was asked last; None where there are none of images
    that were drawn first.
    """
    checks = [one for one in record.askings() if one.checks and one.judgements]
    if not checks:
        return None
    model, host = checks[-1].model, checks[-1].host
    judgements = record.checked(model, host)
    answered = record.corrections.current()
    people = {p: one for p, one in answered.items() if one.by_person}
    wanted = judgements.keys() | answered.keys()
    place = {path: image for image, path in enumerate(of.paths) if path in wanted}
    said = {}
    for path, judgement in judgements.items():
        image = place.get(path)
        told = None if image is None else _borne_out(judgement, of.class_names[of.labels[image]])
        if image is not None and told is not None:
            said[image] = told
    # Labels that were told an answer about their own image say nothing: the others are measured.
    order = of.order
    if of.checked is not None:
        told_own = {
            place[path] for path, one in answered.items()
            if path in place and not (one.by_person and place[path] in of.checked)
        }  # fmt: skip
        order = order[~np.isin(order, sorted(told_own))]
        said = {image: share for image, share in said.items() if image not in told_own}
        people = {path: one for path, one in people.items() if place.get(path) not in told_own}
    drawn = {image: said[image] for image in first_drawn(order, said)}
    if not drawn:
        return None
    person = {place[path]: one for path, one in people.items() if path in place}
    known = {
        image: person[image].label == of.class_names[of.labels[image]]
        for image in first_drawn(order, person)
    }
    seen, labels, confidence = only(drawn, of.labels, of.confidence, among=order)
    both, _, _ = only(known, of.labels, of.confidence, among=order)
    share = judged_share(seen, both, labels, confidence)
    return JudgeChecked(share, model, host, len(of.labels) - len(order))


def write_checks(path: Path, record: JudgeRecord, of: Questioned, model: str, host: str) -> Path:
    """Write what a judge said of the images it checked as CSV, see COLUMNS.

    Raises:
        RunError: It cannot be written.
    """
    found = record.checked(model, host)
    rows = (
        (
            safe_path(of.paths[image]), safe_name(of.class_names[of.labels[image]]),
            *(_word(answer) for answer in found[of.paths[image]].said),
        )
        for image in map(int, of.order)
        if of.paths[image] in found
    )  # fmt: skip
    return write_csv(path, COLUMNS, rows)


def _word(answer: str | None) -> str:
    return "" if answer is None else safe_name(answer) if answer != NONE else NONE_WORDS


def _borne_out(judgement: Judgement, label: str) -> float | None:
    """The share of its answers that name the label; None where they cannot say."""
    answers = judgement.said
    if len(answers) != TIMES or None in answers or label not in judgement.shortlist:
        return None
    return sum(answer == label for answer in answers) / TIMES


def _shortlist(
    image: int, ways: Sequence[Labels], probabilities: NDArray[np.float32]
) -> Sequence[int]:
    likely = np.argsort(-probabilities[image], kind="stable")[:MAX_NAMES]
    own = (int(labels[image]) for labels in ways)
    return list(dict.fromkeys([*own, *likely.tolist()]))[:MAX_NAMES]
