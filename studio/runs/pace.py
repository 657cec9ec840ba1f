"""How far a run is and how long it will take, as far as its events tell.

A run is a list of steps in plain words (`steps_of`). How long the steps to come will take is a
guess from WEIGHTS, scaled by how long those so far have taken; it is rounded, and it is None as
long as nothing is known. It was made for the two models of CoFT on a CPU, where training takes most
of the time whatever the images.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from studio.progress import FETCHING
from studio.runs.records import kind_of

READING = "reading images"
ENCODING = "encoding images"
LEARNING = "learning which labels are clean (Phase I)"
CHECKING = "checking each other's labels"
TRAINING = "training the classifier (Phase II)"
LEARNING_ALONE = "training"
LABELLING = "labelling all images"

WEIGHTS = {
    READING: 2.0, ENCODING: 5.0, LEARNING: 40.0, CHECKING: 10.0, TRAINING: 35.0, LABELLING: 8.0,
    LEARNING_ALONE: 85.0,
}  # fmt: skip
"""Percent of a run that each step takes: of CoFT on 224 images and one CPU core, rounded; what a
baseline does between encoding and labelling is one step. A guess for all others."""

_WINDOW_S = 20.0  # the rate is that of the last so many seconds
_ENOUGH_S = 2.0  # before this, a rate says little; a shorter reading or encoding was from the cache

_STEP_OF_STAGE = {
    "reading images": READING,
    "reading test images": READING,
    "encoding images": ENCODING,
    "comparing images": ENCODING,
    "reading images for Phase II": ENCODING,
    "encoding images for Phase II": ENCODING,
    "judging": CHECKING,
    "labelling": LABELLING,
    "labelling test images": LABELLING,
    "measuring on the test images": LABELLING,
}


def steps_of(last_phase: int | None) -> tuple[str, ...]:
    """The steps of a run. last_phase: 1 or 2 of CoFT's phases; None: a method without them."""
    if last_phase is None:
        return READING, ENCODING, LEARNING_ALONE, LABELLING
    phase2 = (TRAINING,) if last_phase == 2 else ()
    return READING, ENCODING, LEARNING, CHECKING, *phase2, LABELLING


def step_text(status: Mapping[str, Any]) -> str:
    """`step 3 of 6: checking each other's labels`, of a status; "" where it is not known."""
    if not status.get("step_name"):
        return ""
    return f"step {status['step']} of {status['steps']}: {status['step_name']}"


def rounded(seconds: float) -> float:
    """A guess of so many seconds without the digits that it does not have."""
    unit = 10 if seconds < 60 else 60 if seconds < 1800 else 300 if seconds < 7200 else 1800
    return float(max(round(seconds / unit), 1) * unit)


class Pace:
    """Turns the stream of events into the fields of status.json."""

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
        self.steps = steps_of(last_phase)
        self._models = models
        self._clock = clock
        self._stage: str | None = None
        self._counts: dict[int, tuple[int, int]] = {}  # model -> (done, total) of this phase
        self._phase = 0
        self._seen: deque[tuple[float, int]] = deque()  # (time, done) of this stage
        self._at = 0  # index of the step
        self._began = clock()  # of the step
        self._start = self._last = self._began  # of the run; of the last event
        self._took: dict[str, float] = {}  # seconds of steps that are over
        self._fraction = 0.0

    def stage(self, stage: str) -> dict[str, Any]:
        """Fields of status.json at the beginning of a stage that cannot tell how far it is."""
        self._enter(_STEP_OF_STAGE.get(stage))
        self._stage = stage
        fields: dict[str, Any] = {"stage": stage, "progress": None, "rate": None}
        return {**fields, "stage_eta_seconds": None, **self._whole(None)}

    def update(self, event: Any) -> dict[str, Any] | None:
        """Fields of status.json after this event, or None when it says nothing about progress."""
        kind = kind_of(event)
        if kind == "progress":
            self._enter(self._step_of(event.stage))
            label = "MB" if event.stage.startswith(FETCHING) else "images"
            return self._fields(event.stage, event.done, event.total, label)
        if kind != "step":
            return None
        self._enter({1: LEARNING, 2: TRAINING}.get(event.phase), LEARNING_ALONE)
        if event.phase != self._phase:
            self._counts.clear()
        self._phase = event.phase
        self._counts[event.model] = (event.step, event.steps)
        done = sum(done for done, _ in self._counts.values())
        # A model that has not begun will take about as many steps as the one that has.
        missing = max(self._models - len(self._counts), 0) * event.steps
        total = sum(total for _, total in self._counts.values()) + missing
        return self._fields(f"phase {event.phase}", done, total, "steps")

    def _step_of(self, stage: str) -> str | None:
        """None: whatever the run is at. Rounds of Phase I are one step with what lies between."""
        step = _STEP_OF_STAGE.get(stage)
        more_rounds = any(done < total for done, total in self._counts.values())
        if step == CHECKING and (LEARNING not in self.steps or (self._counts and more_rounds)):
            return None
        training = self.steps[2]
        return step or (training if self._at < 2 else None)

    def _enter(self, *names: str | None) -> None:
        """Go to the first of these steps that the run has; never back."""
        at = next((self.steps.index(name) for name in names if name in self.steps), self._at)
        if at <= self._at:
            return
        # A step begins at the last event before it: its own first one comes a little later.
        now = self._last
        self._took[self.steps[self._at]] = now - self._began
        self._took.update(dict.fromkeys(self.steps[self._at + 1 : at], 0.0))  # left out
        self._at, self._began = at, now
        self._seen.clear()

    def _fields(self, stage: str, done: int, total: int, label: str) -> dict[str, Any]:
        now = self._clock()
        if stage != self._stage:
            self._stage = stage
            self._seen.clear()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()
        began, before = self._seen[0]
        rate = left = None
        if now - began >= _ENOUGH_S and done > before:
            rate = (done - before) / (now - began)
            left = max(total - done, 0) / rate
        return {
            "stage": stage,
            "progress": {"done": done, "total": total, "label": label},
            "rate": rate,
            "stage_eta_seconds": left,
            **self._whole(left),
        }

    def _whole(self, left: float | None) -> dict[str, Any]:
        """What is said of the whole run. left: seconds of the step at work, None = unknown."""
        self._last = self._clock()
        spent, name = self._last - self._began, self.steps[self._at]
        after = self.steps[self._at + 1 :]
        lengths = {step: t for step, t in self._took.items() if self._tells(step, t)}
        if left is not None and self._tells(name, spent + left):
            lengths[name] = spent + left
        unit = sum(lengths.values()) / sum(map(WEIGHTS.__getitem__, lengths)) if lengths else None
        total = sum(WEIGHTS[step] for step in self.steps)
        if unit is None:  # nothing to go by but the guess
            passed = sum(WEIGHTS[step] for step in self.steps[: self._at])
            return self._estimate(passed / total, None)
        if left is None:
            left = max(WEIGHTS[name] * unit - spent, 0.0)
        # Labelling is what checking was: both models over all images.
        like = self._took.get(CHECKING) or WEIGHTS[LABELLING] * unit
        remaining = left + sum(like if s == LABELLING else WEIGHTS[s] * unit for s in after)
        elapsed = self._last - self._start
        return self._estimate(elapsed / max(elapsed + remaining, 1e-9), remaining)

    def _tells(self, step: str, seconds: float) -> bool:
        """Whether a step's length says something of the others: not when it came from the cache."""
        return seconds > 0 and (step not in (READING, ENCODING) or seconds >= _ENOUGH_S)

    def _estimate(self, fraction: float, remaining: float | None) -> dict[str, Any]:
        # A bar that goes back helps nobody: it waits until it was right.
        self._fraction = max(self._fraction, min(fraction, 1.0))
        return {
            "step": self._at + 1,
            "steps": len(self.steps),
            "step_name": self.steps[self._at],
            "fraction": round(self._fraction, 3),
            "eta_seconds": None if remaining is None else rounded(remaining),
        }
