"""FPL, IFPL and GRIP: few, repeated and growing pseudo-labels (Menghini, Delworth, Bach, 2023).

"Enhancing CLIP with CLIP: exploring pseudolabeling for limited-label prompt tuning", NeurIPS 2023,
arXiv:2306.01669, in its unsupervised setting with textual prompts. As published: 16 context vectors
from a Gaussian of standard deviation 0.02; the top K images per class with overflow, an image that
its best class has no room for falls to its next class; K = 16 for FPL and IFPL; 10 rounds for IFPL
and GRIP, each of which starts from a fresh prompt; GRIP's K in round r is r / 10 of N / C, so that
all images are used in the end.

Departs: 10 epochs in batches of 64 instead of 150 in batches of 16, and weight decay 5e-4 instead
of 0.1, see `studio.baselines.contexts`; no fifth of the pseudo-labels is held out, for the authors'
code takes the last epoch as well.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from studio.baselines.contexts import Context, Count, FrozenViews, learn_context
from studio.baselines.shipping import ship_texts, ship_zero_shot
from studio.coft.events import Event
from studio.coft.prompts import PromptTemplate
from studio.coft.start import seeds
from studio.coft.task import Task


def fit_fpl(task: Task) -> Iterator[Event]:
    """FPL: K = 16 pseudo-labels per class, once. See the module for source and departures."""
    yield from _rounds(task, rounds=1, k=lambda _: task.settings.k)


def fit_ifpl(task: Task) -> Iterator[Event]:
    """IFPL: K = 16, chosen anew by each round's prompt. See the module."""
    yield from _rounds(task, rounds=task.settings.grip_rounds, k=lambda _: task.settings.k)


def fit_grip(task: Task) -> Iterator[Event]:
    """GRIP: K grows from round to round until all images are used. See the module."""
    images, classes = len(task.images), len(task.class_names)
    rounds = task.settings.grip_rounds
    yield from _rounds(
        task, rounds=rounds, k=lambda number: growing_k(number, rounds, images, classes)
    )


def growing_k(number: int, rounds: int, images: int, classes: int) -> int:
    """Pseudo-labels per class in round `number` of `rounds`, at least one."""
    return max(1, min(number * (images // rounds) // classes, images // classes))


def _rounds(task: Task, *, rounds: int, k: Callable[[int], int]) -> Iterator[Event]:
    """k: pseudo-labels per class in each round, from 1."""
    yield task.start.event()
    template = PromptTemplate(task.backbone, task.class_names, n_ctx=task.settings.n_ctx)
    views, scores = FrozenViews(task), task.start.probabilities
    best: Context | None = None
    for number in range(1, rounds + 1):
        settings = dataclasses.replace(
            task.settings, k=k(number), k_cap=False, seed_selection="leaderboard"
        )
        indices, labels = yield from seeds(scores, task.given, settings, round_number=number)
        yield from views.prepare(indices)
        if task.stop():
            break
        count = Count(trainings=rounds) if best is None else best.count
        learned = yield from learn_context(
            task, template, views, indices, labels, number=number, count=count
        )
        # A round that the user stopped is dropped in favour of the one before, as in CoFT+.
        if learned is None or (best is not None and task.stop()):
            break
        best, scores = learned, task.probabilities(learned.texts)
    if best is None:
        yield from ship_zero_shot(task)
    else:
        yield from ship_texts(task, best.texts, kind="prompts")
