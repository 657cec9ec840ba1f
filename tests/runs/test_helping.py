"""What the writer of a run says to the other processes."""

from __future__ import annotations

from typing import Any

import torch

from studio.clip.backbone import Backbone
from studio.coft.events import FitPart, FitState
from studio.coft.rounds import ROUNDS
from studio.ranks import Ranks
from studio.runs.helping import hand_over
from tests.coft.conftest import Canvases, random_task, vit

__all__ = ["vit"]


class Heard(Ranks):
    """The writer of two, and what the other one hears."""

    number = 2

    def __init__(self) -> None:
        self.said: list[Any] = []

    def same(self, value: Any) -> Any:
        """Noted."""
        self.said.append(value)
        return value


def test_a_run_that_goes_on_sends_no_log_odds(vit: Backbone) -> None:
    """Of a million images and a thousand classes they are 8 GB, and the writer alone reads them."""
    mark = {"log_odds": {"tensor": "log_odds"}, "labels": {"tensor": "labels"}}
    tensors = {"log_odds": torch.zeros(2, 6, 3), "labels": torch.zeros(2, 6)}
    state = FitState(
        "phase2", {ROUNDS: FitPart(tensors, mark), "phase2": FitPart({}, {"epoch": 1})}
    )
    ranks = Heard()
    hand_over(ranks, random_task(vit, Canvases(6)), state, method="coft")
    parts = ranks.said[0]["state"]["parts"]
    assert {name: set(own) for name, (own, _) in parts.items()} == {
        ROUNDS: {"labels"},
        "phase2": set(),
    }
    assert parts["phase2"][1] == {"epoch": 1}
    assert "log_odds" in state.parts[ROUNDS].tensors, "the writer's own is whole"
