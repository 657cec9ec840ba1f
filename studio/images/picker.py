"""The window of this machine in which a folder is chosen, where there is a screen for one.

It belongs to a process of its own: tkinter wants the main thread, and a window that hangs must not
take the server along. `python -m studio.images.picker` shows it and prints what was chosen.
Where the page has a window of its own, that one asks instead (`by`).
"""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.places import PROJECT, has_display

TIMEOUT_S = 600.0
_COMMAND = (sys.executable, "-m", "studio.images.picker")


_asked: list[Callable[[], Path | None]] = []


@contextmanager
def by(ask: Callable[[], Path | None]) -> Iterator[None]:
    """Meanwhile folders are chosen by `ask`: None when nothing was chosen."""
    _asked.append(ask)
    try:
        yield
    finally:
        _asked.remove(ask)


def available() -> bool:
    """Whether a window can be shown; the first question takes a moment."""
    return bool(_asked) or _has_tkinter()


@functools.cache
def _has_tkinter() -> bool:
    return has_display() and _run((sys.executable, "-c", "import tkinter"), 20) is not None


def pick_folder(*, command: tuple[str, ...] = _COMMAND, timeout: float = TIMEOUT_S) -> Path | None:
    """The folder that was chosen, waited for; None when the window was closed, or did not open.

    command: what is run; tests replace it. timeout: in seconds.
    """
    if _asked:
        return _asked[-1]()
    answer = (_run(command, timeout) or "").rstrip("\r\n")
    path = Path(answer) if answer and "\0" not in answer else None
    return path if path is not None and path.is_absolute() else None


def _run(command: tuple[str, ...], timeout: float) -> str | None:
    """What a command prints; None when it fails or takes too long."""
    try:
        done = subprocess.run(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace", timeout=timeout,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def main() -> None:
    """Show the window and print what is chosen in it."""
    import tkinter
    from tkinter import filedialog

    window = tkinter.Tk()
    window.withdraw()
    window.attributes("-topmost", True)  # not behind the browser that asked for it
    chosen = filedialog.askdirectory(
        parent=window,
        title="Choose a folder of images",
        initialdir=Path.home(),  # the folder that this process works in is the package's own
        mustexist=True,
    )
    print(chosen)


if __name__ == "__main__":
    main()
