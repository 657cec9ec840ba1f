"""What answers about drawn images decide: which labels of a run stand, until they say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.ask.accuracy import Decision, RightShare, decide
from studio.errors import RunError
from studio.numbers import percent
from studio.runs.given_table import GIVEN_FILE, read_corrections
from studio.runs.outcome import ANSWERED, TOGETHER
from studio.runs.reader import STAGES, RunReader
from studio.runs.run import Run
from studio.runs.standing import (
    ANSWERS,
    PERSON,
    Standing,
    read_standing,
    withdraw,
    write_standing,
)

USUAL = "final"
"""The way whose labels stand where nothing was decided: those that a run ended with."""

WAYS: Mapping[str, str] = {
    "zero-shot": "before training", TOGETHER: "labelled together", "phase1": "after Phase I",
    USUAL: "after training", ANSWERED: "that follow your answers",
}  # fmt: skip
"""What is said of the labels of each way: the labels ..."""


@dataclass(frozen=True)
class OwnLabels:
    """Labels (N,) of a way that the run has not recorded, with their confidence (N,). checked:
    image -> label, where answers went into these labels, of images whose own answer did not.
    """

    labels: NDArray[np.int64]
    confidence: NDArray[np.float32]
    checked: Mapping[int, int] | None = None

    def without_own_answers(self) -> NDArray[np.int64]:
        """(N,) the labels as they are without each checked image's own answer."""
        labels = self.labels.copy()
        for image, label in (self.checked or {}).items():
            labels[image] = label
        return labels


@dataclass(frozen=True)
class Checked:
    """What the answers about drawn images say.

    share: of the labels of the way that stands; decision: None of few answers; way: whose labels
    these are; standing: None where nothing was decided.
    """

    share: RightShare
    decision: Decision | None
    way: str
    standing: Standing | None

    @property
    def lines(self) -> list[str]:
        """About how many labels are right, and which way of labelling the answers speak for."""
        return [*self.share.sentences(), *(sentences(self.decision) if self.decision else ())]

    @property
    def stands(self) -> str:
        """Which labels stand, and who says so; empty where nothing was decided."""
        if self.standing is None:
            return ""
        why = "you say so" if self.standing.by == PERSON else "your answers speak for them"
        return (
            f"labels.csv, exports and this tab take the labels {WAYS.get(self.way, self.way)}, "
            f"because {why}."
        )


def answered_before(run: Run) -> frozenset[str]:
    """Images whose answers a run was started with, so that all its labels have been told them."""
    given = run.path / GIVEN_FILE
    return frozenset(read_corrections(given) if given.is_file() else {})


def decision(reader: RunReader, told: Mapping[int, int]) -> Decision:
    """Which of the stages of a run the answers speak for.

    told: As of `studio.ask.accuracy.decide`.
    """
    ways = {
        name: OwnLabels(stage.labels, stage.confidence)
        for name, stage in reader.outcomes().items()
        if name in STAGES
    }
    return between(ways, told, usual=list(ways)[-1])


def between(ways: Mapping[str, OwnLabels], told: Mapping[int, int], *, usual: str) -> Decision:
    """Which of these ways the answers speak for; arguments as of `studio.ask.accuracy.decide`.

    Labels that answers went into are looked at as they are without each image's own answer.
    """
    labels = {}
    for name, own in ways.items():
        labels[name] = own.without_own_answers()
        if own.checked is not None:
            told = {image: label for image, label in told.items() if image in own.checked}
    return decide(told, labels, usual=usual)


def settle(
    reader: RunReader, found: Decision | None, more: Mapping[str, OwnLabels] | None = None
) -> Standing | None:
    """Have the labels stand that the answers speak for clearly, and those that the run ended with
    where they do not, or no longer; what a person has decided stays. Returns what stands.

    found: None where there are too few answers.
    """
    run, before = reader.run, read_standing(reader.run)
    if reader.ended() is None or (before is not None and before.by == PERSON):
        return before
    if found is None or not found.sure:
        if before is not None:
            withdraw(run)
        return None
    own = (more or {}).get(found.best)
    standing = Standing(
        found.best, ANSWERS, found.checks, found.chance, dict(found.shares),
        None if own is None else own.labels, None if own is None else own.confidence,
    )  # fmt: skip
    write_standing(run, standing)
    return standing


def keep(reader: RunReader, way: str) -> Standing:
    """Have the labels of a way stand because a person says so, whatever answers say.

    Raises:
        RunError: The run has no such labels.
    """
    stages, before = reader.outcomes(), reader.standing()
    if reader.ended() is None or way not in stages:
        raise RunError(f"This run has no such labels: choose one of {', '.join(stages)}.")
    own = before if before is not None and before.way == way else Standing(way)
    standing = Standing(way, PERSON, own.checks, own.chance, own.shares, own.labels, own.confidence)
    write_standing(reader.run, standing)
    return standing


def sentences(found: Decision) -> list[str]:
    """What the checks say of the ways of labelling, for people."""
    shares = ", ".join(f"{WAYS.get(way, way)} {percent(of)}" for way, of in found.shares.items())
    if not found.sure:
        return [f"The checks do not speak for other labels. Right among them: {shares}."]
    lines = []
    if harmed(found):
        lines.append("Training did harm here.")
    sure = "more than 99 %" if found.chance > 0.99 else percent(found.chance)
    lines.append(
        f"The checks speak for the labels {WAYS.get(found.best, found.best)}, which are better "
        f"with a probability of {sure}. Right among the checked images: {shares}."
    )
    return lines


def harmed(found: Decision) -> bool:
    """Whether labels before training are better than those after it."""
    return found.sure and USUAL in found.shares and found.best in ("zero-shot", TOGETHER)
