"""Phase II without Phase I: what fine-tuning the whole encoder gives alone, and its upper bound.

Self-training on one's own labels is as old as Scudder (1965) and Lee's pseudo-label (ICML workshop
2013). Everything but the labels is CoFT's Phase II: two towers that differ in order and views, the
same head, recipe, epochs and average with the start. So a difference to CoFT is one of labels.

Nobody has learned to judge: the other tower's class probability stands for p_clean.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from studio.baselines.shipping import ship_zero_shot
from studio.coft.classifier import Classifier
from studio.coft.events import Checkpoint, Event, Warned
from studio.coft.finetune import fine_tune
from studio.coft.given import into_judged
from studio.coft.judge import TrainingSet, clean_sets
from studio.coft.outcome import finish_judged
from studio.coft.start import seeds
from studio.coft.task import Task
from studio.errors import RunError
from studio.numbers import classes_of, them


def fit(task: Task) -> Iterator[Event]:
    """The whole encoder, trained on the zero-shot labels of all images: no filter at all."""
    event = task.start.event()
    yield event
    yield from _train(task, *task.labelled(event.labels))


def fit_seeds(task: Task) -> Iterator[Event]:
    """The whole encoder, trained on CoFT's seed set alone: confidence is the only filter."""
    yield task.start.event()
    scores = yield from task.first_scores()
    indices, labels = yield from seeds(scores, task.given, task.settings)
    del scores  # a table of all images and classes
    yield from _train(task, indices, labels)


def fit_supervised(task: Task) -> Iterator[Event]:
    """The whole encoder, trained on given labels alone: the upper bound, where all are given.

    The only method that needs labels. They come as every other given label does, from a person's
    table; what a run is scored with never reaches it. A benchmark passes the true labels on
    purpose, as given ones.

    Raises:
        RunError: no label is given.
    """
    labelled = (task.given >= 0).nonzero()[:, 0]
    if not len(labelled):
        raise RunError(
            "The method supervised learns from given labels only, and there are none: "
            "give some with --corrections FILE, or choose another method."
        )
    yield task.start.event()
    labels = task.given[labelled]
    lost = len(task.class_names) - len(labels.unique())
    if lost:
        yield Warned(
            f"{classes_of(lost, len(task.class_names))} no given label, so nothing can be learned "
            f"about {them(lost)}."
        )
    yield from _train(task, labelled, labels)


def _train(task: Task, indices: Tensor, labels: Tensor) -> Iterator[Event]:
    """Phase II of both towers on the same images (n,) with labels (n,), and its outcome."""
    task = task.with_settings(contrast_weight=0.0, phase2_init="pretrained")
    if not task.settings.phase2_epochs or task.stop() or not len(indices):
        yield from ship_zero_shot(task)
        return
    towers, head_input = yield from fine_tune(
        task,
        data=[TrainingSet(indices, labels, torch.ones(len(labels)))] * 2,
        adapters=[None, None],
        clean_fraction=len(indices) / len(task.images),
    )
    stopped = task.stop()
    single = task.settings.inference == "single"
    finished = yield from finish_judged(
        Classifier(towers, task.backbone), task.images, partial(_judged, task.given),
        given=task.given, single=single, stage="phase2", stopped=stopped,
    )  # fmt: skip
    shipped = Classifier(towers[:1] if single else towers, task.backbone)
    meta = shipped.meta(kind="fine-tuned", head_input=head_input, class_names=task.class_names)
    yield Checkpoint("classifier", shipped.state(), meta)
    if finished is not None:
        yield finished


def _judged(given: Tensor, rows: slice, probabilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the towers' probabilities (2, n, C) of some images say of each other's labels."""
    own, log_odds = probabilities.argmax(-1), probabilities.logit()
    judged, clean = into_judged(own, clean_sets(log_odds, own), given[rows])
    return log_odds, clean, judged
