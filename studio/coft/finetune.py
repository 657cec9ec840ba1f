"""Phase II from end to end: heads, fine-tuning, and half the way back (paper, Section 3.2.2)."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Generator, Sequence

from studio.coft.adapters import VisualAdapter
from studio.coft.classifier import Tower
from studio.coft.events import Event
from studio.coft.judge import TrainingSet
from studio.coft.optim import generator_of
from studio.coft.phase2 import phase_two
from studio.coft.task import Task
from studio.coft.towers import average_with_start, build_tower


def fine_tune(
    task: Task,
    *,
    data: Sequence[TrainingSet],
    adapters: Sequence[VisualAdapter | None],
    clean_fraction: float,
) -> Generator[Event, None, tuple[list[Tower], str]]:
    """One tower for each set of labels, and the input of their heads ("pre_proj", "post_proj").

    Args:
        task: settings, and the student that is copied.
        data: what each tower learns.
        adapters: for each tower that of its Phase I; None: there was none.
        clean_fraction: shown beside the monitor, see `Monitor`.
    """
    towers, head_input, team = [], "", task.ranks.team(len(data))
    # Towers that others train are laid out only: a head costs something unless it is random.
    laid_out = dataclasses.replace(task.settings, head_init="random")
    for number, (own, adapter) in enumerate(zip(data, adapters, strict=True)):
        tower, head_input = build_tower(
            student=task.student,
            data=own,
            adapter=adapter,
            settings=task.settings if number in team.mine else laid_out,
            generator=generator_of(task.settings, "head", number),
        )
        towers.append(tower)
    starts = {number: copy.deepcopy(towers[number].state_dict()) for number in team.mine}
    yield from phase_two(task, towers=towers, data=data, clean_fraction=clean_fraction)
    for number, origin in starts.items():
        average_with_start(towers[number], origin, share=task.settings.weight_average)
    team.exchange(towers)
    return towers, head_input
