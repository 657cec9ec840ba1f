"""What answers about drawn images decide: which labels of a run stand, until they say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from studio.ask.accuracy import FEWEST_TO_DECIDE, Decision, RightShare, decide
from studio.errors import RunError
from studio.numbers import percent
from studio.runs.given_table import GIVEN_FILE, read_corrections
from studio.runs.outcome import ANSWERED, TOGETHER
from studio.runs.reader import STAGES, RunReader
from studio.runs.run import Run
from studio.runs.standing import (
    ANSWERS,
    PERSON,
    OwnLabels,
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


UNMEASURED = (
    f"The labels {WAYS[ANSWERED]} were told the checked images' own answers, and what they are "
    "without these was not kept, so nothing can be told of how many are right: answer a few more "
    "drawn images on Explore."
)
"""Said of labels that answers cannot measure, see `OwnLabels.unmeasured`."""


@dataclass(frozen=True)
class Checked:
    """What the answers about drawn images say.

    share: of the labels of the way that stands, of no checks where nothing can be told of them;
    decision: None of few answers; way: whose labels these are; standing: None where nothing was
    decided.
    """

    share: RightShare
    decision: Decision | None
    way: str
    standing: Standing | None

    @property
    def lines(self) -> list[str]:
        """About how many labels are right, and which way of labelling the answers speak for."""
        share = self.share.sentences() if self.share.checks else [UNMEASURED]
        return [*share, *(sentences(self.decision) if self.decision else ())]

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


def ways_of(reader: RunReader) -> dict[str, OwnLabels]:
    """The labels of each way of labelling that a run's folder holds: its stages, in order, and
    those that are kept beside what was decided.

    Raises:
        RunError: Those are damaged.
    """
    stages = {
        name: OwnLabels(stage.labels, stage.confidence)
        for name, stage in reader.outcomes().items()
        if name in STAGES
    }
    return {**stages, **reader.own_labels()}


def standing_of(reader: RunReader) -> tuple[str, Standing | None]:
    """The way whose labels stand, and what was decided; what names labels that the run does not
    have decides nothing, and the second is None.

    Raises:
        RunError: The files that say so are damaged.
    """
    standing, ways = reader.standing(), ways_of(reader)
    if standing is not None and standing.way in ways:
        return standing.way, standing
    return next((name for name in reversed(STAGES) if name in ways), USUAL), None


def decision(reader: RunReader, told: Mapping[int, int]) -> Decision:
    """Which of the ways of labelling that a run's folder holds the answers speak for.

    told: As of `studio.ask.accuracy.decide`.
    """
    return between(ways_of(reader), told, usual=_usual(reader))


def between(ways: Mapping[str, OwnLabels], told: Mapping[int, int], *, usual: str) -> Decision:
    """Which of these ways the answers speak for; arguments as of `studio.ask.accuracy.decide`.

    Labels that answers went into are looked at as they are without each image's own answer; where
    that is known of too few of these images, they are not compared, and `shares` lacks them.
    """
    labels = {}
    for name, own in ways.items():
        if own.checked is not None:
            fair = own.fair(told)
            if own.unmeasured or len(fair) < min(FEWEST_TO_DECIDE, len(told)):
                continue
            told = fair
        labels[name] = own.without_own_answers()
    return decide(told, labels, usual=usual)


def settle(
    reader: RunReader, found: Decision | None, more: Mapping[str, OwnLabels] | None = None
) -> Standing | None:
    """Have the labels stand that the answers speak for clearly, and those that the run ended with
    where they do not, or no longer. What a person has decided stays, and so do labels that were
    not among those compared: the answers say nothing about them. Returns what stands.

    found: None where there are too few answers; more: labels that were compared and that the run
    has not recorded, by way, beside those that are kept with it.
    """
    run, before = reader.run, read_standing(reader.run)
    if reader.ended() is None or (before is not None and before.by == PERSON):
        return before
    ways = {**ways_of(reader), **(more or {})}
    if found is not None and before is not None and before.way in ways.keys() - found.shares.keys():
        return before
    if found is None or not found.sure:
        if before is not None:
            withdraw(run)
        return None
    # Kept even where others stand: further answers may speak for labels that follow them.
    kept = (found.best, "" if before is None else before.own_way, ANSWERED)
    own_way = next((way for way in kept if way in ways and way not in STAGES), "")
    standing = Standing(
        found.best, ANSWERS, found.checks, found.chance, dict(found.shares), own_way,
        ways.get(own_way),
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
    if before is not None:
        own = replace(own, own_way=before.own_way, own=before.own)
    standing = replace(own, by=PERSON)
    write_standing(reader.run, standing)
    return standing


def leave_to_answers(
    reader: RunReader, found: Decision | None, more: Mapping[str, OwnLabels] | None = None
) -> Standing | None:
    """Have the answers decide again where a person did; as of `settle`.

    Labels that are kept with the run outlive that the person's word is taken back.
    """
    before = reader.standing()
    if before is not None:
        write_standing(reader.run, replace(before, by=ANSWERS))
    return settle(reader, found, more)


def _usual(reader: RunReader) -> str:
    """The way that stands without answers."""
    return [name for name in reader.outcomes() if name in STAGES][-1]


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
