"""Checkpoints: what a run keeps now and then so that it can go on after it was cut off.

A checkpoint is checkpoints/state-<n>.json, which names a file of tensors for each part of the fit's
state and says how far events.jsonl was. Files are old or new, never half (`studio.files`), and
those of the last two checkpoints are kept.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio import untrusted
from studio.errors import WriteError
from studio.files import replace_file, write_json
from studio.room import writing
from studio.untrusted import Unreadable

if TYPE_CHECKING:
    from torch import Tensor

    from studio.coft.events import FitPart, FitState
    from studio.runs.run import Run

FORMAT = 1
KEPT = 2
EVERY_S = 60.0
"""Between two checkpoints, where writing one takes no more than SHARE of the time."""
BETWEEN_S = 10.0
"""Between two that are taken where a stage ends."""
SHARE = 0.05
MOST = 1_000_000  # of their numbers
_STATE = re.compile(r"state-(\d{4,7})\.json")


@dataclass(frozen=True)
class Saved:
    """A checkpoint, read. state: of the fit; events: bytes of events.jsonl at that moment; seconds:
    of work until then; made_with: what the run has to find again, see `runs.resume`.
    """

    state: FitState
    events: int
    seconds: float
    made_with: Mapping[str, Any]


class Checkpoints:
    """Writes those of a run.

    Attributes:
        failed: Why the last one could not be written, in a line; "" when it was.
    """

    def __init__(
        self, run: Run, *, reserve: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """reserve: bytes of the disk that are left to the run itself."""
        self._run, self._reserve, self._clock = run, reserve, clock
        self._last, self._took = clock(), 0.0
        self._files: dict[str, tuple[FitPart, str]] = {}  # by part: what was written, and where
        self.failed = ""

    def due(self, between: bool) -> bool:
        """Whether it is time for one. between: two stages."""
        least = max(BETWEEN_S if between else EVERY_S, self._took / SHARE)
        return self._clock() - self._last >= least

    def write(self, state: FitState, *, seconds: float, made_with: Mapping[str, Any]) -> bool:
        """Write one; whether it could be done. A run does without on a full disk."""
        began = self._clock()
        try:
            self._write(state, seconds, made_with)
            self.failed = ""
        except (WriteError, OSError) as error:
            self.failed = str(error)
        self._last = self._clock()
        self._took = self._last - began
        return not self.failed

    def _write(self, state: FitState, seconds: float, made_with: Mapping[str, Any]) -> None:
        folder = folder_of(self._run)
        with writing(self._run.path):
            folder.mkdir(exist_ok=True)
        known = {name: file for name, (part, file) in self._files.items()
                 if state.parts.get(name) is part and (folder / file).is_file()}  # fmt: skip
        fresh = {name: part for name, part in state.parts.items() if name not in known}
        self._check_room(fresh)
        number = max(_numbers(folder), default=0) + 1
        files: dict[str, tuple[FitPart, str]] = {}
        for name, part in state.parts.items():
            file = known.get(name, f"state-{number:04d}-{name}.safetensors")
            if name in fresh:
                _save(folder / file, part.tensors)
            files[name] = part, file
        events = _flushed(self._run.path / "events.jsonl")
        value = {
            "format": FORMAT, "at": state.at, "events": events, "seconds": round(seconds, 2),
            "made_with": dict(made_with),
            "parts": {n: {"file": file, "values": p.values} for n, (p, file) in files.items()},
        }  # fmt: skip
        write_json(folder / f"state-{number:04d}.json", value)
        self._files = files
        _let_go(folder)

    def _check_room(self, parts: Mapping[str, FitPart]) -> None:
        needed = sum(t.nbytes for part in parts.values() for t in part.tensors.values())
        free = shutil.disk_usage(self._run.path).free
        if free < 1.1 * needed + self._reserve:
            raise WriteError(
                "the disk is too full", number=None, reason="full", folder=self._run.path
            )


def folder_of(run: Run) -> Path:
    """Where they are."""
    return run.path / "checkpoints"


def latest(run: Run) -> Saved | None:
    """The last checkpoint that can be used; None where there is none."""
    folder = folder_of(run)
    for number in sorted(_numbers(folder), reverse=True):
        with contextlib.suppress(Unreadable):
            return _read(run, folder / f"state-{number:04d}.json")
    return None


def remove(run: Run) -> None:
    """Let go of all: the run is over."""
    for path in _files_of(folder_of(run)):
        with contextlib.suppress(OSError):
            path.unlink()


def _read(run: Run, path: Path) -> Saved:
    from studio.coft.events import FitPart, FitState

    value = untrusted.load_object(path)
    if value.get("format") != FORMAT:
        raise Unreadable(f"{path.name} is no checkpoint of this version")
    at, made_with = _one(value, "at", str), _one(value, "made_with", dict)
    described, events = _one(value, "parts", dict), _one(value, "events", int)
    seconds = _one(value, "seconds", (int, float))
    try:
        size = (run.path / "events.jsonl").stat().st_size
    except OSError:
        size = 0
    if not 0 <= events <= size:  # the machine lost its power before all of it was on the disk
        raise Unreadable(f"{path.name} is about more events than there are")
    parts = {}
    for name, part in described.items():
        file = part.get("file") if isinstance(part, dict) else None
        if not isinstance(file, str) or Path(file).name != file:
            raise Unreadable(f"{path.name} names no files")
        values = part.get("values")
        if not isinstance(values, dict):
            raise Unreadable(f"{path.name} lacks values")
        parts[name] = FitPart(untrusted.load_tensors(path.parent / file), values)
    return Saved(FitState(at, parts), events, float(seconds), made_with)


def _one(value: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    found = value.get(name)
    if not isinstance(found, kind) or isinstance(found, bool):
        raise Unreadable(f"a checkpoint's {name} is missing")
    return found


def _save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save_file

    plain = {name: tensor.contiguous() for name, tensor in tensors.items()}
    replace_file(path, lambda temporary: save_file(plain, temporary))


def _flushed(path: Path) -> int:
    """Bytes of a file, all of which are on the disk."""
    try:
        with path.open("rb+") as file:
            os.fsync(file.fileno())
            return file.seek(0, os.SEEK_END)
    except FileNotFoundError:
        return 0


def _files_of(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.name.startswith("state-")]
    except OSError:
        return []


def _numbers(folder: Path) -> Iterator[int]:
    for path in _files_of(folder):
        if found := _STATE.fullmatch(path.name):
            number = int(found[1])
            if number <= MOST:
                yield number


def _let_go(folder: Path) -> None:
    """Of all but the last two, and of tensors that neither of these names."""
    last = {f"state-{n:04d}.json" for n in sorted(_numbers(folder))[-KEPT:]}
    named = set(last)
    for name in last:
        with contextlib.suppress(Unreadable, AttributeError):
            parts = untrusted.load_object(folder / name)["parts"]
            named |= {part["file"] for part in parts.values()}
    for path in _files_of(folder):
        if path.name not in named:
            with contextlib.suppress(OSError):
                path.unlink()
