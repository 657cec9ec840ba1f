"""Errors that a user can act on.

Every one of them carries a single clear line that says what is wrong and what to do; the page shows
it as a notice, the command line prints it on stderr and exits with code 2. Anything else that is
raised is a bug.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

USER_ERROR = 2
"""Exit code of a program that ends with a `StudioError`."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell expects it."""


class StudioError(Exception):
    """Something that the user can put right; the message is one line that says how."""


class FolderError(StudioError):
    """The folder of images or the list of class names cannot be used as given."""


class SettingsError(StudioError):
    """One or more settings have an unknown name or a value out of range; all are listed at once."""


class ModelError(StudioError):
    """A pre-trained model or a checkpoint cannot be loaded or does not fit."""


class PromptError(StudioError):
    """Prompts, or the language model that is to write them, cannot be used as given."""


class RunError(StudioError):
    """A run cannot be started, found or read."""


class WriteError(StudioError, OSError):
    """A file cannot be written: the disk is full, or the folder is not ours or read-only.

    It is an OSError too: whoever can do without the file catches both alike.

    Attributes:
        errno, strerror: As of an OSError.
        folder: Where it was to be written.
    """

    def __init__(self, message: str, *, number: int | None, reason: str, folder: Path) -> None:
        super().__init__(message)
        self.errno, self.strerror, self.folder = number, reason, folder

    def __str__(self) -> str:
        return str(self.args[0])  # an OSError would say its number


class Stopped(StudioError):  # noqa: N818 (nothing went wrong)
    """A long piece of work was asked to stop, and did; what it had done by then is kept."""

    def __init__(self, message: str = "Stopped.") -> None:
        super().__init__(message)


@contextmanager
def one_line() -> Iterator[None]:
    """Around a program: what its user can put right is one line on stderr, and exit code 2."""
    try:
        yield
    except StudioError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(USER_ERROR)


def leave(code: int) -> NoReturn:
    """End this process now; only what was registered for its end (`atexit`) is still done.

    The interpreter takes seconds to take itself apart once torch is there (6 s on two busy cores),
    during which nothing can hurry it; whoever sends SIGTERM sends SIGKILL soon.
    """
    threading.excepthook = lambda _: None  # a thread that trips over the end: nobody need know
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it is gone
            stream.flush()
    os._exit(code)
