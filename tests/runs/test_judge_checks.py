"""A judge's checks: drawn as a person's are, kept beside them, never counted with them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from studio.ask.accuracy import checks
from studio.ask.judge_said import JudgeAsking, Judgement
from studio.errors import RunError
from studio.files import write_json
from studio.runs.corrections import Corrections
from studio.runs.judge_checks import (
    Questioned,
    drawn_chooser,
    judge_checked,
    left_to_check,
    write_checks,
)
from studio.runs.judged import JudgeRecord
from studio.runs.run import Run
from studio.runs.store import RunStore
from tests.runs.conftest import create

NAMES = ("cat", "dog", "horse")
PATHS = tuple(f"{i}.png" for i in range(80))
LABELS = np.arange(80) % 3
SURE = np.linspace(0.3, 0.9, 80)
OF = Questioned(PATHS, NAMES, LABELS, SURE, checks(LABELS, SURE), [LABELS])


@pytest.fixture
def run(store: RunStore, tmp_path: Path) -> Run:
    made = create(store, class_names=NAMES)
    write_json(made.path / "images.json", {"root": str(tmp_path), "images": PATHS, "refused": []})
    made.set_status(state="finished")
    return made


@pytest.fixture
def record(run: Run) -> JudgeRecord:
    return JudgeRecord(Corrections.of(run))


def judged(image: int, *said: str | None, shown: Sequence[str] = NAMES) -> Judgement:
    return Judgement(PATHS[image], tuple(shown), said)


def keep(
    record: JudgeRecord, judgements: Sequence[Judgement], *, model: str = "seer", only: bool = True
) -> str:
    name = record.begin(
        budget=len(judgements), model=model, host="here", go_on=None, checks=only
    )  # fmt: skip
    for one in judgements:
        record.note(name, one)
    record.end(name, JudgeAsking(tuple(judgements), total=len(judgements), over=True))
    return name


def right(image: int) -> Judgement:
    return judged(image, *[NAMES[LABELS[image]]] * 2)


def wrong(image: int) -> Judgement:
    return judged(image, *[NAMES[(LABELS[image] + 1) % 3]] * 2)


def test_what_a_judge_checks_is_no_judged_label_and_is_undone_in_one_press(
    record: JudgeRecord, run: Run
) -> None:
    first = OF.order[:20]
    keep(record, [right(i) if n < 15 else wrong(i) for n, i in enumerate(first)])
    assert Corrections.of(run).current() == {}
    found = judge_checked(record, OF)
    assert found is not None
    assert (found.share.checks, found.model) == (20, "seer")
    assert found.share.seen == pytest.approx(0.75, abs=0.08)
    shown = JudgeRecord(Corrections.of(run)).of(PATHS[first[0]])
    assert shown is not None
    assert shown.check
    assert record.undo() == "20 images checked by a judge"
    assert judge_checked(record, OF) is None
    assert JudgeRecord(Corrections.of(run)).of(PATHS[first[0]]) is None, "as the disk has it"
    with pytest.raises(RunError, match="nothing that a judge said"):
        record.undo()


def test_answers_about_images_that_were_chosen_do_not_count(record: JudgeRecord) -> None:
    keep(record, [right(i) for i in OF.order[:20]], only=False)
    assert judge_checked(record, OF) is None, "they were asked to name groups"
    keep(record, [wrong(i) for i in OF.order[60:]])
    assert judge_checked(record, OF) is None, "not those that are drawn first"


def test_a_persons_checks_of_the_same_images_correct_it_and_are_not_counted(
    record: JudgeRecord,
) -> None:
    keep(record, [right(i) for i in OF.order[:40]])
    alone = judge_checked(record, OF)
    for n, i in enumerate(OF.order[:20]):  # a person says that the judge bears out wrong labels
        label = NAMES[(LABELS[i] + (n < 10)) % 3]
        record.corrections.add("relabelled", {PATHS[i]: label})
    both = judge_checked(record, OF)
    assert alone is not None
    assert both is not None
    assert (alone.share.both, both.share.both, both.share.agreed) == (0, 20, 10)
    assert alone.share.checks == both.share.checks == 40
    assert both.share.value < alone.share.value - 0.2
    assert both.share.low < 0.6, "half of what it bears out is wrong"
    record.corrections.add("rejected", {PATHS[OF.order[0]]: ""})
    again = judge_checked(record, OF)
    assert again is not None
    assert again.share.agreed == 10, "left out is not right either"


def test_two_judges_are_not_mixed(record: JudgeRecord) -> None:
    keep(record, [right(i) for i in OF.order[:40]], model="good")
    keep(record, [wrong(i) for i in OF.order[:20]], model="bad")
    found = judge_checked(record, OF)
    assert found is not None
    assert (found.model, found.share.checks) == ("bad", 20)
    assert found.share.seen < 0.1
    record.undo()
    found = judge_checked(record, OF)
    assert found is not None
    assert (found.model, found.share.checks) == ("good", 40)
    assert record.checked("good", "there") == {}


def test_answers_that_cannot_say_are_left_out(record: JudgeRecord) -> None:
    label = [NAMES[LABELS[i]] for i in OF.order]
    other = [NAMES[(LABELS[i] + 1) % 3] for i in OF.order]
    said = [judged(int(i), label[n], label[n]) for n, i in enumerate(OF.order[:18])]
    i, j = map(int, OF.order[18:20])
    said += [judged(i, label[18], other[18])]  # not stable: half
    said += [judged(j, None, label[19])]  # no usable answer
    keep(record, said)
    found = judge_checked(record, OF)
    assert found is not None
    assert (found.share.checks, found.share.unstable) == (19, 1)
    moved = Questioned(PATHS, (*NAMES, "cow"), np.full(80, 3), SURE, OF.order, [LABELS])
    assert judge_checked(record, moved) is None, "those labels were not among the names shown"


def test_images_come_in_their_order_with_every_label_that_is_to_be_judged() -> None:
    other = (LABELS + 1) % 3
    of = Questioned(PATHS, NAMES, LABELS, SURE, OF.order, [LABELS, other])
    likely = np.tile(np.array([0.1, 0.2, 0.7], np.float32), (80, 1))
    choose = drawn_chooser(of, likely)
    found = choose({int(OF.order[0]): 1}, {int(OF.order[1])}, 5)
    assert [i for i, _ in found] == [OF.order[0], *OF.order[2:6]], "answered ones as well"
    for image, shown in found:
        assert list(shown)[:2] == [LABELS[image], other[image]]
        assert sorted(shown) == [0, 1, 2]
    there = np.sort(OF.order[10:])
    done = {PATHS[OF.order[10]]}
    left = drawn_chooser(of, likely, there, before=done)({}, (), 3)
    assert [i for i, _ in left] == OF.order[11:14].tolist()
    assert left_to_check(of, done) == 79


def test_checks_go_on_apart_from_other_askings(record: JudgeRecord) -> None:
    name = record.begin(budget=30, model="seer", host="here", go_on=None, checks=True)
    record.note(name, right(int(OF.order[0])))
    record.end(name, JudgeAsking((right(int(OF.order[0])),), total=30, stopped=True))
    assert record.open_one() is None
    stopped = record.open_one(checks=True)
    assert stopped is not None
    assert (stopped.id, stopped.left, stopped.checks) == (name, 29, True)


def test_the_table_of_them_cannot_be_taken_for_a_persons(
    record: JudgeRecord, tmp_path: Path
) -> None:
    i, j = map(int, OF.order[:2])
    keep(record, [right(i), judged(j, "", "dog")])
    path = write_checks(tmp_path / "said.csv", record, OF, "seer", "here")
    rows = list(csv.DictReader(path.open(encoding="utf-8-sig")))
    assert "label" not in rows[0]
    assert [row["path"] for row in rows] == [PATHS[i], PATHS[j]]
    assert rows[0]["judge_check"] == NAMES[LABELS[i]]
    assert (rows[1]["judge_check"], rows[1]["judge_check_again"]) == ("none of these", "dog")


def test_the_share_is_of_the_images_that_were_drawn_from(record: JudgeRecord) -> None:
    """A run was given answers about half of the images, and is sure of these."""
    sure = np.where(np.arange(80) < 40, 1.0, 0.3)
    whole = checks(LABELS, sure)
    order = whole[whole >= 40]
    of = Questioned(PATHS, NAMES, LABELS, sure, order, [LABELS])
    keep(record, [right(i) if i % 5 < 2 else wrong(i) for i in order])
    found = judge_checked(record, of)
    assert found is not None
    assert found.share.seen == pytest.approx(0.4, abs=0.01)
    assert found.left_out == 40
    assert "That leaves out 40 images, whose answers these labels were told." in found.lines


def test_judged_labels_that_the_labels_follow_are_left_out(record: JudgeRecord) -> None:
    of = Questioned(PATHS, NAMES, LABELS, SURE, OF.order, [LABELS], {int(OF.order[0]): 0})
    keep(record, [right(i) for i in OF.order[:20]], only=False)
    keep(record, [wrong(i) for i in OF.order[:60]], model="other")
    found = judge_checked(record, of)
    assert found is not None
    assert (found.share.checks, found.left_out) == (40, 20)
