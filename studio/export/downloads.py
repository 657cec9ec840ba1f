"""Files for a browser to fetch: the labels and the model of a run, made when asked for."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import time
import zipfile
from pathlib import Path

from studio.errors import RunError
from studio.export.labels import labels_csv
from studio.files import replace_file
from studio.images.thumbnails import secret
from studio.room import CACHE, writing
from studio.runs.store import Run

KEEP_SECONDS = 86_400


class Downloads:
    """A folder of files that the page serves; what is older than a day is deleted at the start."""

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir, self._folder = cache_dir, cache_dir / "exports"
        for old in self._folder.glob("*/*"):  # made anew when asked for again
            with contextlib.suppress(OSError):
                if old.stat().st_mtime < time.time() - KEEP_SECONDS:
                    old.unlink(missing_ok=True)

    def labels(self, run: Run) -> Path:
        """labels.csv of a run.

        Raises:
            RunError: The run has no final labels yet.
        """
        return labels_csv(run, self._place(run) / f"{run.id}-labels.csv")

    def model(self, run: Run) -> Path:
        """The model folder of a run as a zip.

        Raises:
            RunError: The run has no final labels yet, or it trained no model.
        """
        file, parts = self._place(run) / f"{run.id}-model.zip", model_files(run)
        if not parts:
            raise RunError("This run trained no model; only its labels can be downloaded.")

        def pack(partial: Path) -> None:
            # Weights do not shrink: stored, not compressed, is as small and much faster.
            with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
                for part in parts:
                    archive.write(part, f"{run.id}/{part.name}")

        replace_file(file, pack)
        return file

    def _place(self, run: Run) -> Path:
        """A served folder for a run's downloads whose name cannot be guessed."""
        if not has_labels(run):
            raise RunError("This run has no final labels yet; wait for its end.")
        name = hmac.new(secret(self._cache_dir), f"export {run.id}".encode(), hashlib.sha256)
        place = self._folder / name.hexdigest()[:32]
        with writing(self._cache_dir, what=CACHE):
            place.mkdir(parents=True, exist_ok=True)
        return place


def has_labels(run: Run) -> bool:
    """Whether the run has final labels."""
    return any((run.path / "arrays").glob("finished-*"))


def model_files(run: Run) -> list[Path]:
    """The files of a run's model, in order; none where it trained none."""
    folder = run.path / "model"
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return [file for file in files if file.is_file() and not file.name.startswith(".")]
