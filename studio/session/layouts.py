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
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from studio.scores import projection
from studio.scores.neighbours import Floats

_log = logging.getLogger(__name__)
_ROOT = Path(__file__).resolve().parents[2]
_KEPT = 4
_FILES = 100
TIMEOUT_S = 3600.0
HEAD_START_S, LARGE = 3.0, 100_000

Kind = Literal["pca", "umap"]
State = Literal["ready", "running", "failed", "none"]


@dataclass
class Layout:
    """The places of N images. pca, umap: (N, 2) in [-1, 1] each; umap None while there is none.

    state: of the UMAP: "none" for sets so small that PCA is all. text: what is being done, or why
    it failed; done, total: how far it is, 0 when not known.
    """

    key: str
    pca: Floats
    umap: Floats | None = None
    state: State = "none"
    text: str = ""
    done: int = 0
    total: int = 0

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
    _known: OrderedDict[str, Layout] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def get(self, units: Floats) -> Layout:
        """The layout of (N, d) unit vectors: PCA for certain, and UMAP if the disk has it.

        If not, a process begins with it; ask again, or look at the same object later.
        """
        key = _key(units)
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        layout = Layout(key, projection.pca(units))
        stored = self._read(key, len(units))
        if stored is not None:
            layout.umap, layout.state = stored, "ready"
        elif len(units) >= projection.FEWEST:
            layout.state, layout.text = "running", "Waiting"
        with self._lock:
            first = self._known.setdefault(key, layout)  # another thread may have been quicker
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        if first is layout and layout.state == "running":
            threading.Thread(
                target=self._make, args=(layout, units), name="umap", daemon=True
            ).start()
        return first

    def _make(self, layout: Layout, units: Floats) -> None:
        try:
            # The page that asked is drawing PCA now; a large set would take its cores and disk.
            time.sleep(HEAD_START_S * min(1.0, len(units) / LARGE))
            with self._turn:  # one process at a time
                self._run(layout, units)
            layout.umap = self._read(layout.key, len(units))
            layout.state = "failed" if layout.umap is None else "ready"
            if layout.umap is None:
                layout.text = "UMAP could not be computed; the terminal shows why."
        except OSError as error:  # a full disk, no memory for a process
            layout.state, layout.text = "failed", f"UMAP could not be computed: {error.strerror}."

    def _run(self, layout: Layout, units: Floats) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="umap-", dir=self._folder) as folder:
            features = Path(folder) / "features.npy"
            np.save(features, units, allow_pickle=False)
            process = subprocess.Popen(
                [*self.command, str(features), str(self._file(layout.key))],
                cwd=_ROOT,
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
                    _report(layout, line)
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
            found = np.load(self._file(key), allow_pickle=False)
            os.utime(self._file(key))
        except (OSError, ValueError, EOFError):
            return None
        if found.shape != (number, 2) or found.dtype != np.float32 or not np.isfinite(found).all():
            return None
        self._prune()
        return np.asarray(found)

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


def _report(layout: Layout, line: str) -> None:
    """Take in what the process says of how far it is; other libraries may print as well."""
    done, _, rest = line.rstrip("\n").partition("\t")
    total, _, text = rest.partition("\t")
    if done.isdigit() and total.isdigit() and text:
        layout.done, layout.total, layout.text = int(done), int(total), text
