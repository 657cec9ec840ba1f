"""FixMatch from a zero-shot start: a slow teacher labels, a student learns the confident labels.

FixMatch (Sohn et al., NeurIPS 2020, arXiv:2001.07685): the label of the weak view, where its
probability reaches a threshold, is learned on the strong view; the loss is averaged over the whole
batch, the other images included. MUST (Li et al., ICLR 2023, arXiv:2206.02967) starts that from
zero-shot CLIP, with a moving average of the student as the teacher; the teacher is what is shipped.

Departs: the threshold is one for all sets, where MUST sets 0.2 to 0.7 by hand for each and
FixMatch's 0.95 lets next to no label of a small CLIP pass (`fixmatch_threshold`); the strong
view is cropped and recoloured as in MoCo v2, CoFT+'s own, instead of by RandAugment; MUST's masked
patches, alignment and fairness term are left out; optimiser, head and rates are Phase II's. The
teacher begins as the plain mean of all students so far (Tarvainen and Valpola, 2017), for a run
here may have no more steps than `fixmatch_momentum` looks back. Budget: twice Phase II's epochs, as
many as CoFT's two towers have together.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import zip_longest

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from studio.baselines.shipping import ship, ship_zero_shot, watch
from studio.clip.encode import moved, preprocess, to_pixels
from studio.clip.precision import autocast
from studio.clip.scaling import LossScaler
from studio.coft.ahead import Ahead, Made
from studio.coft.classifier import Tower
from studio.coft.contrast import follow, recoloured, training_views
from studio.coft.epochs import Epochs
from studio.coft.events import Event, Step
from studio.coft.judge import TrainingSet
from studio.coft.losses import summed
from studio.coft.optim import clip_gradient, generator_of, tower_optimizer
from studio.coft.task import Task
from studio.coft.towers import build_tower
from studio.coft.views import Each, training_size


def fit(task: Task) -> Iterator[Event]:
    """Learn from the confident labels of a moving average of oneself; see the module.

    Given labels are learned whatever the teacher says; rejected images are left out.
    """
    event = task.start.event()
    yield event
    settings = dataclasses.replace(task.settings, head_init="text", phase2_init="pretrained")
    epochs, pool = 2 * settings.phase2_epochs, task.pool
    if not epochs or task.stop() or not len(pool):
        yield from ship_zero_shot(task)
        return
    everything = torch.arange(len(task.images))
    student, head_input = build_tower(
        student=task.student,
        data=TrainingSet(everything, torch.zeros_like(everything), torch.ones(len(everything))),
        adapter=None,
        settings=settings,
        generator=generator_of(settings, "head", 0),
    )
    teacher = copy.deepcopy(student).requires_grad_(False)
    yield from _train(task, student, teacher, epochs, *task.labelled(event.labels))
    yield from ship(task, teacher, kind="fine-tuned", head_input=head_input)


def _train(
    task: Task, student: Tower, teacher: Tower, epochs: int, pool: Tensor, first: Tensor
) -> Iterator[Event]:
    """Train both in place on the images of the pool (m,), whose first labels are `first` (m,)."""
    settings, backbone = task.settings, task.backbone
    part = settings.micro_batch or backbone.forward_batch
    size = training_size(backbone, settings.phase2_resolution)
    order, weak, strong = (
        generator_of(settings, purpose, 0) for purpose in ("shuffle", "phase2", "contrast")
    )
    taken = Epochs(first, settings)
    yield from taken.told("Training", epochs)
    steps = math.ceil(taken.size / settings.phase2_batch) * epochs
    optimizer, schedule = tower_optimizer(student, settings, steps=steps)
    scaler = LossScaler(backbone.device, backbone.visual)
    done = 0

    def made_of(batch: Tensor, streams: Sequence[torch.Generator], each: Each) -> Made:
        canvases = task.images.batch(batch.tolist())
        return training_views(
            canvases, streams, size=size, crop_scale=settings.crop_scale, each=each
        )

    views = Ahead(made_of, device=backbone.device)
    for epoch in range(1, epochs + 1):
        batches = pool[taken.order(epoch, order)].split(settings.phase2_batch)
        for batch, then in zip_longest(batches, batches[1:]):
            if task.stop():
                return
            made = views.of(batch, [weak, strong], then=then)
            crops, *of_keys = (moved(own, backbone.device) for own in made)
            given = moved(task.given[batch], backbone.device)
            easy, hard = (to_pixels(own, backbone) for own in (crops, recoloured(*of_keys)))
            rate = float(schedule.get_last_lr()[0])
            optimizer.zero_grad(set_to_none=True)
            terms = []
            for begin in range(0, len(batch), part):
                own = slice(begin, begin + part)
                labels, accepted = _labels(
                    teacher,
                    easy[own],
                    given[own],
                    threshold=settings.fixmatch_threshold,
                )
                with autocast(backbone.device, backbone.visual):
                    logits = student(hard[own])
                each = cross_entropy(logits.float(), labels, reduction="none")
                loss = (each * accepted).sum() / len(batch)
                scaler.backward(loss)
                terms.append(loss.detach())
            scaler.step(optimizer, partial(clip_gradient, optimizer, settings.phase2_clip))
            schedule.step()
            done += 1
            momentum = min(1 - 1 / (done + 1), settings.fixmatch_momentum)
            follow(teacher, student, momentum=momentum)
            parts = summed({"ce": terms})
            yield Step(2, 0, done, steps, epoch, epochs, parts["ce"], rate, parts)
        if len(task.monitor):
            probabilities = _monitored(task, teacher)
            yield watch(task, probabilities, phase=2, epoch=epoch, epochs=epochs)


def _labels(
    teacher: Tower, pixels: Tensor, given: Tensor, *, threshold: float
) -> tuple[Tensor, Tensor]:
    """Labels (B,) of weak views and which of them are learned (B,); given ones (B,) stand."""
    with torch.no_grad(), autocast(pixels.device, teacher.visual):
        probabilities = teacher(pixels).float().softmax(-1)
    confidence, own = probabilities.max(-1)
    return torch.where(given >= 0, given, own), (confidence >= threshold) | (given >= 0)


def _monitored(task: Task, teacher: Tower) -> Tensor:
    """(n, C) probabilities of the monitored images under the teacher."""
    parts = []
    with torch.inference_mode(), autocast(task.backbone.device, task.backbone.visual):
        for chunk in task.monitor.split(task.backbone.forward_batch):
            pixels = preprocess(task.images.batch(chunk.tolist()), task.backbone)
            parts.append(teacher(pixels).float().softmax(-1).cpu())
    return torch.cat(parts)
