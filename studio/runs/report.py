"""Where a job's events go: into the run's folder, to whoever listens, and past the scorer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from studio.runs.pace import Pace, step_text
from studio.runs.records import Recorder
from studio.runs.run import Run
from studio.runs.scoring import Labels, Scorer
from studio.scores.table import SCORES

if TYPE_CHECKING:
    from studio.coft.events import Event
    from studio.settings import Settings

HEARTBEAT_S = 1.0


class Report:
    """Call it with every event of a job."""

    def __init__(
        self,
        run: Run,
        *,
        listen: Callable[[Event], None] | None = None,
        watch: Callable[[Mapping[str, Any]], None] | None = None,
        last_phase: int | None = None,
        models: int = 2,
        trains: bool = True,
        settings: Settings | None = None,
        silent: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """See `run_job` for listen and watch, `Pace` for last_phase, models, trains, settings
        and clock.

        silent: until `go_on`, nothing is recorded: the run has it all already.
        """
        self._silent = silent
        self._run = run
        self._listen, self._watch = listen, watch
        self._clock = clock
        self._recorder = Recorder(run, clock=clock)
        self._pace = Pace(
            last_phase=last_phase, models=models, trains=trains, settings=settings, clock=clock
        )
        self._scorer = Scorer(None)
        self._status: dict[str, Any] = {}
        self._beat = float("-inf")

    def score_against(self, truth: Labels | None) -> None:
        """Score the events from here on against the truth: (N,) with -1 = unknown, or None."""
        self._scorer = Scorer(truth)

    def go_on(self) -> None:
        """From here on the run has not been before."""
        self._silent = False
        self._pace.go_on()

    def __call__(self, event: Event) -> None:
        """Record the event, score it, tell the listener, and show how far the run is."""
        if not self._silent:
            self._recorder.record(event)
        score = self._scorer.score(event)
        if score is not None:
            self.write("score", score)
        status = self._pace.update(event)
        if status is not None:
            self._show(status)
        if self._listen is not None and (status is not None or not self._silent):
            self._listen(event)

    def progress(self, stage: str) -> Callable[[int, int], None]:
        """A callback (done, total) that reports images of a stage that is not the fit's."""
        from studio.coft.events import Progress

        return lambda done, total: self(Progress(stage, done, total))

    def stage(self, stage: str) -> None:
        """A stage begins that cannot tell how far it is."""
        self._show(self._pace.stage(stage))

    def write(self, kind: str, values: Mapping[str, Any], tensors: Mapping[str, Any] = {}) -> None:
        """Record something that is no event of the fit."""
        if not self._silent:
            self._recorder.write(kind, values, tensors)

    def measured(self) -> dict[str, Any]:
        """What a run's result says about quality, measured on the images that were fitted.

        By field of `RunResult`, all of the labels that the run ended with, but for
        zero_shot_accuracy.
        """
        scores = self._scorer.scores
        start, end = scores.get("zero-shot", {}), scores.get("finished", {})
        measured = {score.name: end.get(score.name) for score in SCORES}
        return {**measured, "zero_shot_accuracy": start.get("accuracy")}

    @property
    def step(self) -> str:
        """What the run is at, in words."""
        return step_text(self._status) or "its beginning"

    def flush(self) -> None:
        """Write everything that was held back."""
        self._recorder.flush()

    def close(self) -> None:
        """The job is over, however it ended."""
        self.flush()

    def _show(self, status: dict[str, Any]) -> None:
        new_stage = status["stage"] != self._status.get("stage")
        self._status = status
        if self._watch is not None:
            self._watch(status)
        now = self._clock()
        if new_stage or now - self._beat >= HEARTBEAT_S:
            self._beat = now
            self._run.set_status(**status)
