"""UPL, unsupervised prompt learning (Huang, Chu and Wei, 2022, arXiv:2204.03649)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor

from studio.baselines.contexts import Count, FrozenViews, learn_context
from studio.baselines.shipping import ship_texts, ship_zero_shot
from studio.coft.events import Event
from studio.coft.prompts import PromptTemplate
from studio.coft.start import seeds
from studio.coft.task import Task


def fit(task: Task) -> Iterator[Event]:
    """A text context learned on the 16 most confident zero-shot images of each class, once.

    As published: top K = 16 by argmax, without this project's cap on K and correction of the prior;
    16 context vectors shared by all classes; the scores of several contexts with different random
    starts are averaged.

    Departs: `upl_prompts` = 4 contexts, as many as CoFT's two models have, instead of 16; pseudo-
    labels come from the run's own model, not from an ensemble of eight CLIPs (the paper's UPL*); 10
    epochs in batches of 64 instead of 50 in batches of 32, see `studio.baselines.contexts`.
    """
    yield task.start.event()
    settings = dataclasses.replace(task.settings, k_cap=False)
    indices, labels = yield from seeds(task.start.probabilities, task.given, settings)
    template = PromptTemplate(task.backbone, task.class_names, n_ctx=settings.n_ctx)
    views = FrozenViews(task)
    yield from views.prepare(indices)
    count = Count(trainings=settings.upl_prompts)
    learned: list[Tensor] = []
    for number in range(1, settings.upl_prompts + 1):
        if task.stop():
            break
        context = yield from learn_context(
            task, template, views, indices, labels, number=number, count=count
        )
        if context is None or (learned and task.stop()):
            break
        learned.append(context.texts)
        count = context.count
    if not learned:
        yield from ship_zero_shot(task)
        return
    # Logits are linear in the class vectors: their mean has the mean of the scores.
    yield from ship_texts(task, torch.stack(learned).mean(0), kind="prompts")
