"""Where the studio keeps things, unless it is told otherwise."""

from __future__ import annotations

import os
from pathlib import Path


def default_runs_dir() -> Path:
    """The environment's STUDIO_RUNS, else ./runs."""
    return Path(os.environ.get("STUDIO_RUNS") or "runs").expanduser()


def default_cache_dir() -> Path:
    """The environment's STUDIO_CACHE, else .cache/coft-studio in the user's home."""
    named = os.environ.get("STUDIO_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "coft-studio"
