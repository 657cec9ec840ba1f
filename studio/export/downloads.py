"""Files for a browser to fetch: a run in any of the formats, made when asked for."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import time
from pathlib import Path

from studio.export.formats import copying, format_of
from studio.export.subject import EVERYTHING, Subject
from studio.export.write import write_file
from studio.images.thumbnails import secret
from studio.progress import Begin, unheard
from studio.room import CACHE, writing
from studio.runs.store import Run

KEEP_SECONDS = 86_400


class Downloads:
    """A folder of files that the page serves; what is older than a day is deleted whenever a
    download is asked for.
    """

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir, self._folder = cache_dir, cache_dir / "exports"
        for old in self._folder.glob("*/*"):  # made anew when asked for again
            with contextlib.suppress(OSError):
                if old.stat().st_mtime < time.time() - KEEP_SECONDS:
                    old.unlink(missing_ok=True)

    def make(
        self, run: Run, format: str, *, only: str = EVERYTHING, begin: Begin = unheard
    ) -> Path:
        """A run in one of the formats, as one file. begin: told of each step, and how far it is;
        what it raises ends it.

        Raises:
            StudioError: The run has no final labels yet, or something that the format needs is
                missing.
        """
        chosen = format_of(format)
        subject = Subject.of(run, only=only, cache_dir=self._cache_dir, begin=begin)
        name = hmac.new(secret(self._cache_dir), f"export {run.id}".encode(), hashlib.sha256)
        place = self._folder / name.hexdigest()[:32]
        with writing(self._cache_dir, what=CACHE):
            place.mkdir(parents=True, exist_ok=True)
        stem = run.id if chosen.name in ("csv", "json", "parquet") else f"{run.id}-{chosen.name}"
        return write_file(
            chosen.entries(subject), place, stem, inside=run.id, told=copying(chosen, subject)
        )
