"""UMAP layouts on disk, each made by a process of its own (`scores.umap_job`).

A layout is kept under a hash of the features themselves and of what makes it, so that it can never
belong to other images or another model.
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
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.errors import StudioError
from studio.files import replace_file
from studio.leftovers import held
from studio.places import PROJECT
from studio.room import CACHE, cannot_write
from studio.scores import projection
from studio.scores.neighbours import Floats, Neighbours
from studio.scores.projection import Report
from studio.scores.umap_job import COSINES, INDICES, save
from studio.untrusted import Unreadable, load_array

_log = logging.getLogger(__name__)
_FILES, _ROWS = 100, 65_536
TIMEOUT_S = 3600.0
COMMAND = (sys.executable, "-m", "studio.scores.umap_job")


def key_of(units: Floats) -> str:
    """What a layout of (N, d) unit vectors is kept under."""
    made = (projection.VERSION, projection.NEIGHBOURS, projection.MIN_DIST, projection.SEED,
            projection.LANDMARKS, units.shape)  # fmt: skip
    digest = hashlib.sha256(repr(made).encode())
    for begin in range(0, len(units), _ROWS):
        digest.update(np.ascontiguousarray(units[begin : begin + _ROWS], np.float32).data)
    return digest.hexdigest()[:32]


@dataclass(frozen=True)
class LayoutFiles:
    """The layouts in a folder. command: what is run, with the two files added; timeout: seconds
    after which it is ended.
    """

    folder: Path
    command: Sequence[str] = COMMAND
    timeout: float = TIMEOUT_S

    def read(self, key: str, number: int) -> Floats | None:
        """The layout (N, 2) of so many images; None when there is none that can be used."""
        try:
            umap = load_array(self._file(key))
        except Unreadable:
            return None
        if umap.shape != (number, 2) or umap.dtype != np.float32 or not np.isfinite(umap).all():
            return None
        with contextlib.suppress(OSError):  # of a cache that cannot be written
            os.utime(self._file(key))
        self._prune()
        return np.asarray(umap)

    def make(
        self, key: str, units: Floats, *, alike: Neighbours | None = None, report: Report
    ) -> Floats:
        """Have UMAP lay out (N, d) unit vectors, and wait for it. alike: their nearest images, if
        these are known; report: told what the process says of how far it is; what it raises ends
        the process.

        Raises:
            StudioError: there is no layout afterwards.
        """
        try:
            self._run(key, units, alike, report)
        except OSError as error:  # a full disk, no memory for a process
            said = cannot_write(error, self.folder, what=CACHE)
            raise said or StudioError(f"UMAP could not be computed: {error.strerror}.") from None
        umap = self.read(key, len(units))
        if umap is None:
            raise StudioError("UMAP could not be computed; the terminal shows why.")
        return umap

    def _run(self, key: str, units: Floats, alike: Neighbours | None, report: Report) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix="umap-", dir=self.folder) as folder,
            held(Path(folder)),
        ):
            features = Path(folder) / "features.npy"
            np.save(features, units, allow_pickle=False)
            if alike is not None:
                np.save(Path(folder) / INDICES, alike.indices, allow_pickle=False)
                np.save(Path(folder) / COSINES, alike.cosines, allow_pickle=False)
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
                    _tell(report, line)
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

    def keep(self, key: str, plane: Floats) -> None:
        """Have `read` give this layout (N, 2) from now on."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self._file(key), lambda partial: save(partial, plane))

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.npy"

    def _prune(self) -> None:
        """Forget the layouts that were not looked at for longest."""
        with contextlib.suppress(OSError):
            files = sorted(self.folder.glob("*.npy"), key=lambda file: file.stat().st_mtime)
            for file in files[:-_FILES]:
                file.unlink(missing_ok=True)


def _tell(report: Report, line: str) -> None:
    """Pass on what the process says of how far it is; other libraries may print as well."""
    done, _, rest = line.rstrip("\n").partition("\t")
    total, _, text = rest.partition("\t")
    if done.isdigit() and total.isdigit() and text:
        report(text, int(done), int(total))
