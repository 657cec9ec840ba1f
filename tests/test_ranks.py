"""One process that does all of a run itself, and gives a GPU work without waiting for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from studio.ranks import ALONE


class OnGpu:
    """A result on a GPU that does what it is told in order; `log` says what was told it."""

    device = torch.device("cuda")

    def __init__(self, part: int, log: list[str]) -> None:
        self.part, self.log = part, log
        log.append(f"work {part}")

    def to(self, where: str, *, non_blocking: bool) -> torch.Tensor:
        assert (where, non_blocking) == ("cpu", True)
        self.log.append(f"copy {self.part}")
        return torch.tensor([self.part])

    def cpu(self) -> None:
        raise AssertionError("it would come behind all that the GPU was given meanwhile")


def test_a_gpu_is_given_the_next_part_before_anybody_waits_for_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[str] = []

    class Event:
        def record(self, stream: str) -> None:
            self.after = f"{log[-1]} on {stream}"

        def synchronize(self) -> None:
            log.append(f"wait for {self.after}")

    stand_in = SimpleNamespace(Event=Event, current_stream=lambda device: device.type)
    monkeypatch.setattr(torch, "cuda", stand_in)

    def work(part: int) -> Any:
        return (OnGpu(part, log),)

    found = [int(own) for (own,) in ALONE.spread(range(3), work)]
    assert found == [0, 1, 2]
    assert log == [
        "work 0", "copy 0", "work 1", "copy 1", "wait for copy 0 on cuda", "work 2", "copy 2",
        "wait for copy 1 on cuda", "wait for copy 2 on cuda",
    ]  # fmt: skip


def test_on_the_cpu_each_part_is_told_as_soon_as_it_is_done() -> None:
    done: list[int] = []

    def work(part: int) -> tuple[torch.Tensor]:
        done.append(part)
        return (torch.tensor(part),)

    assert [(int(own), len(done)) for (own,) in ALONE.spread(range(3), work)] == [
        (0, 1), (1, 2), (2, 3),
    ]  # fmt: skip
    assert list(ALONE.spread([], work)) == []
