"""Times, memory and waiting, read off the steps of a run while it goes on."""

from __future__ import annotations

import math
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.autograd import DeviceType

from studio.coft.events import Event, Step
from tools.bare_torch import wait

WATCHED = 8  # steps that the profiler looks at


@dataclass
class Watch:
    """Reads times, memory and waiting off the steps of a run."""

    gaps: dict[int, list[float]] = field(default_factory=dict)
    peaks: dict[int, float] = field(default_factory=dict)
    waiting: dict[int, float | None] = field(default_factory=dict)
    _seen: dict[int, int] = field(default_factory=dict)
    _before: tuple[int, float] | None = None
    _busy: Busy | None = None

    def listen(self, event: Event) -> None:
        if not isinstance(event, Step):
            self._before = None
            return
        now, phase = time.perf_counter(), event.phase
        if phase not in self._seen:
            reset_peak()
            self._busy = None  # the phase before was too short to be watched to the end
        number = self._seen[phase] = self._seen.get(phase, 0) + 1
        if self._before is not None and self._before[0] == phase and self._busy is None:
            self.gaps.setdefault(phase, []).append(now - self._before[1])
        self.peaks[phase] = peak()
        # A quarter of the way on, when everything is warm.
        first = max(2, event.steps // 2)
        if number == first:
            self._busy = Busy().__enter__()
        elif self._busy is not None and number >= first + WATCHED:
            self._busy.__exit__(None, None, None)
            self.waiting[phase], self._busy = self._busy.waiting, None
            self._before = None
            return
        self._before = (phase, time.perf_counter())

    def step(self, phase: int) -> float:
        """Seconds of one, the median.

        Raises:
            SystemExit: there were too few to be timed.
        """
        gaps = self.gaps.get(phase, [])
        if not gaps:
            raise SystemExit(f"Phase {phase} had too few steps to be timed; give more --images")
        return statistics.median(gaps)


class Busy:
    """Which share of the time the GPU did nothing; None without one."""

    def __init__(self) -> None:
        self.waiting: float | None = None
        self._profile: Any = None
        self._began = 0.0

    def __enter__(self) -> Busy:
        if torch.cuda.is_available():
            wait()
            kinds = [torch.profiler.ProfilerActivity.CUDA]
            self._profile = torch.profiler.profile(activities=kinds)
            self._profile.__enter__()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        if self._profile is None:
            return
        wait()
        took = time.perf_counter() - self._began
        self._profile.__exit__(None, None, None)
        spans = [
            (event.time_range.start, event.time_range.end)
            for event in self._profile.events()
            if event.device_type == DeviceType.CUDA
        ]
        if spans:  # none where the driver lets nobody look
            self.waiting = max(0.0, 1 - covered(spans) / 1e6 / took)


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """Length of what the spans cover together."""
    total, until = 0.0, -math.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak() -> float:
    """GiB: of the GPU since `reset_peak`; without one, of the process since its start."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
