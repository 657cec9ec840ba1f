"""One at a time writes what is said about images, of all pages and processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.errors import RunError
from studio.locks import FileLock

_WAIT_S = 5.0


class Gate:
    """Held while a line is written, so that lines of two pages never run into each other."""

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(folder / "corrections.lock")

    def __enter__(self) -> None:
        ends = time.monotonic() + _WAIT_S
        with kept():
            while not self._lock.acquire():
                if time.monotonic() > ends:
                    raise RunError("The corrections are being written by another page; try again.")
                time.sleep(0.01)  # held for milliseconds

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@contextmanager
def kept() -> Iterator[None]:
    """What the disk refuses, in a line: a RunError."""
    try:
        yield
    except OSError as error:  # the run was deleted, or lies on a disk that cannot be written
        raise RunError(f"cannot keep the correction: {error.strerror or error}") from error
