"""A Hugging Face Space, as far as the studio has to know that it is on one.

On ZeroGPU hardware the process of the page has no GPU. Package `spaces`, which is installed there,
lends one to a function that it has decorated, in a process of its own and for some seconds. It has
to be imported before torch and gradio.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Mapping
from typing import Any

from studio.clip.device import VARIABLE
from studio.imports import import_torch
from studio.runs.slices import Ended, Slice, Slices

SECONDS, AROUND = 40.0, 20.0
"""Of a slice, and what is asked for on top: for the process to start, the models to load, and the
checkpoint to be written. A shorter loan is granted earlier; 60 seconds are ZeroGPU's own default.
"""

ROOMS = ("ask", "baselines", "clip", "coft", "images", "prompts", "runs", "scores")
"""What a run needs of the studio."""
LIBRARIES = (
    "safetensors.torch", "scipy.optimize", "sklearn.linear_model", "timm",
)  # fmt: skip
"""What these import where they need it."""


def is_zero(environment: Mapping[str, str] | None = None) -> bool:
    """Whether this is a Space on ZeroGPU hardware."""
    known = os.environ if environment is None else environment
    return "SPACE_ID" in known and known.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def slices_of_runs(*, seconds: float = SECONDS) -> Slices | None:
    """Slices of a lent GPU for runs; None where nobody lends one.

    Call it before anything imports torch or gradio. From then on models of this process are on the
    CPU: what is said of a GPU here is not true.
    """
    if not is_zero():
        return None
    try:
        spaces: Any = importlib.import_module("spaces")
    except ImportError:
        return None
    os.environ[VARIABLE] = "cpu"
    there = spaces.GPU(lent, duration=asked_for)

    def lend(slice: Slice) -> Ended:
        import_all()
        ended: Ended = there(slice)
        return ended

    return Slices(lend, seconds=seconds)


def import_all() -> None:
    """Import what a slice needs, before a process is forked for it.

    A module that another thread imports at that moment stays half made in the forked process, and
    whoever needs it there waits for ever. It saves each slice some seconds, too.
    """
    import_torch()
    from PIL import Image

    Image.init()
    for room in ROOMS:
        package = importlib.import_module(f"studio.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for library in LIBRARIES:
        importlib.import_module(library)


def asked_for(slice: Slice) -> float:
    """The seconds that a GPU is asked for."""
    return slice.seconds + AROUND


def lent(slice: Slice) -> Ended:
    """A slice of a run, in the process that has the GPU."""
    os.environ.pop(VARIABLE, None)
    import torch

    from studio.runs.slice_job import work_slice

    # This process was forked from one with threads: OpenMP would wait for those in vain.
    torch.set_num_threads(1)
    return work_slice(slice)
