from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from studio.runs.result import CheckedLabels, RunResult
from studio.scores.estimate import Estimate

WHOLE = RunResult(
    run="r", method="coft", model="embedded", seed=3, folder="/f", images=9, refused=1, classes=2,
    zero_shot_accuracy=0.5, accuracy=0.75, single_accuracy=0.7, clean_fraction=0.8,
    clean_precision=0.9, agreement=0.95, estimated_zero_shot_accuracy=Estimate(0.5, 0.4, 0.6),
    estimated_accuracy=Estimate(0.7, 0.6, 0.8), estimated_clean_precision=Estimate(0.8, 0.7, 0.9),
    checked=CheckedLabels(4, 0.5, 0.75, 1.0, 0.6, 0.7), given_labels=0, given_rejected=0,
    prompts="1 template", knowledge="promising", knowledge_z=4.5, stage="phase2", stopped=False,
    seconds=1.5, settings={"k": 16},
)  # fmt: skip


def test_a_result_is_read_back_from_its_json() -> None:
    assert RunResult.from_dict(json.loads(json.dumps(WHOLE.to_dict()))) == WHOLE
    assert RunResult.from_dict(RunResult().to_dict()) == RunResult()


def test_estimates_and_checked_labels_are_flat_in_json() -> None:
    values = WHOLE.to_dict()
    for name in ("estimated_zero_shot_accuracy", "estimated_accuracy", "estimated_clean_precision"):
        found = getattr(WHOLE, name)
        assert (values[name], values[f"{name}_low"], values[f"{name}_high"]) == (
            found.accuracy, found.low, found.high,
        )  # fmt: skip
    assert values["checked_labels"] == 4
    assert values["checked_clean"] == values["checked_believed"] == 0.5
    assert not any(name.startswith("checked") for name in RunResult().to_dict())


@pytest.mark.parametrize(
    "value",
    [None, [], "text", {"unknown": 1}, {"images": "many"}, {"images": True}, {"accuracy": "high"},
     {"accuracy": float("nan")}, {"accuracy": True}, {"stopped": 1}, {"settings": [1]}, {"run": 5},
     {"estimated_accuracy": 0.5}, {"estimated_accuracy": 0.5, "estimated_accuracy_low": "x",
     "estimated_accuracy_high": 1.0}, {"checked_labels": None, "checked_accuracy": 1.0}],
)  # fmt: skip
def test_what_makes_no_sense_is_not_known(value: Any) -> None:
    assert RunResult.from_dict(value) == RunResult()


def test_old_results_are_read() -> None:
    old = {"images": 12, "accuracy": 1, "checked_labels": 3, "checked_believed": 0.5}
    found = RunResult.from_dict(old)
    assert (found.images, found.accuracy, found.seconds) == (12, 1.0, None)
    assert found.checked == CheckedLabels(3, clean=0.5)


def test_every_field_is_in_the_json() -> None:
    values = WHOLE.to_dict()
    for field in dataclasses.fields(RunResult):
        if field.name != "checked":
            assert field.name in values
