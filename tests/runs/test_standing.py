"""Which labels of a run stand: those that answers speak for, until these or a person say no."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from studio.api.run import Run as ApiRun
from studio.ask.accuracy import checks
from studio.errors import RunError
from studio.export import labels_csv
from studio.files import write_json
from studio.runs.corrections import Corrections
from studio.runs.deciding import OwnLabels, between, decision, keep, sentences, settle
from studio.runs.outcome import ANSWERED
from studio.runs.reader import RunReader
from studio.runs.standing import PERSON, read_standing, withdraw, write_standing
from studio.runs.store import Run, RunStore

N = 40
TRUTH = np.arange(N) % 2


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
    arrays = made.write_arrays("finished", {
        "labels": labels, "confidence": share, "clean_probability": share, "clean": share > 0.5,
        "model_labels": labels.expand(2, -1).contiguous(), "top_labels": labels[:, None],
        "model_clean_probability": share.expand(2, -1).contiguous(),
        "top_probabilities": share[:, None],
    })  # fmt: skip
    made.append({"kind": "finished", "arrays": arrays, "stage": "phase2", "stopped": False})
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
