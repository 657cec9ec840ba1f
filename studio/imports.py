"""Imports: those that take seconds, done once and by one thread at a time; those that may fail."""

from __future__ import annotations

import importlib.util

from studio.forking import Lock

_importing = Lock(waits=True)  # half a module cannot be mended


def import_torch() -> None:
    """Import what models need; returns at once when that is done already.

    Two threads that import torchvision side by side break each other: Python lets the second see
    the half-made modules of the first rather than wait for ever. Whoever needs torch asks here.
    """
    with _importing:
        import torch  # noqa: F401, I001
        import torchvision.transforms.v2  # noqa: F401
        import open_clip  # noqa: F401


def installed(library: str) -> bool:
    """Whether a library that few need is there; it is not imported for the question."""
    return importlib.util.find_spec(library) is not None
