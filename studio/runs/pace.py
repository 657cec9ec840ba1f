"""How far a run is and how long it will take, as far as its events tell."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from studio.runs.records import kind_of

_WINDOW_S = 20.0  # the rate is that of the last so many seconds
_ENOUGH_S = 2.0  # before this, a rate says little


class Pace:
    """Turns the stream of events into the fields of status.json.

    The end of the run can be told only in its last phase: how long a step of Phase II takes is not
    known before the first one was taken, and no number is better than a wrong one. Until then there
    is an estimate for the stage alone.
    """

    def __init__(
        self,
        *,
        last_phase: int | None,
        models: int = 2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """What is known beforehand.

        last_phase: number of the phase after which only labelling is left; None: not known.
        models: how many models are trained; one may begin long after the other.
        """
        self._last_phase = last_phase
        self._models = models
        self._clock = clock
        self._stage: str | None = None
        self._steps: dict[int, tuple[int, int]] = {}  # model -> (done, total) of this phase
        self._seen: deque[tuple[float, int]] = deque()  # (time, done) of this stage
        self._phase = 0
        self._last_step = 0.0
        self._between = 0.0  # seconds from Phase I's last step to Phase II's first: labelling

    def update(self, event: Any) -> dict[str, Any] | None:
        """Fields of status.json after this event, or None when it says nothing about progress."""
        kind = kind_of(event)
        if kind == "progress":
            return self._fields(event.stage, event.done, event.total, "images", phase=None)
        if kind != "step":
            return None
        now, stage = self._clock(), f"phase {event.phase}"
        if event.phase != self._phase:
            self._steps.clear()
            if self._phase:
                self._between = now - self._last_step
        self._phase, self._last_step = event.phase, now
        self._steps[event.model] = (event.step, event.steps)
        done = sum(done for done, _ in self._steps.values())
        total = sum(total for _, total in self._steps.values())
        # A model that has not begun will take about as many steps as the one that has.
        total += max(self._models - len(self._steps), 0) * event.steps
        return self._fields(stage, done, total, "steps", phase=event.phase)

    def _fields(
        self, stage: str, done: int, total: int, label: str, *, phase: int | None
    ) -> dict[str, Any]:
        now = self._clock()
        if stage != self._stage:
            self._stage = stage
            self._seen.clear()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()
        began, before = self._seen[0]
        rate = stage_eta = eta = None
        if now - began >= _ENOUGH_S and done > before:
            rate = (done - before) / (now - began)
            stage_eta = max(total - done, 0) / rate
            if phase is not None and phase == self._last_phase:
                # What follows is labelling by both models, as after Phase I.
                eta = stage_eta + self._between
        return {
            "stage": stage,
            "progress": {"done": done, "total": total, "label": label},
            "rate": rate,
            "stage_eta_seconds": stage_eta,
            "eta_seconds": eta,
        }
