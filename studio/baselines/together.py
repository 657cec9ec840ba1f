"""CoFT's first labels and no training: all images labelled together.

They are what CoFT begins with, and what its training has to be better than [studio]. Where training
would take days, they take minutes.

What is shipped labels new images one by one: by the Gaussians of these labels and by the texts,
without neighbours, as in `studio.baselines.transclip`.
"""

from __future__ import annotations

from collections.abc import Iterator

from studio.baselines.shipping import ship_gaussians, ship_zero_shot
from studio.coft.events import Event
from studio.coft.gaussians import moments, temperature_of
from studio.coft.given import REJECTED
from studio.coft.parts import without
from studio.coft.task import Task
from studio.coft.transduction import Assigned


def fit(task: Task) -> Iterator[Event]:
    """Label all images together as CoFT does before it learns anything."""
    yield task.start.event()
    if task.stop():
        yield from ship_zero_shot(task)
        return
    z, pictures = (yield from task.first_scores()).float(), task.start.pictures.float()
    rejected = task.given == REJECTED
    with without(z, rejected):
        means, variance = moments(pictures, z, pictures[:1])
    temperature = temperature_of(pictures[~rejected] if rejected.any() else pictures)
    yield from ship_gaussians(task, Assigned(z, means, variance), temperature=temperature)
