"""One run's folder: what it is, how it stands, what happened; written so that any reader may look.

A run is a folder with run.json (what it is), status.json (how it stands now), events.jsonl (what
happened, append-only), arrays/ (tensors of the events), images.json, model/ and result.json.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from studio.errors import RunError, StudioError
from studio.files import (
    append_json,
    keep_spare,
    read_json,
    read_json_lines,
    replace_file,
    write_json,
)
from studio.forking import Lock
from studio.locks import FileLock
from studio.room import writing
from studio.runs.info import (
    ACTIVE,
    DAMAGED,
    FINAL,
    RunInfo,
    StageProgress,
    Status,
    damaged_status,
    read_images,
    read_info,
    read_status,
)
from studio.runs.result import RunResult
from studio.untrusted import Unreadable, load_object

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ACTIVE", "FINAL", "Run", "RunInfo", "StageProgress", "Status"]

_AT_REST: dict[str, Any] = dict.fromkeys(
    ("progress", "rate", "stage_eta_seconds", "step", "steps", "step_name", "fraction",
     "eta_seconds")
)  # fmt: skip
"""What a status says of how far a run is, when nobody works on it."""

_SPARE_FILE = ".spare"

MOST_NAME, MOST_NOTE = 100, 2000
"""Characters of a run's name and of its note."""


class Run:
    """One run's folder. Readers call what reads; only the process that works on it writes."""

    # Locks of the runs that this process works on, by folder: they outlive any one Run object.
    _owned: ClassVar[dict[Path, FileLock]] = {}
    # Final statuses that no disk took: true all the same, as long as this process lives.
    _unwritten: ClassVar[dict[Path, dict[str, Any]]] = {}
    # Two threads change a status: the one that works, and the one that asks it to stop.
    _writing: ClassVar[Lock] = Lock()

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """The name of the run's folder."""
        return self.path.name

    @property
    def info(self) -> RunInfo:
        """What the run is; read anew each time.

        Raises:
            RunError: run.json is damaged.
        """
        status = self.status()
        try:
            info = read_info(self._described(), id=self.id, state=status["state"])
        except Unreadable as error:
            raise self.damaged(error) from None
        return replace(info, damage=status["reason"] or "") if info.state == DAMAGED else info

    def _described(self) -> dict[str, Any]:
        try:
            return load_object(self.path / "run.json")
        except Unreadable as error:
            raise self.damaged(error) from None

    def damaged(self, reason: object) -> RunError:
        """What to say of a run whose files are not what they should be."""
        return RunError(f"run {self.id} is damaged: {reason}")

    def update_info(self, **changes: Any) -> None:
        """Change fields of run.json: what was not known when the run was created."""
        with self._writing:
            write_json(self.path / "run.json", {**self._described(), **changes})

    def rename(self, name: str) -> None:
        """Call the run otherwise; its folder and id stay. Blanks become single spaces.

        Raises:
            RunError: The name is empty or longer than MOST_NAME characters, or cannot be kept.
        """
        name = _printable(" ".join(name.split()))
        if not name:
            raise RunError("Give the run a name.")
        if len(name) > MOST_NAME:
            raise RunError(f"A run's name has at most {MOST_NAME} characters, not {len(name)}.")
        self.update_info(name=name)

    def set_note(self, text: str) -> None:
        """Keep a note with the run, of several lines if need be; an empty one takes it away.

        Raises:
            RunError: It is longer than MOST_NOTE characters, or cannot be kept.
        """
        text = "\n".join(_printable(line).rstrip() for line in text.splitlines()).strip()
        if len(text) > MOST_NOTE:
            raise RunError(f"A note has at most {MOST_NOTE:,} characters, not {len(text):,}.")
        self.update_info(note=text)

    def status(self) -> Status:
        """The run's status now. A run whose process has died is "interrupted" from here on."""
        if self.path in self._unwritten:
            with self._writing:
                if (final := self._unwritten.get(self.path)) is not None:
                    self._write_final(final)
                    return cast(Status, dict(final))
        status = self._read_status()
        lock = FileLock(self.path / "owner.lock")
        damaged = status["state"] == DAMAGED and lock.path.is_file()
        if (status["state"] not in ACTIVE and not damaged) or self.path in self._owned:
            return status
        try:
            if not lock.acquire():  # somebody works on it, whatever status.json says
                return {**status, "state": "running", "reason": None} if damaged else status
        except (OSError, StudioError):  # not ours, or on a disk without locks
            return status
        try:
            # Read again under the lock: the owner may have finished in between.
            status = self._read_status()
            if status["state"] in ACTIVE:
                status["reason"] = f"the process that worked on it ended during: {status['stage']}"
                status["state"] = "interrupted"
                status.update(_AT_REST)  # type: ignore[typeddict-item]
                with contextlib.suppress(OSError):  # a full disk: the next reader says the same
                    write_json(self.path / "status.json", status)
        finally:
            lock.release()
        return status

    def _read_status(self) -> Status:
        try:
            return read_status(load_object(self.path / "status.json"))
        except Unreadable as error:
            return damaged_status(str(error))

    def set_status(self, **changes: Any) -> None:
        """Change fields of status.json and the heartbeat. A final state lets go of the run."""
        with self._writing:
            before: dict[str, Any] = {**self._read_status()}
            if before["state"] == DAMAGED:  # not written yet; or whoever works on it knows better
                before.update(state="running", reason=None)
            status: dict[str, Any] = {**before, **changes}
            status.update(pid=os.getpid(), heartbeat=time.time())
            if status["state"] not in ACTIVE + FINAL:
                raise ValueError(f"no such state: {status['state']}")
            if status["state"] in FINAL:
                status.update(_AT_REST)
            if status["state"] not in FINAL:
                write_json(self.path / "status.json", status)
                return
            try:
                self._write_final(status)
            finally:
                self.disown()

    def _write_final(self, status: dict[str, Any]) -> None:
        """How the run ended. On a full disk the spare file gives it room; where not even that works
        this process remembers it, and writes it down when it is next asked and there is room.
        """
        spare = self.path / _SPARE_FILE
        try:
            write_json(self.path / "status.json", status, spare=spare)
        except OSError:
            self._unwritten[self.path] = status
            return
        self._unwritten.pop(self.path, None)
        with contextlib.suppress(OSError):
            spare.unlink(missing_ok=True)

    def ask_to_stop(self) -> None:
        """Show that the run was asked to end; whoever works on it has to be told otherwise."""
        # Where the disk is full it cannot be shown, and the run ends all the same.
        with self._writing, contextlib.suppress(OSError):
            if self._read_status()["state"] in ("queued", "running"):
                self.set_status(state="stopping")

    def own(self, lock: FileLock) -> None:
        """This process works on the run, and holds its owner.lock until a final state."""
        self._owned[self.path] = lock

    def disown(self) -> None:
        """This process does not work on it after all."""
        if self.path in self._owned:
            self._owned.pop(self.path).release()

    def keep_room(self) -> None:
        """Keep so much room on the disk that the run's end can be written down on a full one.

        Raises:
            WriteError: There is none.
        """
        keep_spare(self.path / _SPARE_FILE)

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one line to events.jsonl; it is on its way to the disk when this returns.

        `record` has a "kind" and whatever JSON can hold; the time is added.
        """
        # A record may bring its own time.
        append_json(self.path / "events.jsonl", {"time": round(time.time(), 3), **record})

    def events(self, after: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Events from byte `after` of events.jsonl on, and where to go on reading next time.

        A last line that is still being written is left for the next time; a torn one is skipped.
        """
        records, end = read_json_lines(self.path / "events.jsonl", after)
        return [record for record in records if "kind" in record], end

    def write_arrays(self, kind: str, tensors: Mapping[str, Tensor]) -> str:
        """Write tensors to a new file arrays/<kind>-<n>.safetensors; its path within the run."""
        from safetensors.torch import save_file

        folder = self.path / "arrays"
        with writing(self.path):
            folder.mkdir(exist_ok=True)
        number = sum(1 for _ in folder.glob(f"{kind}-*.safetensors"))
        name = f"arrays/{kind}-{number:04d}.safetensors"
        # Cloned, for safetensors refuses tensors that share memory, as fields of an event may.
        plain = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
        replace_file(self.path / name, lambda temporary: save_file(plain, temporary))
        return name

    def arrays(self, name: str) -> dict[str, Tensor]:
        """The tensors of an event that carries {"arrays": name}.

        Raises:
            RunError: The file is not there or is no safetensors file of this run.
        """
        from studio.runs.tensors import load_arrays

        path = self.path / name
        # Not `Path.resolve`: of links in a circle it raises a RuntimeError, before Python 3.13.
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.path)):
            raise RunError(f"{name} is not a file of run {self.id}")
        try:
            return load_arrays(path)
        except (Unreadable, OSError, RuntimeError) as error:
            raise self.damaged(f"cannot read {name}: {error}") from None

    def images(self) -> dict[str, Any]:
        """What images.json holds; no images while there is none.

        {"root": folder, "images": [relative paths], "refused": [{"path", "reason", "detail"}]}.

        Raises:
            RunError: It is damaged.
        """
        try:
            return read_images(load_object(self.path / "images.json"))
        except Unreadable as error:
            if (self.path / "images.json").exists():
                raise self.damaged(error) from None
            return {"root": "", "images": [], "refused": []}

    def result(self) -> RunResult | None:
        """What came of the run; None while there is no result."""
        value = read_json(self.path / "result.json")
        if not isinstance(value, dict):
            return None
        if "estimated_clean_precision" not in value:
            value = {**value, **self._clean_at_the_end()}
        return RunResult.from_dict(value)

    def _clean_at_the_end(self) -> dict[str, Any]:
        """What older versions wrote into their events only: their results have the share of clean
        labels after Phase I, and how many of those are right.
        """
        scores = [r for r in self.events()[0] if r["kind"] == "score"]
        last: dict[str, Any] = next(
            (r for r in reversed(scores) if r.get("stage") == "finished"), {}
        )
        return {k: last[k] for k in ("clean_fraction", "clean_precision") if k in last}

    def log(self, text: str) -> None:
        """Add text to log.txt, for whoever looks into a failure."""
        # On a full disk the run's status still says what was wrong, if less.
        with contextlib.suppress(OSError), (self.path / "log.txt").open("a", encoding="utf-8") as f:
            f.write(text.rstrip("\n") + "\n")


def _printable(text: str) -> str:
    """Without control characters, which would upset a terminal that lists runs; tabs are spaces."""
    return "".join(c for c in text.replace("\t", " ") if c.isprintable())
