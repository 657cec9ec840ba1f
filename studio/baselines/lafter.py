"""LaFTer: a classifier trained on sentences labels the images that tune the image tower.

Mirza et al., "LaFTer: label-free tuning of zero-shot classifier using language and unlabeled image
collections", NeurIPS 2023, arXiv:2305.18287. As published: a bias-free linear head learns to name
the class of text features with Gaussian noise of 0.1 on them and label smoothing 0.1; frozen, it
labels the test view of every image, without any filter; a copy of it learns these labels on a
strongly augmented view together with 50 shallow visual prompt tokens, by AdamW at 5e-4 with weight
decay 0.01, in batches of 50, again with label smoothing 0.1.

Departs: sentences are the eight templates of `studio.prompts.templates` and the mean of the run's
own prompts instead of a language model's descriptions; 1,000 steps on the text, the authors'
default, where they set 400 to 5,500 by hand for each data set; convolutional towers get the scale
and shift that CoFT gives them instead of tokens, transformers no trainable layer norms; Phase I's
epochs instead of 50, the last of which is taken (the authors report the best on the test labels);
both modalities are compared in the joint space of `studio.clip.space`.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator
from functools import partial
from itertools import zip_longest

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from studio.baselines.shipping import ship, ship_zero_shot, watch
from studio.clip.encode import encode_texts, moved
from studio.clip.precision import autocast
from studio.clip.scaling import LossScaler
from studio.coft.adapters import VisualAdapter, build_adapter
from studio.coft.classifier import unit_tower
from studio.coft.contrast import key_crops, recoloured
from studio.coft.dual import test_hidden
from studio.coft.epochs import Epochs
from studio.coft.events import Event, Step
from studio.coft.hidden import seed_views
from studio.coft.optim import build_optimizer, generator_of
from studio.coft.phase1 import MONITORED_EPOCHS
from studio.coft.task import Task
from studio.coft.views import training_size
from studio.prompts.templates import TEMPLATES, sentences

TEXT_STEPS = 1000
TEXT_NOISE = 0.1
SMOOTHING = 0.1
RATE = 5e-4
DECAY = 0.01
BATCH = 50
TOKENS = 50
CACHED_IMAGES = 10_000
"""With more images, views are made anew at each visit: cached ones are some 90 kB each."""


def fit(task: Task) -> Iterator[Event]:
    """A text-trained head labels all images; head and adapter learn them; see the module."""
    yield task.start.event()
    settings = dataclasses.replace(task.settings, vpt="shallow", n_visual_tokens=TOKENS)
    labeller = _text_head(task)
    if not settings.phase1_epochs or task.stop() or not len(task.pool):
        yield from ship_zero_shot(task)
        return
    adapter = build_adapter(task.backbone, settings, generator_of(settings, "init", 0))
    adapter.to(task.backbone.device)
    with torch.no_grad():
        labels = labeller.cpu()(task.start.pictures).argmax(-1)
    head = copy.deepcopy(labeller).to(task.backbone.device)
    yield from _train(task, adapter, head, *task.labelled(labels))
    tower = unit_tower(task.backbone, task.space, head.weight.detach(), adapter=adapter)
    yield from ship(task, tower, kind="adapted")


def _text_head(task: Task) -> nn.Linear:
    """A head on unit vectors that names the class of sentences; on the CPU."""
    names = [name.replace("_", " ") for name in task.class_names]
    texts = [text for name in names for text in sentences(name, TEMPLATES["ensemble"])]
    raw = torch.cat([encode_texts(task.backbone, texts), task.class_vectors.cpu()])
    vectors = task.start.space.texts(raw)
    classes = torch.arange(len(names))
    wanted = torch.cat([classes.repeat_interleave(len(TEMPLATES["ensemble"])), classes])
    generator = generator_of(task.settings, "noise", 0)
    head = nn.Linear(vectors.shape[1], len(names), bias=False)
    with torch.no_grad():
        start = torch.randn(head.weight.shape, generator=generator)
        head.weight.copy_(start / math.sqrt(vectors.shape[1]))
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
    for _ in range(TEXT_STEPS):
        noise = TEXT_NOISE * torch.randn(vectors.shape, generator=generator)
        loss = cross_entropy(head(vectors + noise), wanted, label_smoothing=SMOOTHING)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return head


def _train(
    task: Task, adapter: VisualAdapter, head: nn.Linear, indices: Tensor, labels: Tensor
) -> Iterator[Event]:
    """Train adapter and head in place on strong views of images (n,) with labels (n,)."""
    settings, backbone = task.settings, task.backbone
    keep = adapter.has_frozen_prefix and len(indices) <= CACHED_IMAGES
    size = training_size(backbone, settings.phase1_resolution)
    views = yield from seed_views(
        backbone,
        adapter,
        task.images,
        indices,
        draw=partial(key_crops, size=size),
        finish=recoloured,
        cached=settings.phase1_views if keep else 0,
        generator=generator_of(settings, "views", 0),
    )
    draw, shuffle = (generator_of(settings, purpose, 1) for purpose in ("views", "shuffle"))
    taken = Epochs(labels, settings)
    per_epoch = math.ceil(taken.size / BATCH)
    epochs = max(settings.phase1_epochs, math.ceil(settings.phase1_min_steps / per_epoch))
    yield from taken.told("Training", epochs)
    optimizer, schedule = build_optimizer(
        [{"params": [*adapter.parameters(), *head.parameters()], "lr": RATE}],
        kind="adamw",
        momentum=0.0,
        weight_decay=DECAY,
        steps=epochs * per_epoch,
    )
    watched = [
        test_hidden(backbone, adapter, task.images, part.tolist())
        for part in task.monitor.split(task.backbone.forward_batch)
        if len(part)
    ]

    def logits(hidden: Tensor) -> Tensor:
        with autocast(backbone.device, backbone.visual):
            features = adapter.tail(backbone.visual, hidden)
        return head(task.space.images(features.float()))

    scaler = LossScaler(backbone.device, backbone.visual)
    done = 0
    for epoch in range(1, epochs + 1):
        parts = taken.order(epoch, shuffle).split(BATCH)
        for part, then in zip_longest(parts, parts[1:]):
            if task.stop():
                return
            hidden = views(draw, part, then=then)
            wanted = moved(labels[part], hidden.device)
            loss = cross_entropy(logits(hidden), wanted, label_smoothing=SMOOTHING)
            rate = float(schedule.get_last_lr()[0])
            optimizer.zero_grad(set_to_none=True)
            scaler.backward(loss)
            scaler.step(optimizer)
            schedule.step()
            done += 1
            value = float(loss.detach())
            yield Step(1, 0, done, epochs * per_epoch, epoch, epochs, value, rate, {"ce": value})
        if watched and epoch % math.ceil(epochs / MONITORED_EPOCHS) == 0:
            with torch.inference_mode():
                seen = torch.cat([logits(part).cpu() for part in watched]).softmax(-1)
            yield watch(task, seen, phase=1, epoch=epoch, epochs=epochs)
