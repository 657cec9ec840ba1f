"""Phase II from end to end: heads, fine-tuning, and half the way back (paper, Section 3.2.2)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Sequence

from torch import Tensor

from studio.coft.adapters import VisualAdapter
from studio.coft.classifier import Tower
from studio.coft.events import Event
from studio.coft.judge import TrainingSet
from studio.coft.phase2 import phase_two
from studio.coft.randomness import generator_of
from studio.coft.student import Student
from studio.coft.towers import average_with_start, build_tower
from studio.settings import Settings


def fine_tune(
    *,
    student: Student,
    data: Sequence[TrainingSet],
    adapters: Sequence[VisualAdapter | None],
    pool: Tensor,
    settings: Settings,
    monitor: Tensor,
    clean_fraction: float,
    stop: Callable[[], bool],
) -> Generator[Event, None, tuple[list[Tower], str]]:
    """One tower for each set of labels, and the input of their heads ("pre_proj", "post_proj").

    Args:
        student: the model that is copied, and the images.
        data: what each tower learns.
        adapters: for each tower that of its Phase I; None: there was none.
        pool: (m,) the images that contrast may see.
        settings: see `Settings`.
        monitor: indices of the images that the towers label after each epoch.
        clean_fraction: shown beside the monitor.
        stop: asked before each batch.
    """
    towers, head_input = [], ""
    for number, (own, adapter) in enumerate(zip(data, adapters, strict=True)):
        tower, head_input = build_tower(
            student=student,
            data=own,
            adapter=adapter,
            settings=settings,
            generator=generator_of(settings, "head", number),
        )
        towers.append(tower)
    starts = [copy.deepcopy(tower.state_dict()) for tower in towers]
    yield from phase_two(
        backbone=student.backbone,
        towers=towers,
        images=student.images,
        data=data,
        pool=pool,
        settings=settings,
        monitor=monitor,
        clean_fraction=clean_fraction,
        stop=stop,
    )
    for tower, origin in zip(towers, starts, strict=True):
        average_with_start(tower, origin, share=settings.weight_average)
    return towers, head_input
