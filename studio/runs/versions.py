"""Versions of what a run's outcome depends on."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator


def versions() -> dict[str, str]:
    """Versions of what a run's outcome depends on."""

    def found() -> Iterator[tuple[str, str]]:
        yield "python", platform.python_version()
        for name in ("torch", "torchvision", "open_clip_torch", "timm", "numpy", "pillow"):
            try:
                yield name, importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue

    return dict(found())
