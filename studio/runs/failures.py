"""Which failures a user can do something about, and what."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from pathlib import Path

from studio.errors import RunError, Stopped, StudioError, WriteError
from studio.room import disk_is_full, within


class Paused(Exception):  # noqa: N818 (nothing went wrong)
    """The run was asked to end at once, and to go on later."""


def explain(error: BaseException, *, folders: Mapping[str, Path] = {}) -> StudioError | None:
    """What a user can do about the error, or None when it is a bug.

    folders: those of runs and of the cache by their names, see `studio.room.within`.
    """
    if isinstance(error, WriteError):
        return within(error, folders)
    if isinstance(error, StudioError):
        return error
    name, text = type(error).__name__, str(error)
    if name == "OutOfMemoryError" or isinstance(error, MemoryError) or "can't allocate" in text:
        return RunError(
            "There is not enough memory: set micro_batch lower (16, then 4), choose a smaller "
            "model, or end other programs that use the device."
        )
    if disk_is_full(error):
        return RunError("the disk is full: make room, or choose other folders (--runs, --cache)")
    return None


def was_stopped(error: Exception) -> bool:
    """Whether this is how a long piece of work says that it was asked to stop."""
    return isinstance(error, Stopped)


def first_line(error: BaseException) -> str:
    """The error's first line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no message"


def release_memory() -> None:
    """Give the GPU's memory back after a job, so that the next one, or another program, has it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
