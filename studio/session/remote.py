"""Runs that a Job works on, for a visitor who pays for it: begun, followed and cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from studio.errors import RunError, StudioError
from studio.runs.follow import Follower, follow_in_background
from studio.runs.remote import RemoteJob, planned, submit
from studio.runs.request import JobRequest, create_run
from studio.runs.store import RunStore


def hub_of(token: str) -> Any:
    """The hub, as whoever has this token sees it."""
    from huggingface_hub import HfApi

    return HfApi(token=token)


@dataclass
class RemoteRuns:
    """Those of one room. space: OWNER/NAME, whose image a Job takes; empty: there are no Jobs; hub:
    replaced in tests. A token is in the memory of this process for as long as its Job is followed.
    """

    store: RunStore
    space: str = ""
    hub: Callable[[str], Any] = hub_of
    _stops: dict[str, threading.Event] = field(default_factory=dict)

    def plan(
        self, request: JobRequest, *, name: str, owner: str, flavor: str, minutes: int
    ) -> RemoteJob:
        """What would be asked of the hub; nothing is sent.

        Raises:
            StudioError: It cannot be asked for.
        """
        if not self.space:
            raise RunError("This studio is no Space, so that it has no image for a Job to take.")
        return planned(
            request, name=name, owner=owner.strip(), space=self.space, flavor=flavor,
            minutes=minutes,
        )  # fmt: skip

    def start(
        self, request: JobRequest, *, owner: str, token: str, flavor: str, minutes: int
    ) -> str:
        """Start a Job and follow it; the run's id.

        Raises:
            StudioError: It cannot be asked for, or the hub refuses.
        """
        if not token.strip():
            raise RunError("A Job needs a token of the account that pays for it.")
        self.plan(request, name="check", owner=owner, flavor=flavor, minutes=minutes)
        run = create_run(request, self.store)
        try:
            job = self.plan(request, name=run.id, owner=owner, flavor=flavor, minutes=minutes)
            hub = self.hub(token.strip())
            started = submit(job, token=token.strip(), api=hub)
        except BaseException as error:
            run.set_status(state="failed", reason="the Job did not start")
            self.store.delete(run.id)
            if isinstance(error, StudioError):
                raise
            raise RunError("The Job could not be started.") from None
        run.set_status(state="running", stage=f"waiting for {job.flavor} of {job.owner}")
        stop = self._stops[run.id] = threading.Event()
        follower = Follower(run, job, id=started, root=request.folder.resolve(), api=hub)
        follow_in_background(follower, stop=stop)
        return run.id

    def stop(self, run_id: str) -> bool:
        """Cancel the Job of a run; False when this room follows none."""
        stop = self._stops.get(run_id)
        if stop is None or stop.is_set():
            return stop is not None
        stop.set()
        return True
