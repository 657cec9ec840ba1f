"""A copy of a run's folder that follows it while it grows, on a disk that others read from.

A storage bucket that is mounted takes files and gives them back; locks and appended lines it need
not know. So the run works on a disk of its own, and what is new is copied as whole files.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.errors import SettingsError
from studio.files import replace_file

EVERY_S = 5.0

COPIED = re.compile(
    r"(?:status|images|result|prompts|knowledge)\.json|events\.jsonl|[a-z]+\.csv|log\.txt"
    r"|arrays/[A-Za-z0-9_-]+\.safetensors"
    r"|model/(?:model\.json|classifier-\d\.safetensors)"
)
"""Files of a run that somebody who follows it reads; all have names that the studio gives."""


class Mirror:
    """Copies what has changed in `run` to `target`, each time it is asked.

    Tensors come before the events that name them, and the status comes last: whoever reads the copy
    never hears of a file that is not there yet.
    """

    def __init__(self, run: Path, target: Path) -> None:
        self._run, self._target = run, target
        self._copied: dict[str, tuple[int, int]] = {}
        self.failed = ""

    def copy(self) -> int:
        """Copy what is new; how many files that was. What cannot be copied is tried again.

        Afterwards `failed` says why the last one that could not be copied was not; "": all were.
        """
        done, self.failed = 0, ""
        for name in sorted(names_in(self._run), key=in_order):
            source = self._run / name
            try:
                found = source.stat()
                mark = found.st_mtime_ns, found.st_size
                if self._copied.get(name) == mark:
                    continue
                target = self._target / name
                target.parent.mkdir(parents=True, exist_ok=True)
                replace_file(target, lambda part, source=source: shutil.copyfile(source, part))  # type: ignore[misc]
                self._copied[name] = mark
                done += 1
            except OSError as error:
                if source.exists():
                    self.failed = (error.strerror or str(error)).lower()
        return done


def names_in(folder: Path) -> list[str]:
    """Names of the files of a run that are copied, with `/`."""
    found = []
    for root, _, files in os.walk(folder):
        for file in files:
            name = Path(root, file).relative_to(folder).as_posix()
            if COPIED.fullmatch(name):
                found.append(name)
    return found


def in_order(name: str) -> tuple[int, str]:
    """Sorts tensors before events, and the status to the end."""
    last = {"events.jsonl": 1, "result.json": 2, "status.json": 3}
    return last.get(name, 0), name


def check_mirror(target: Path | None) -> None:
    """Raise where there can be no copy, before anything is done. The folder is made.

    Raises:
        SettingsError: and why.
    """
    if target is None:
        return
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "that is a file" if target.is_file() else (error.strerror or str(error)).lower()
        raise SettingsError(f"--mirror {target}: {reason}; give a folder.") from None
    if not os.access(target, os.W_OK):
        raise SettingsError(f"--mirror {target}: nothing can be written there; give another.")


@contextmanager
def mirrored(
    run: Path, target: Path | None, *, tell: Callable[[str], None], every: float = EVERY_S
) -> Iterator[None]:
    """Copy a run's folder now and then while the block works on it, and once at its end.

    tell: told where the copy is not whole in the end.
    """
    if target is None:
        yield
        return
    mirror, over = Mirror(run, target), threading.Event()

    def follow() -> None:
        while not over.wait(every):
            mirror.copy()

    thread = threading.Thread(target=follow, name="mirror", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        mirror.copy()
        if mirror.failed:
            tell(f"note: the copy in {target} is not whole: {mirror.failed}; the run is in {run}")
