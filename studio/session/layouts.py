"""Where images stand on the map: PCA at once, UMAP when a process in the background has made it.

A finished UMAP is kept in the cache under a hash of the features themselves and of what makes the
layout, so that it can never belong to other images or another model.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from studio.errors import StudioError
from studio.places import PROJECT
from studio.scores import projection
from studio.scores.neighbours import Floats
from studio.session.cache import Cache
from studio.session.tasks import Lane, Task

_log = logging.getLogger(__name__)
_KEPT = 4
_FILES = 100
TIMEOUT_S = 3600.0
HEAD_START_S, LARGE = 3.0, 100_000

Kind = Literal["pca", "umap"]
State = Literal["ready", "running", "failed", "none"]


@dataclass
class Layout:
    """The places of N images. pca: (N, 2) in [-1, 1]; task: makes the UMAP, which is the same; None
    for sets so small that PCA is all.
    """

    key: str
    pca: Floats
    task: Task | None = None

    @property
    def umap(self) -> Floats | None:
        """(N, 2) in [-1, 1]; None while there is none."""
        return None if self.task is None else self.task.value

    @property
    def state(self) -> State:
        """Of the UMAP: "none" where it is not wanted."""
        if self.task is None:
            return "none"
        if self.task.pending:
            return "running"
        return "ready" if self.task.ready else "failed"

    @property
    def text(self) -> str:
        """What is being done for the UMAP, or why it failed."""
        return "" if self.task is None else self.task.error or self.task.text

    @property
    def done(self) -> int:
        """How far it is; 0 when not known."""
        return 0 if self.task is None else self.task.done

    @property
    def total(self) -> int:
        """How far it has to go; 0 when not known."""
        return 0 if self.task is None else self.task.total

    def __len__(self) -> int:
        return len(self.pca)

    @property
    def kind(self) -> Kind:
        """The better one of those that are there."""
        return "pca" if self.umap is None else "umap"

    def plane(self, kind: object) -> Floats:
        """(N, 2) of the kind; of what is not there, the other one."""
        return self.umap if kind == "umap" and self.umap is not None else self.pca


@dataclass
class Layouts:
    """Layouts by feature set. command: what is run, with the two files added; tests replace it."""

    cache_dir: Path
    command: Sequence[str] = (sys.executable, "-m", "studio.scores.umap_job")
    timeout: float = TIMEOUT_S
    _layouts: Cache[str, Layout] = field(default_factory=lambda: Cache(most=_KEPT))
    _lane: Lane = field(default_factory=lambda: Lane("umap"))  # one process at a time

    def get(self, units: Floats) -> Layout:
        """The layout of (N, d) unit vectors: PCA for certain, and UMAP if the disk has it.

        If not, a process begins with it; ask again, or look at the same object later.
        """
        key = _key(units)
        return self._layouts.get(key, lambda: self._layout(key, units))

    def _layout(self, key: str, units: Floats) -> Layout:
        layout, stored = Layout(key, projection.pca(units)), self._read(key, len(units))
        if stored is not None:
            layout.task = Task.of(stored)
        elif len(units) >= projection.FEWEST:
            layout.task = self._lane.add(Task("Waiting", lambda task: self._make(task, key, units)))
        return layout

    def _make(self, task: Task, key: str, units: Floats) -> Floats:
        # The page that asked is drawing PCA now; a large set would take its cores and disk.
        task.rest(HEAD_START_S * min(1.0, len(units) / LARGE))
        try:
            self._run(task, key, units)
        except OSError as error:  # a full disk, no memory for a process
            raise StudioError(f"UMAP could not be computed: {error.strerror}.") from None
        umap = self._read(key, len(units))
        if umap is None:
            raise StudioError("UMAP could not be computed; the terminal shows why.")
        return umap

    def _run(self, task: Task, key: str, units: Floats) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="umap-", dir=self._folder) as folder:
            features = Path(folder) / "features.npy"
            np.save(features, units, allow_pickle=False)
            process = subprocess.Popen(
                [*self.command, str(features), str(self._file(key))],
                cwd=PROJECT,
                stdin=subprocess.PIPE,  # it ends when this closes: when we end, however we do
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
            alarm = threading.Timer(self.timeout, process.kill)
            alarm.start()
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    _report(task, line)
                process.wait()
            finally:
                alarm.cancel()
                process.kill()
                process.wait()
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        pipe.close()
        if process.returncode:
            _log.warning("the UMAP process ended with code %s", process.returncode)

    @property
    def _folder(self) -> Path:
        return self.cache_dir / "maps"

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.npy"

    def _read(self, key: str, number: int) -> Floats | None:
        try:
            umap = np.load(self._file(key), allow_pickle=False)
            os.utime(self._file(key))
        except (OSError, ValueError, EOFError):
            return None
        if umap.shape != (number, 2) or umap.dtype != np.float32 or not np.isfinite(umap).all():
            return None
        self._prune()
        return np.asarray(umap)

    def _prune(self) -> None:
        """Forget the layouts that were not looked at for longest."""
        with contextlib.suppress(OSError):
            files = sorted(self._folder.glob("*.npy"), key=lambda file: file.stat().st_mtime)
            for file in files[:-_FILES]:
                file.unlink(missing_ok=True)


def _key(units: Floats) -> str:
    made = (projection.VERSION, projection.NEIGHBOURS, projection.MIN_DIST, projection.SEED,
            projection.LANDMARKS, units.shape)  # fmt: skip
    digest = hashlib.sha256(repr(made).encode())
    digest.update(np.ascontiguousarray(units, np.float32).data)
    return digest.hexdigest()[:32]


def _report(task: Task, line: str) -> None:
    """Take in what the process says of how far it is; other libraries may print as well."""
    done, _, rest = line.rstrip("\n").partition("\t")
    total, _, text = rest.partition("\t")
    if done.isdigit() and total.isdigit() and text:
        task.begin(text)(int(done), int(total))
