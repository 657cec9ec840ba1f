"""Which labels of a run stand: those that answers speak for, until these or a person say no."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.api.run import Run as ApiRun
from studio.ask.accuracy import checks
from studio.ask.judge_said import JudgeAsking, Judgement
from studio.cli import main
from studio.errors import RunError
from studio.export import labels_csv
from studio.files import write_json
from studio.runs.corrections import Corrections
from studio.runs.deciding import between, decision, keep, sentences, settle, standing_of, ways_of
from studio.runs.judge_checks import Questioned, judge_checked
from studio.runs.judged import JudgeRecord
from studio.runs.outcome import ANSWERED
from studio.runs.reader import RunReader
from studio.runs.standing import (
    PERSON,
    OwnLabels,
    Standing,
    read_standing,
    withdraw,
    write_standing,
)
from studio.runs.store import Run, RunStore

N = 40
TRUTH = np.arange(N) % 2


def end_with(made: Run, labels: torch.Tensor, share: torch.Tensor) -> None:
    """Write that a run ended with labels (N,), of confidence and p_clean `share` (N,)."""
    arrays = made.write_arrays("finished", {
        "labels": labels, "confidence": share, "clean_probability": share, "clean": share > 0.5,
        "model_labels": labels.expand(2, -1).contiguous(), "top_labels": labels[:, None],
        "model_clean_probability": share.expand(2, -1).contiguous(),
        "top_probabilities": share[:, None],
    })  # fmt: skip
    made.append({"kind": "finished", "arrays": arrays, "stage": "phase2", "stopped": False})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Right before training, and two in three labels wrong after it."""
    made = RunStore(tmp_path / "runs").create(
        name="photos", method="coft", model="embedded", folder="/photos", class_names=("a", "b")
    )
    images = {"root": "/photos", "images": [f"{i}.jpg" for i in range(N)], "refused": []}
    write_json(made.path / "images.json", images)
    share, right = torch.full((N,), 0.6), torch.from_numpy(TRUTH)
    arrays = made.write_arrays("zero_shot", {"labels": right, "confidence": share})
    made.append({"kind": "zero_shot", "arrays": arrays})
    labels = torch.where(torch.arange(N) % 3 > 0, 1 - right, right)
    end_with(made, labels, share)
    return made


def read(run: Run) -> RunReader:
    reader = RunReader(run)
    reader.refresh()
    return reader


def told(reader: RunReader, number: int = 20) -> dict[int, int]:
    ended = reader.ended()
    assert ended is not None
    drawn = checks(ended.labels, ended.confidence)[:number]
    return {int(i): int(TRUTH[i]) for i in drawn}


def leaving(run: Run, to: Path) -> list[str]:
    return [line.split(",")[1] for line in labels_csv(run, to).read_text().splitlines()[1:]]


def test_labels_that_answers_speak_for_are_those_that_leave(run: Run, tmp_path: Path) -> None:
    reader, out = read(run), tmp_path / "labels.csv"
    trained = [reader.class_names[i] for i in reader.ended().labels]  # type: ignore[union-attr]
    right = [reader.class_names[i] for i in TRUTH]
    assert leaving(run, out) == trained
    mark, found = reader.mark, decision(reader, told(reader))
    standing = settle(reader, found)
    assert standing is not None
    assert (standing.way, standing.checks) == ("zero-shot", 20)
    assert leaving(run, out) == right
    assert reader.mark != mark
    assert reader.outcome().labels.tolist() == TRUTH.tolist()  # type: ignore[union-attr]
    assert reader.ended().labels.tolist() != TRUTH.tolist()  # type: ignore[union-attr]
    assert "Training did harm here." in sentences(found)
    keep(reader, "final")
    assert leaving(run, out) == trained
    assert settle(reader, found).by == PERSON, "answers overrode a person"  # type: ignore[union-attr]
    assert leaving(run, out) == trained
    withdraw(run)
    settle(reader, found)
    assert leaving(run, out) == right
    settle(reader, decision(reader, told(reader, 5)))
    assert leaving(run, out) == trained, "too few answers for it were left, and it stood"
    with pytest.raises(RunError, match="no such labels"):
        keep(reader, "phase1")


def test_labels_that_the_run_has_not_recorded_are_kept_beside_it(run: Run) -> None:
    reader = read(run)
    own = OwnLabels(TRUTH.copy(), np.full(N, 0.9, np.float32), dict.fromkeys(range(N), 0))
    ways = {"zero-shot": OwnLabels(1 - TRUTH, own.confidence), ANSWERED: own}
    found = between({**ways, "final": ways["zero-shot"]}, told(reader), usual="final")
    assert found.shares[ANSWERED] < 0.7, "an answer spoke for labels that had been told it"
    fair = OwnLabels(own.labels, own.confidence, {i: int(TRUTH[i]) for i in range(N)})
    more = {ANSWERED: fair}
    found = between({"final": ways["zero-shot"], **more}, told(reader), usual="final")
    assert settle(reader, found, more).way == ANSWERED  # type: ignore[union-attr]
    again = read(run)
    final = again.final()
    assert final is not None
    assert (final.stage, final.judged) == (ANSWERED, False)
    assert final.labels.tolist() == TRUTH.tolist()
    assert list(again.outcomes()) == ["zero-shot", ANSWERED, "final"]


@pytest.mark.parametrize("text", ["", "[]", '{"way": 3}', '{"way": "final", "by": "me"}'])
def test_a_damaged_file_is_one_line(run: Run, text: str) -> None:
    (run.path / "standing.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"damaged: standing\.json"):
        read(run).final()


def test_labels_of_other_images_do_not_stand(run: Run) -> None:
    reader = read(run)
    own = OwnLabels(TRUTH[:9], np.ones(9, np.float32))
    found = between({"final": OwnLabels(1 - TRUTH, np.ones(N, np.float32)),
                     "answers": OwnLabels(TRUTH, np.ones(N, np.float32))},
                    told(reader), usual="final")  # fmt: skip
    settle(reader, found, {"answers": own})
    with pytest.raises(RunError, match="other images or classes"):
        read(run).final()


def test_a_notebook_decides_keeps_and_says_which_labels_stand(run: Run) -> None:
    made = ApiRun(run)
    assert made.standing == "final"
    answers = dict(zip(made.checks(20)["path"], ["?"] * 20, strict=True))
    right = {path: "ab"[int(TRUTH[int(path.split(".")[0])])] for path in answers}
    assert made.decide(right).best == "zero-shot"
    assert made.standing == "zero-shot"
    assert made.accuracy(right).value > 0.9
    assert made.checks(20)["path"] == list(answers), "other images were drawn"
    made.keep("final")
    assert made.decide(right).best == "zero-shot"
    assert made.standing == "final"
    made.keep("answers")
    made.decide(right)
    assert made.standing == "zero-shot"


def test_what_a_run_was_told_at_its_start_does_not_decide(run: Run) -> None:
    """All its labels have followed those answers."""
    rows = [f"{i}.jpg,relabelled,{'ab'[int(TRUTH[i])]}" for i in told(read(run))]
    text = "path,verdict,label\n" + "\n".join(rows) + "\n"
    (run.path / "given.csv").write_text(text, encoding="utf-8")
    assert len(Corrections.of(run).current()) == 20
    with pytest.raises(RunError, match="No image that was drawn"):
        ApiRun(run).accuracy()
    assert read_standing(run) is None
    write_standing(run, keep(read(run), "zero-shot"))
    assert ApiRun(run).standing == "zero-shot"


def answered_way(run: Run, number: int = 20, *, share: float = 0.8) -> OwnLabels:
    """Labels that follow answers about the images drawn first, in a run that was told them: all of
    these right, and of all images only a share of them without their own answers.
    """
    drawn = list(told(read(run), number))
    wrong = np.random.default_rng(1).random(N) >= share
    labels = np.where(wrong, 1 - TRUTH, TRUTH)
    without = {i: int(labels[i]) for i in drawn}
    labels[drawn] = TRUTH[drawn]
    names = {f"{i}.jpg": "ab"[int(TRUTH[i])] for i in drawn}
    Corrections.of(run).add("relabelled", names)
    return OwnLabels(labels, np.full(N, 0.6, np.float32), without)


@pytest.fixture
def standing_answers(run: Run) -> OwnLabels:
    """That of labels that follow answers, and stand; wrong before training as well."""
    share = torch.full((N,), 0.6)
    arrays = run.write_arrays(
        "zero_shot", {"labels": torch.from_numpy(1 - TRUTH), "confidence": share}
    )
    run.append({"kind": "zero_shot", "arrays": arrays})
    reader, own = read(run), answered_way(run)
    found = between({**ways_of(reader), ANSWERED: own}, told(reader), usual="final")
    assert settle(reader, found, {ANSWERED: own}).way == ANSWERED  # type: ignore[union-attr]
    return own


def right_without(own: OwnLabels) -> float:
    drawn = list(own.checked or {})
    return float((own.without_own_answers()[drawn] == TRUTH[drawn]).mean())


def test_another_reader_compares_the_labels_that_follow_answers_too(
    run: Run, standing_answers: OwnLabels, capsys: pytest.CaptureFixture[str]
) -> None:
    """In another process nobody remembers them: they, and what they are without each image's own
    answer, are read from the run's folder.
    """
    made = ApiRun(run)
    assert made.decide().shares[ANSWERED] == right_without(standing_answers) < 1
    assert made.standing == ANSWERED
    assert main(["checks", run.id, "--runs", str(run.path.parent)]) == 0
    assert f"that follow your answers {100 * right_without(standing_answers):.0f} %" in (
        capsys.readouterr().out
    )
    final = read(run).final()
    assert final is not None
    assert final.labels.tolist() == standing_answers.labels.tolist()


def test_labels_that_were_told_the_checks_are_measured_without_them(
    run: Run, standing_answers: OwnLabels
) -> None:
    share = ApiRun(run).accuracy()
    assert share.checks == 20
    assert abs(share.value - right_without(standing_answers)) < 0.05
    of = Questioned.of_run(read(run))
    assert of.labels.tolist() == standing_answers.without_own_answers().tolist()
    assert of.ways[0].tolist() == of.labels.tolist(), "the judge is to see the label in question"
    record = JudgeRecord(Corrections.of(run))
    said = [
        Judgement(f"{i}.jpg", ("a", "b"), ("ab"[int(TRUTH[i])],) * 2) for i in told(read(run), 20)
    ]
    name = record.begin(budget=20, model="seer", host="here", go_on=None, checks=True)
    for one in said:
        record.note(name, one)
    record.end(name, JudgeAsking(tuple(said), total=20, over=True))
    checked = ApiRun(run).judge_checks()
    assert checked is not None
    assert checked.share.seen == pytest.approx(right_without(standing_answers), abs=0.05)


def test_a_judge_tells_nothing_of_labels_that_were_told_an_answer_meanwhile(
    run: Run, standing_answers: OwnLabels
) -> None:
    reader = read(run)
    record = JudgeRecord(Corrections.of(run))
    said = [Judgement(f"{i}.jpg", ("a", "b"), ("a", "a")) for i in told(reader, 30)]
    name = record.begin(budget=30, model="seer", host="here", go_on=None, checks=True)
    for one in said:
        record.note(name, one)
    record.end(name, JudgeAsking(tuple(said), total=30, over=True))
    before = judge_checked(record, Questioned.of_run(reader))
    more = {f"{i}.jpg": "ab"[int(TRUTH[i])] for i in list(told(reader, 25))[20:]}
    record.corrections.add("relabelled", more)
    after = judge_checked(record, Questioned.of_run(reader))
    assert before is not None
    assert after is not None
    assert (before.share.checks, before.left_out) == (30, 0)
    assert (after.share.checks, after.left_out) == (25, 5)
    assert after.share.both == 20


def test_labels_that_were_told_the_checks_say_so_where_nothing_else_is_known(
    run: Run, standing_answers: OwnLabels, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the first files had it: labels and confidences alone."""
    tensors = load_file(run.path / "standing.safetensors")
    old = {name: tensors[name] for name in ("labels", "confidence")}
    save_file(old, run.path / "standing.safetensors")
    told_so = json.loads((run.path / "standing.json").read_text("utf-8"))
    (run.path / "standing.json").write_text(json.dumps({**told_so, "own": True}), encoding="utf-8")
    made = ApiRun(run)
    with pytest.raises(RunError, match="nothing can be told of how many are right"):
        made.accuracy()
    with pytest.raises(RunError, match="nothing can be told of how many are right"):
        Questioned.of_run(read(run))
    assert made.judge_checks() is None
    found = made.decide()
    assert ANSWERED not in found.shares
    assert made.standing == ANSWERED, "labels that were not compared were withdrawn"
    assert main(["checks", run.id, "--runs", str(run.path.parent)]) == 0
    out = capsys.readouterr().out
    assert "They are not compared with the labels that follow your answers, which stand." in out
    assert "nothing can be told of how many are right" in out
    assert read_standing(run) is not None


def test_few_answers_to_compare_with_withdraw_nothing(
    run: Run, standing_answers: OwnLabels
) -> None:
    """Of the images drawn first the labels are known without their own answer for twenty only."""
    order = list(told(read(run), N))
    own = OwnLabels(
        standing_answers.labels, standing_answers.confidence, {order[0]: int(TRUTH[order[0]])}
    )
    standing = read_standing(run)
    assert standing is not None
    write_standing(run, replace(standing, own=own))
    made = ApiRun(run)
    assert ANSWERED not in made.decide().shares
    assert made.standing == ANSWERED


def test_a_persons_word_is_taken_back_and_the_answers_decide_as_before(
    run: Run, standing_answers: OwnLabels
) -> None:
    made = ApiRun(run)
    made.keep("final")
    assert made.standing == "final"
    assert ANSWERED not in read(run).outcomes(), "those labels do not stand"
    made.keep("answers")
    assert made.standing == ANSWERED
    final = read(run).final()
    assert final is not None
    assert final.labels.tolist() == standing_answers.labels.tolist()


@pytest.mark.parametrize(
    "tensors",
    [
        {"checked": torch.tensor([1, 2])},
        {"checked": torch.tensor([1, 2]), "checked_labels": torch.tensor([0])},
        {"checked": torch.tensor([N]), "checked_labels": torch.tensor([0])},
        {"checked": torch.tensor([-1]), "checked_labels": torch.tensor([0])},
        {"checked": torch.tensor([1]), "checked_labels": torch.tensor([7])},
    ],
)
def test_damaged_labels_without_own_answers_are_one_line(
    run: Run, standing_answers: OwnLabels, tensors: dict[str, torch.Tensor]
) -> None:
    old = load_file(run.path / "standing.safetensors")
    save_file(
        {"labels": old["labels"], "confidence": old["confidence"], **tensors},
        run.path / "standing.safetensors",
    )
    with pytest.raises(RunError, match="damaged: standing"):
        read(run).final()


def test_a_way_without_labels_does_not_stand(run: Run) -> None:
    write_standing(run, Standing(ANSWERED, checks=20, chance=0.99))
    assert ApiRun(run).standing == "final"
    assert standing_of(read(run)) == ("final", None)


def test_labels_that_nothing_is_known_of_outlive_a_persons_word_for_them(
    run: Run, standing_answers: OwnLabels
) -> None:
    standing = read_standing(run)
    assert standing is not None
    write_standing(run, replace(standing, own=replace(standing_answers, checked={})))
    made = ApiRun(run)
    keep(read(run), ANSWERED)
    made.keep("answers")
    found = read_standing(run)
    assert found is not None
    assert (found.way, found.by) == (ANSWERED, "answers")
