"""What the command line says of a run, and of all runs."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from studio.runs.command import runs, summary, text_table
from studio.runs.result import CheckedLabels, RunResult
from studio.runs.run import Run
from studio.runs.store import RunStore
from studio.scores.estimate import Estimate
from tests.runs.conftest import create

RESULT = RunResult(
    images=120, refused=2, classes=3, seconds=61.4, stopped=False, zero_shot_accuracy=0.5,
    accuracy=0.75, clean_fraction=0.8, clean_precision=0.9,
    estimated_accuracy=Estimate(0.7, 0.6, 0.8), given_labels=0, given_rejected=0,
)  # fmt: skip


def lines(run: Run, **changes: Any) -> list[str]:
    return summary(dataclasses.replace(RESULT, **changes), run).splitlines()


def test_the_result_line_by_line(run: Run):
    assert lines(run) == [
        "120 images (2 refused), 3 classes, 61 s",
        "labels clean            80.0 % of all",
        "estimated accuracy      about 70 % (60 to 80 %), without true labels",
        "zero-shot accuracy      50.0 % on this folder",
        "accuracy                75.0 % on this folder",
        "clean labels right      90.0 %",
        f"run                     {run.path}",
    ]


def test_what_is_not_known_is_not_said(run: Run):
    nothing = {"accuracy": None, "estimated_accuracy": None, "clean_precision": None}
    assert lines(run, **nothing, clean_fraction=None, stopped=True) == [
        "120 images (2 refused), 3 classes, 61 s, stopped early",
        "labels clean            not known of all",
        f"run                     {run.path}",
    ]


def test_labels_that_a_person_gave_are_said_to_be_in_the_accuracy(run: Run):
    corrected = lines(run, given_labels=4, given_rejected=1)
    assert corrected[2] == "corrections             4 labels given, 1 image left out"
    assert corrected[5] == "accuracy                75.0 % on this folder, given labels included"
    rejected = lines(run, given_rejected=1)
    assert rejected[2] == "corrections             0 labels given, 1 image left out"
    assert rejected[5] == "accuracy                75.0 % on this folder"
    tested = lines(run, given_labels=4, test_folder="/test")
    assert tested[5] == "accuracy                75.0 % on the test folder"


def test_labels_that_were_checked(run: Run):
    checked = CheckedLabels(100, clean=0.7, accuracy=0.6, precision=0.8)
    found = lines(run, checked=checked)
    assert found[5:8] == [
        "labels checked          100, 70.0 % clean",
        f"least clean first       {run.path / 'checked.csv'}",
        "checked labels right    60.0 %, of the clean ones 80.0 %",
    ]
    unknown = lines(run, checked=dataclasses.replace(checked, accuracy=None))
    assert not any(line.startswith("checked labels right") for line in unknown)


def listed(store: RunStore, capsys: pytest.CaptureFixture[str], **asked: Any) -> str:
    options = {"rename": None, "note": None, "repeat": None, "json": False} | asked
    assert runs(argparse.Namespace(runs=store.root, **options)) == 0
    return capsys.readouterr().out


@pytest.fixture
def two(store: RunStore) -> tuple[Run, Run]:
    """A run with a result, and one without."""
    first = create(store, name="one")
    (first.path / "result.json").write_text(json.dumps(RESULT.to_dict()))
    first.set_status(state="finished")
    second = create(store, name="two")
    second.set_status(state="stopped")
    return first, second


def test_all_runs_in_a_table(
    store: RunStore, two: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
):
    head, *rows = [line.split() for line in listed(store, capsys).splitlines()]
    columns = ["run", "name", "state", "model", "images", "zero-shot %", "accuracy %", "clean %"]
    assert head == " ".join(columns).split()
    assert sorted(rows) == sorted([
        [two[0].id, "one", "finished", "embedded", "120", "50.0", "75.0", "80.0"],
        [two[1].id, "two", "stopped", "embedded"],
    ])  # fmt: skip


def test_all_runs_as_json(
    store: RunStore, two: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
):
    found = {
        row["run"]: row
        for row in map(json.loads, listed(store, capsys, json=True).split("\n")[:-1])
    }
    assert found[two[0].id] == {
        **RESULT.to_dict(), "run": two[0].id, "state": "finished", "name": "one", "note": "",
    }  # fmt: skip
    assert found[two[1].id] == {
        "run": two[1].id, "state": "stopped", "name": "two", "note": "",
    }  # fmt: skip


def test_no_runs_are_said_to_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    store = RunStore(tmp_path / "runs")
    assert listed(store, capsys) == f"no runs in {store.root}\n"
    assert listed(store, capsys, json=True) == ""


def test_a_run_gets_another_name_and_a_note(
    store: RunStore, two: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
):
    asked = {"rename": [two[0].id, "better"], "note": [two[1].id, "of no use"]}
    assert listed(store, capsys, **asked) == ""
    assert [store.get(run.id).info.name for run in two] == ["better", "two"]
    assert [store.get(run.id).info.note for run in two] == ["", "of no use"]
    command = listed(store, capsys, repeat=two[0].id)
    assert command.startswith("python -m studio fit")
    assert "/photos" in command


def test_columns_are_as_wide_as_they_need_to_be():
    assert text_table(("a", "bb"), [("xxx", "y"), ("z", "")]) == "a    bb\nxxx  y\nz"
