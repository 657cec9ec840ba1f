"""How far a run is and how long it will take, as far as its events tell.

A run is a list of steps in plain words (`steps_of`). How long those to come will take is reckoned
from how long those so far have taken and from what each costs (`runs.costs`); it is rounded, and it
is None as long as it may be wrong by more than a factor of two.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from studio.progress import FETCHING
from studio.runs.costs import Costs, Range
from studio.runs.records import kind_of
from studio.settings import Settings

READING = "reading images"
ENCODING = "encoding images"
LEARNING = "learning which labels are clean (Phase I)"
CHECKING = "checking each other's labels"
TRAINING = "training the classifier (Phase II)"
LEARNING_ALONE = "training"
LABELLING = "labelling all images"
FITTING_NAMES, FINDING_STRANGERS = "comparing names", "looking for images of none of the classes"
"""Stages of a run before it learns anything, as its events call them."""

WEIGHTS = {
    READING: 1.0, ENCODING: 5.0, LEARNING: 20.0, CHECKING: 6.0, TRAINING: 56.0, LABELLING: 12.0,
    LEARNING_ALONE: 82.0,
}  # fmt: skip
"""Percent of a run that each step takes, for a bar of which nothing better is known: of CoFT on 224
to 2,000 images and one CPU core, rounded."""

_WINDOW_S = 20.0  # the rate shown is that of the last so many seconds
_ENOUGH_S = 2.0  # before this, a rate says little; what took less was from the cache
_STEPS = 3  # likewise; a first step of training is often several times as slow as all others
_ENOUGH = 0.2  # likewise of a part: what comes before its first event is a part of its costs
_SURE = 3.0  # most / least; in the middle, a guess is then wrong by a factor of 1.7 at most

_STEP_OF_STAGE = {
    "reading images": READING,
    "reading test images": READING,
    "encoding images": ENCODING,
    "comparing images": ENCODING,
    FITTING_NAMES: ENCODING,
    FINDING_STRANGERS: ENCODING,
    "reading images for Phase II": ENCODING,
    "encoding images for Phase II": ENCODING,
    "judging": CHECKING,
    "labelling": LABELLING,
    "labelling test images": LABELLING,
    "measuring on the test images": LABELLING,
}


_PARTS = {
    "encoding": ENCODING, "seed_views": LEARNING, "phase1": LEARNING, "judging": CHECKING,
    "phase2": TRAINING, "labelling": LABELLING, "testing": LABELLING,
}  # fmt: skip
"""What is reckoned with of CoFT, by its name in `Costs`, and the step that it belongs to."""
_PART_OF_STAGE = {
    "encoding images": "encoding", "seed views": "seed_views", "judging": "judging",
    "labelling": "labelling", "labelling test images": "testing",
}  # fmt: skip


def steps_of(last_phase: int | None, *, trains: bool = True) -> tuple[str, ...]:
    """The steps of a run. last_phase: 1 or 2 of CoFT's phases; None: a method without them, which
    may train nothing.
    """
    if last_phase is None:
        alone = (LEARNING_ALONE,) if trains else ()
        return READING, ENCODING, *alone, LABELLING
    phase2 = (TRAINING,) if last_phase == 2 else ()
    return READING, ENCODING, LEARNING, CHECKING, *phase2, LABELLING


def step_text(status: Mapping[str, Any]) -> str:
    """`step 3 of 6: checking each other's labels`, of a status; "" where it is not known."""
    if not status.get("step_name"):
        return ""
    return f"step {status['step']} of {status['steps']}: {status['step_name']}"


def rounded(seconds: float) -> float:
    """A guess of so many seconds without the digits that it does not have."""
    steps = ((120, 10), (600, 30), (1800, 60), (7200, 300))
    unit = next((unit for most, unit in steps if seconds < most), 1800)
    return float(max(round(seconds / unit), 1) * unit)


class Pace:
    """Turns the stream of events into the fields of status.json."""

    def __init__(
        self,
        *,
        last_phase: int | None,
        models: int = 2,
        trains: bool = True,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """What is known beforehand.

        last_phase: number of the phase after which only labelling is left; None: not known.
        models: how many models are trained; one may begin long after the other.
        trains: whether anything is trained.
        settings: of the fit; None: the defaults.
        """
        self.steps = steps_of(last_phase, trains=trains)
        self._costs = Costs(settings or Settings(), models=models)
        self._models = models
        self._clock = clock
        self._stage: str | None = None
        self._counts: dict[int, tuple[int, int]] = {}  # model -> (done, total) of this phase
        self._phase = 0
        self._seen: deque[tuple[float, int]] = deque()  # (time, done) of this stage
        self._at = 0  # index of the step
        self._part: str | None = None  # at work: of _PARTS, or the stage
        self._shares: dict[str, float] = {}  # how much of a part is done
        self._unseen: dict[str, float] = {}  # how much of that was done before the run was taken up
        self._took: dict[str, float] = {}  # seconds of parts
        self._firsts: dict[str, tuple[float, float]] = {}  # when a part's first event came: share
        self._start = self._last = clock()  # of the run; of the last event
        self._fraction = 0.0

    def go_on(self) -> None:
        """What came so far was done again in haste, and says nothing of the time to come."""
        self._took.clear()
        self._firsts.clear()
        self._seen.clear()
        self._unseen = dict(self._shares)

    def stage(self, stage: str) -> dict[str, Any]:
        """Fields of status.json at the beginning of a stage that cannot tell how far it is."""
        self._enter(_STEP_OF_STAGE.get(stage))
        self._stage, self._last = stage, self._clock()
        fields: dict[str, Any] = {"stage": stage, "progress": None, "rate": None}
        return {**fields, "stage_eta_seconds": None, **self._whole(None)}

    def update(self, event: Any) -> dict[str, Any] | None:
        """Fields of status.json after this event, or None when it says nothing about progress."""
        kind = kind_of(event)
        if kind == "seed_set":
            self._costs.seeds = len(event.indices)
        if kind == "progress":
            self._enter(self._step_of(event.stage))
            self._learn_sizes(event.stage, event.total)
            label = "MB" if event.stage.startswith(FETCHING) else "images"
            return self._fields(
                event.stage, event.done, event.total, label, _PART_OF_STAGE.get(event.stage)
            )
        if kind != "step":
            return None
        self._enter({1: LEARNING, 2: TRAINING}.get(event.phase), LEARNING_ALONE)
        if event.phase != self._phase:
            self._counts.clear()
        self._phase = event.phase
        self._costs.views = bool(self._costs.views)
        self._counts[event.model] = (event.step, event.steps)
        done = sum(done for done, _ in self._counts.values())
        # A model that has not begun will take about as many steps as the one that has.
        missing = max(self._models - len(self._counts), 0) * event.steps
        total = sum(total for _, total in self._counts.values()) + missing
        phase = f"phase {event.phase}"
        return self._fields(phase, done, total, "steps", phase.replace(" ", ""))

    def _learn_sizes(self, stage: str, total: int) -> None:
        if stage == "reading images":
            self._costs.images = total
        elif stage == "reading test images":
            self._costs.tests = total
        elif stage == "seed views":
            self._costs.views = True

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
        if at > self._at:
            self._at, self._part = at, None
            self._seen.clear()

    def _fields(
        self, stage: str, done: int, total: int, label: str, part: str | None
    ) -> dict[str, Any]:
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
        fields = {
            "stage": stage,
            "progress": {"done": done, "total": total, "label": label},
            "rate": rate,
            "stage_eta_seconds": left,
        }
        known = part is not None and _PARTS.get(part) == self.steps[self._at]
        before_it, self._part = self._part, part if known and part is not None else stage
        share = done / max(total, 1)
        if self._part != before_it and share < self._shares.get(self._part, 0.0):
            for last_time in (self._took, self._firsts, self._unseen):  # of another round
                last_time.pop(self._part, None)
        self._shares[self._part] = share
        self._took[self._part] = self._took.get(self._part, 0.0) + now - self._last
        self._firsts.setdefault(self._part, (now, share))
        self._last = now
        few = label == "steps" and done < _STEPS
        return {**fields, **self._whole(None if few else self._left(now, share))}

    def _left(self, now: float, share: float) -> float | None:
        """Seconds until the part at work is done, at its pace since its first event.

        What comes before that (a head is fitted, say, or results are written) tells nothing of it.
        And the pace of the last seconds alone would make the end of a long run jump whenever the
        machine does something else.
        """
        began, before = self._firsts[self._part or ""]
        enough = now - began >= _ENOUGH_S and share > before
        return (now - began) * (1 - share) / (share - before) if enough else None

    def _whole(self, left: float | None) -> dict[str, Any]:
        """What is said of the whole run. left: seconds of the part at work, None = unknown."""
        remaining = self._remaining(left) if LEARNING in self.steps else self._alone(left)
        if remaining is None:
            passed = sum(WEIGHTS[step] for step in self.steps[: self._at])
            return self._estimate(passed / sum(WEIGHTS[step] for step in self.steps), None)
        elapsed = self._last - self._start
        return self._estimate(elapsed / max(elapsed + remaining, 1e-9), remaining)

    def _alone(self, left: float | None) -> float | None:
        """Seconds until a baseline ends. What it takes shows once it is at work."""
        at = self.steps[self._at]
        if left is None or at not in (LEARNING_ALONE, LABELLING):
            return None
        if at == LABELLING:
            return left
        spent = self._last - self._start
        return left + WEIGHTS[LABELLING] / WEIGHTS[LEARNING_ALONE] * (spent + left)

    def _remaining(self, left: float | None) -> float | None:
        """Seconds until the run ends; None: unknown, or doubtful by more than a factor of two."""
        unit = self._seconds_a_pass()
        names = [name for name, step in _PARTS.items() if step in self.steps[self._at :]]
        at = names.index(self._part) if self._part in names else -1
        if unit is None or not self._costs.images:
            return left if left is not None and at == len(names) - 1 else None
        least = most = 0.0 if at >= 0 or left is None else left
        if self.steps[self._at] == LEARNING:
            at = 0  # between two rounds there are steps to come
        for name in names[max(at, 0) :]:
            if name == self._part and left is not None:
                low = high = left
            else:
                missing = 1 - self._shares.get(name, 0.0)
                low, high = (unit * missing * passes for passes in self._passes(name))
            least, most = least + low, most + high
        return math.sqrt(least * most) if most <= _SURE * least else None

    def _passes(self, part: str) -> Range:
        passes: Range = getattr(self._costs, part)
        return passes

    def _seconds_a_pass(self) -> float | None:
        """Of what has taken long enough to tell; None: nothing has."""
        seconds = passes = 0.0
        for part in _PARTS.keys() & self._took.keys():
            took = self._took[part]
            least, most = self._passes(part)
            done = self._shares[part] - self._unseen.get(part, 0.0)
            if took >= _ENOUGH_S and least == most and done >= _ENOUGH:
                seconds, passes = seconds + took, passes + done * most
        return seconds / passes if passes else None

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
