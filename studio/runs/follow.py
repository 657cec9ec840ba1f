"""A run that a Job works on, as the page reads it: a folder that is filled from the bucket."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.errors import RunError
from studio.files import write_json
from studio.runs.info import ACTIVE, FINAL
from studio.runs.mirror import COPIED, in_order
from studio.runs.remote import RemoteJob, refusal
from studio.runs.run import Run
from studio.untrusted import Unreadable, load_object

EVERY_S = 10.0
PATIENCE = 30
"""Looks in vain one after the other, after which the run is given up: five minutes."""

MOST_FILE, MOST_FILES = 4 << 30, 10_000

_OVER = ("COMPLETED", "ERROR", "CANCELED", "DELETED")
"""Stages of a Job that works no more."""


class Follower:
    """Fills the folder of a run, which this process owns, with what a Job writes into its bucket.

    What lies in a bucket is as its owner left it: only files with names of a run's are taken, and
    they are read with the same care as any run's.
    """

    def __init__(self, run: Run, job: RemoteJob, *, id: str, root: Path, api: Any) -> None:
        """id: of the Job; root: the folder of images here; api: `huggingface_hub.HfApi`."""
        self._run, self._job, self._id, self._root, self._hub = run, job, id, root, api
        self._seen: dict[str, tuple[int, str]] = {}
        self._status: dict[str, Any] = {}

    def pull(self) -> bool:
        """Take what is new; whether the run has ended.

        Raises:
            RunError: The bucket cannot be read.
        """
        prefix = f"{self._job.name}/run/"
        try:
            listed = self._hub.list_bucket_tree(self._job.bucket, prefix=prefix, recursive=True)
            files = {
                file.path.removeprefix(prefix): (file.size, file.xet_hash)
                for file in listed
                if getattr(file, "type", "") == "file" and file.path.startswith(prefix)
            }
        except Exception as error:
            raise RunError(refusal(error, "")) from None
        new = sorted(
            (name for name, mark in files.items()
             if COPIED.fullmatch(name) and self._seen.get(name) != mark and mark[0] <= MOST_FILE),
            key=in_order,
        )[:MOST_FILES]  # fmt: skip
        for name in new:
            self._take(prefix, name)
            self._seen[name] = files[name]
        return self._status.get("state") in FINAL

    def _take(self, prefix: str, name: str) -> None:
        target = self._run.path / name
        arriving = target.with_name(f".{target.name}.tmp")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._hub.download_bucket_files(self._job.bucket, [(f"{prefix}{name}", arriving)])
            if name == "status.json":
                self._show(arriving)
            elif name == "images.json":
                self._describe(arriving)
            else:
                arriving.replace(target)
        except Exception as error:
            raise RunError(refusal(error, "")) from None
        finally:
            arriving.unlink(missing_ok=True)

    def _show(self, arrived: Path) -> None:
        """The Job's status as the run's own; its end waits for `follow`."""
        with contextlib.suppress(Unreadable):
            self._status = load_object(arrived)
        known = {key: self._status.get(key) for key in
                 ("stage", "step", "steps", "step_name", "fraction", "eta_seconds")}  # fmt: skip
        if self._status.get("state") in ACTIVE:
            self._run.set_status(state="running", **known)

    def _describe(self, arrived: Path) -> None:
        """The images by their places here."""
        with contextlib.suppress(Unreadable):
            value = load_object(arrived)
            write_json(self._run.path / "images.json", {**value, "root": str(self._root)})

    def ended(self) -> str:
        """Why no more will come, or "" while the Job may still work."""
        try:
            status = self._hub.inspect_job(job_id=self._id, namespace=self._job.owner).status
        except Exception:  # the hub is asked again; see PATIENCE
            return ""
        stage = str(getattr(status.stage, "value", status.stage))
        if stage not in _OVER:
            return ""
        message = f" ({status.message})" if status.message else ""
        return f"the Job ended: {stage.lower()}{message}"

    def follow(self, *, stop: Callable[[], bool], wait: Callable[[float], object]) -> None:
        """Pull until the run or the Job has ended; its status says how.

        stop: whether the Job is to be cancelled; wait: for so many seconds.
        """
        in_vain = 0
        while True:
            reason = self.ended()  # before the last look, so that nothing is missed
            try:
                over, in_vain = self.pull(), 0
            except RunError as error:
                over, in_vain = False, in_vain + 1
                if in_vain >= PATIENCE:
                    reason = reason or str(error)
            if over:
                said = self._status.get("reason")
                reason = said if isinstance(said, str) else ""
                self._run.set_status(state=self._status["state"], reason=reason or None)
                return
            if reason:
                self._run.set_status(state="failed", reason=reason)
                return
            if stop():
                with contextlib.suppress(Exception):
                    self._hub.cancel_job(job_id=self._id, namespace=self._job.owner)
            wait(EVERY_S)


def follow_in_background(follower: Follower, *, stop: threading.Event) -> threading.Thread:
    """A thread that follows until the end."""
    thread = threading.Thread(
        target=lambda: follower.follow(stop=stop.is_set, wait=stop.wait),
        name="follow a job", daemon=True,
    )  # fmt: skip
    thread.start()
    return thread
