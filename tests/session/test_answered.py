"""What answers about drawn images say of a run, whoever else has asked or decided before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from studio.api.run import Run as ApiRun
from studio.ask.accuracy import checks
from studio.errors import RunError
from studio.files import write_json
from studio.runs.corrections import Corrections
from studio.runs.deciding import UNMEASURED, between, settle, ways_of
from studio.runs.outcome import ANSWERED
from studio.runs.reader import RunReader
from studio.runs.standing import OwnLabels, read_standing, write_standing
from studio.runs.store import Run
from studio.session.ask import checked_of, questioned_of, reverse_standing, settle_standing
from studio.session.opened import Opened, open_run
from studio.session.session import Session
from studio.session.source import OpenedRun
from tests.runs.test_standing import end_with

N = 200
NAMES = ("a", "b", "c", "d")
TRUTH = np.random.default_rng(0).integers(0, 4, N)
SURE = np.full(N, 0.6, np.float32)


@pytest.fixture
def run(session: Session) -> Run:
    """One label in five right, before training and after it."""
    made = session.store.create(
        name="photos", method="coft", model="embedded", folder="/photos", class_names=NAMES
    )
    images = {"root": "/photos", "images": [f"{i}.jpg" for i in range(N)], "refused": []}
    write_json(made.path / "images.json", images)
    wrong = np.random.default_rng(1).random(N) < 0.8
    labels, share = torch.from_numpy(np.where(wrong, (TRUTH + 1) % 4, TRUTH)), torch.full((N,), 0.6)
    arrays = made.write_arrays("zero_shot", {"labels": labels, "confidence": share})
    made.append({"kind": "zero_shot", "arrays": arrays})
    end_with(made, labels, share)
    made.set_status(state="finished")
    return made


def drawn(run: Run) -> list[int]:
    reader = read(run)
    ended = reader.ended()
    assert ended is not None
    return [int(i) for i in checks(ended.labels, ended.confidence)]


def read(run: Run) -> RunReader:
    reader = RunReader(run)
    reader.refresh()
    return reader


@pytest.fixture
def own(run: Run) -> OwnLabels:
    """Labels that follow answers about the first 40 drawn images: half of them right without their
    own answers. Another session had them stand.
    """
    first = drawn(run)[:40]
    Corrections.of(run).add("relabelled", {f"{i}.jpg": NAMES[TRUTH[i]] for i in first})
    without = np.where(np.random.default_rng(2).random(N) < 0.5, (TRUTH + 2) % 4, TRUTH)
    labels = without.copy()
    labels[first] = TRUTH[first]
    made = OwnLabels(labels, SURE, {i: int(without[i]) for i in first})
    reader = read(run)
    found = between(
        {**ways_of(reader), ANSWERED: made}, {i: int(TRUTH[i]) for i in first}, usual="final"
    )
    standing = settle(reader, found, {ANSWERED: made})
    assert standing is not None
    assert standing.way == ANSWERED
    return made


def right(own: OwnLabels, images: Mapping[int, int] | list[int]) -> float:
    at = list(images)
    return float((own.without_own_answers()[at] == TRUTH[at]).mean())


def opened_of(session: Session, run: Run) -> Opened:
    return open_run(session, OpenedRun(run.id))


def asked(opened: Opened, own: OwnLabels, held_out: Mapping[int, int]) -> Opened:
    """As it is while somebody asks, with labels that follow."""
    weighs: Any = SimpleNamespace(first=(TRUTH + 1) % 4)
    asking: Any = SimpleNamespace(
        subject=SimpleNamespace(weighs=weighs, rows=np.arange(N)), checked=held_out
    )
    outcome = replace(opened.stages["zero-shot"], labels=own.labels, stage=ANSWERED)
    return replace(opened, asking=asking, stages={**opened.stages, ANSWERED: outcome})


def test_another_session_says_of_the_labels_that_stand_what_is_true(
    session: Session, run: Run, own: OwnLabels
) -> None:
    assert own.checked is not None
    opened = opened_of(session, run)
    assert opened.asking is None
    assert opened.outcome.labels.tolist() == own.labels.tolist()
    checked = checked_of(opened)
    assert checked is not None
    assert checked.way == ANSWERED
    assert "take the labels that follow your answers" in checked.stands
    assert abs(checked.share.value - right(own, own.checked)) < 0.05
    questioned = questioned_of(opened)
    assert questioned is not None
    assert questioned.labels.tolist() == own.without_own_answers().tolist()
    settle_standing(opened)
    assert read_standing(run).way == ANSWERED  # type: ignore[union-attr]


def test_the_answers_decide_again_in_another_session(
    session: Session, run: Run, own: OwnLabels
) -> None:
    assert reverse_standing(opened_of(session, run)) == "The labels after training stand"
    checked = checked_of(opened_of(session, run))
    assert checked is not None
    assert "take the labels after training, because you say so" in checked.stands
    assert reverse_standing(opened_of(session, run)).startswith("The answers decide again")
    final = read(run).final()
    assert final is not None
    assert final.stage == ANSWERED
    assert final.labels.tolist() == own.labels.tolist()


def test_labels_that_were_told_the_answers_are_not_measured_by_them(
    session: Session, run: Run, own: OwnLabels
) -> None:
    """As files of an earlier version have it: without what each label is without its own answer."""
    standing = read_standing(run)
    assert standing is not None
    write_standing(run, replace(standing, own=replace(own, checked={})))
    opened = opened_of(session, run)
    checked = checked_of(opened)
    assert checked is not None
    assert checked.lines[0] == UNMEASURED
    assert "take the labels that follow your answers" in checked.stands
    with pytest.raises(RunError, match="nothing can be told"):
        questioned_of(opened)
    settle_standing(opened)
    assert read_standing(run).way == ANSWERED  # type: ignore[union-attr]


def test_what_names_labels_that_are_not_there_is_not_said_of_others(
    session: Session, run: Run, own: OwnLabels
) -> None:
    standing = read_standing(run)
    assert standing is not None
    write_standing(run, replace(standing, own_way="", own=None))
    checked = checked_of(opened_of(session, run))
    assert checked is not None
    assert (checked.way, checked.stands) == ("final", "")


@pytest.mark.parametrize("known", [40, 30, 20])
def test_answers_that_the_labels_were_told_meanwhile_are_not_counted_as_right(
    session: Session, run: Run, own: OwnLabels, known: int
) -> None:
    """The labels follow each answer at once where twenty more come, or a class is added; what they
    are without the images' own answers is found out later.
    """
    assert own.checked is not None
    held_out = {i: own.checked[i] for i in drawn(run)[:known]}
    opened = asked(opened_of(session, run), own, held_out)
    checked = checked_of(opened)
    assert checked is not None
    assert checked.decision is not None
    assert (checked.way, checked.share.checks, checked.decision.checks) == (ANSWERED, known, known)
    assert abs(checked.share.value - right(own, held_out)) < 0.05


def test_images_that_a_run_was_given_answers_about_are_left_out(session: Session, run: Run) -> None:
    """They are right, for the run was told so; drawn are the others."""
    rows = [f"{i}.jpg,relabelled,{NAMES[TRUTH[i]]}" for i in range(100)]
    (run.path / "given.csv").write_text("path,verdict,label\n" + "\n".join(rows) + "\n", "utf-8")
    first = [i for i in drawn(run) if i >= 100][:40]
    Corrections.of(run).add("relabelled", {f"{i}.jpg": NAMES[TRUTH[i]] for i in first})
    checked = checked_of(opened_of(session, run))
    assert checked is not None
    assert (checked.share.checks, checked.share.left_out) == (40, 100)
    assert "That leaves out 100 images, whose answers these labels were told." in checked.lines
    made = ApiRun(run)
    assert made.accuracy() == checked.share, "the page and the notebook say the same"
    assert made.checks(20)["path"] == [f"{i}.jpg" for i in first[:20]]
