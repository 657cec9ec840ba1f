"""Where the studio keeps things, unless it is told otherwise."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
"""Where `studio` can be imported from."""


def _shipped(name: str) -> Path:
    """A folder that comes with the code: inside the package once installed, beside it before."""
    inside = Path(__file__).resolve().parent / name
    return inside if inside.is_dir() else PROJECT / name


ASSETS, DOCS = _shipped("assets"), _shipped("docs")
"""Scripts, styles, templates and the built-in model; what the page shows of the documents."""


def default_runs_dir() -> Path:
    """The environment's STUDIO_RUNS, else ./runs."""
    return Path(os.environ.get("STUDIO_RUNS") or "runs").expanduser()


def default_cache_dir() -> Path:
    """The environment's STUDIO_CACHE, else .cache/coft-studio in the user's home."""
    named = os.environ.get("STUDIO_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "coft-studio"


def has_display() -> bool:
    """Whether this process can open a window on a screen."""
    if sys.platform in ("darwin", "win32"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
