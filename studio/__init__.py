"""CoFT Studio: a folder of unlabelled images becomes trusted labels and a trained classifier.

    import studio
    run = studio.fit("photos", classes=["cat", "dog"])

`fit`, `stream`, `load`, `resume` and what they return are in `studio.api`; docs/python.md has
examples.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.api import Run, Share, Stream, Table, fit, load, resume, stream
    from studio.errors import StudioError

__version__ = "0.1.0"
__all__ = ["Run", "Share", "Stream", "StudioError", "Table", "fit", "load", "resume", "stream"]


def __getattr__(name: str) -> Any:
    """What `__all__` promises, imported when it is first asked for: `import studio` is instant."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "studio.errors" if name == "StudioError" else "studio.api"
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
