"""What a run says of its labels without knowing a true one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from studio.ask.confidence import AFTER_SOURCE, Following
from studio.coft.events import Finished
from studio.runs import estimates
from studio.runs.estimates import RunEstimates

N, C = 40, 4
LABELS = np.arange(N) % C


class Report:
    """Keeps the records that are written."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []

    def write(self, kind: str, values: dict[str, Any], _arrays: object = None) -> None:
        self.written.append({"kind": kind, **values})


def run(monkeypatch: pytest.MonkeyPatch, following: Following | None) -> RunEstimates:
    """Of a model that knows next to nothing of these names."""
    probabilities = torch.full((N, C), 0.24)
    probabilities[:, 0] = 0.28
    monkeypatch.setattr(estimates.ZeroShotRows, "of", lambda **_: probabilities.numpy())
    known: Any = SimpleNamespace(indicators={"z": 0.5, "near": 0.1, "agreement": 0.3})
    backbone: Any = SimpleNamespace(center=False, logit_scale=1.0)
    report: Any = Report()
    return RunEstimates(
        report, backbone=backbone, features=torch.eye(N), class_vectors=torch.eye(C), known=known,
        given=None, following=following,
    )  # fmt: skip


def following(answers: int) -> Following:
    """Labels that follow so many answers, all told clearly apart."""
    clear = np.full((N, C), 0.001)
    clear[np.arange(N), LABELS] = 0.997
    said = np.where(np.arange(N) < answers, LABELS, -1)
    return Following.of(clear, first=LABELS, answers=said, given=np.zeros(N, bool))


def finished() -> Finished:
    some, labels = torch.full((N,), 0.5), torch.from_numpy(LABELS)
    both, top = labels.repeat(2, 1), labels[:, None]
    return Finished(
        labels, some, some, both, some.repeat(2, 1), some > 0, top, some[:, None], "phase2", False
    )


def test_answers_tell_how_many_labels_are_right_where_the_model_knows_no_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without, with_them = run(monkeypatch, None), run(monkeypatch, following(8))
    assert with_them.before == without.before  # of zero-shot labels, which answers do not change
    for each in (without, with_them):
        each.finish(finished())
        assert each.after is not None
    assert without.after is not None
    assert with_them.after is not None
    assert without.after.accuracy < 0.5 < 0.75 < with_them.after.accuracy
    assert with_them.after.source == AFTER_SOURCE
    assert with_them.after.z == with_them.before.z


def test_too_few_answers_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    without, with_one = run(monkeypatch, None), run(monkeypatch, following(1))
    for each in (without, with_one):
        each.finish(finished())
    assert with_one.after == without.after
