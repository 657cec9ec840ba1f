"""Phase II: a new head and the whole visual encoder learn the believed labels (Section 3.2.2)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from studio.clip.backbone import Backbone
from studio.clip.encode import Images, autocast, preprocess, to_pixels
from studio.clip.space import Space
from studio.coft.adapters import VisualAdapter
from studio.coft.classifier import Tower, without_projection
from studio.coft.events import Event, Monitor, Step
from studio.coft.optim import build_optimizer
from studio.coft.phase1 import EVALUATION_BATCH, generator_of
from studio.coft.views import random_views, training_size
from studio.settings import Settings

PROBE_STEPS = 100
PROBE_DECAY = 1e-2


def build_tower(
    *,
    backbone: Backbone,
    space: Space,
    class_vectors: Tensor,
    features: Tensor,
    labels: Tensor,
    adapter: VisualAdapter,
    settings: Settings,
    generator: Generator,
) -> tuple[Tower, str]:
    """A fresh tower with its head, and the head's input ("pre_proj" or "post_proj").

    The encoder starts from the original pre-trained one [inferred: in the paper's Table 3 the two
    phases use different models], or, `phase2_init: phase1`, from the adapted one.

    Args:
        backbone: frozen, copied.
        space: the joint space of the set.
        class_vectors: (C, d) raw class vectors for `head_init: text` and as the prior of the probe.
        features: (n, d) raw pre-trained features of the clean images, for the probe.
        labels: (n,) their labels.
        adapter: model i's, used by `phase2_init: phase1`.
        settings: see `Settings`.
        generator: for a random head.
    """
    visual = copy.deepcopy(backbone.visual)
    if settings.phase2_init == "phase1":
        visual.load_state_dict(adapter.merged_state(backbone.visual))
    projection = None
    if settings.head_input == "pre_proj":
        visual, projection = without_projection(visual)
    text = space.scale * space.texts(class_vectors.to(backbone.device))
    mean = space.image_mean.to(backbone.device)
    # Features keep their length in a linear head; dividing by the typical one matches the cosine.
    length = (features - space.image_mean.cpu()).norm(dim=-1).mean()
    if settings.head_init == "random":
        width = text.shape[1] if projection is None else projection[0].shape[1]
        head = nn.Linear(width, len(text))
        with torch.no_grad():
            head.weight.copy_(
                torch.randn(head.weight.shape, generator=generator) / math.sqrt(width)
            )
            head.bias.zero_()
    else:
        weight, bias = text / length, torch.zeros(len(text), device=text.device)
        if settings.head_init == "probe":
            weight, bias = _probe(
                (features - space.image_mean.cpu()), labels, weight.cpu(), length=float(length)
            )
            weight, bias = weight.to(text.device), bias.to(text.device)
        bias = bias - weight @ mean
        if projection is not None:
            weight, bias = weight @ projection[0], bias + weight @ projection[1]
        head = nn.Linear(weight.shape[1], len(weight))
        with torch.no_grad():
            head.weight.copy_(weight)
            head.bias.copy_(bias)
    tower = Tower(visual, head).to(backbone.device).requires_grad_(True)
    # Batch statistics of small, filtered sets are worse than the pre-trained ones.
    tower.eval()
    return tower, "post_proj" if projection is None else "pre_proj"


def _probe(
    features: Tensor, labels: Tensor, start: Tensor, *, length: float
) -> tuple[Tensor, Tensor]:
    """Multinomial regression on frozen features (n, d), drawn towards the text head `start` (C, d).

    A head that already fits keeps fine-tuning from tearing the features apart at its first steps
    (linear probing, then fine-tuning: Kumar et al., 2022).
    """
    x = features / length
    origin = start * length
    weight = origin.clone().requires_grad_(True)
    bias = torch.zeros(len(start), requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=PROBE_STEPS, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        optimizer.zero_grad()
        loss = cross_entropy(x @ weight.T + bias, labels) + PROBE_DECAY * (
            weight - origin
        ).square().mean() * len(start)
        loss.backward()
        return float(loss.detach())

    optimizer.step(closure)
    return weight.detach() / length, bias.detach()


def phase_two(
    *,
    backbone: Backbone,
    towers: Sequence[Tower],
    images: Images,
    data: Sequence[tuple[Tensor, Tensor]],
    settings: Settings,
    monitor: Tensor,
    clean_fraction: float,
    stop: Callable[[], bool],
) -> Iterator[Event]:
    """Fine-tune both towers in place, each on its own clean set.

    Args:
        backbone: for preprocessing.
        towers: see `build_tower`.
        images: the image set.
        data: for each model the indices (n_i,) and labels (n_i,) it learns.
        settings: see `Settings`.
        monitor: indices of the images that both models label after each epoch.
        clean_fraction: shown beside the monitor.
        stop: asked before each batch.
    """
    size = training_size(backbone, settings.phase2_resolution)
    tuners = [
        _Tuner(tower, number, len(data[number][0]), settings) for number, tower in enumerate(towers)
    ]
    for epoch in range(1, settings.phase2_epochs + 1):
        for tuner in tuners:
            indices, labels = data[tuner.number]
            order = torch.randperm(len(indices), generator=tuner.generator)
            for part in order.split(settings.phase2_batch):
                if stop():
                    return
                views = random_views(
                    images.batch(indices[part].tolist()),
                    size=size,
                    crop_scale=settings.crop_scale,
                    generator=tuner.generator,
                )
                pixels = to_pixels(views.to(backbone.device), backbone)
                rate = tuner.rate
                loss = tuner.step(pixels, labels[part].to(backbone.device))
                yield Step(
                    2,
                    tuner.number,
                    tuner.done,
                    tuner.steps,
                    epoch,
                    settings.phase2_epochs,
                    loss,
                    rate,
                    {"ce": loss},
                )
        if len(monitor):
            yield _monitor(
                backbone, towers, images, monitor, clean_fraction, epoch, settings.phase2_epochs
            )


def average_with_start(tower: Tower, start: dict[str, Tensor], *, share: float) -> None:
    """Move a tower in place to `share` of its own weights and the rest of its start's.

    Fine-tuning on labels of which some are wrong learns some of the errors; half-way back it has
    forgotten more of them than of what was right (WiSE-FT: Wortsman et al., 2022).
    """
    with torch.no_grad():
        for name, parameter in tower.named_parameters():
            parameter.lerp_(start[name], 1 - share)


class _Tuner:
    """One tower with its optimiser and its own stream of randomness."""

    def __init__(self, tower: Tower, number: int, images: int, settings: Settings) -> None:
        self.tower, self.number, self.settings = tower, number, settings
        self.generator = generator_of(settings, "phase2", number)
        self.steps = math.ceil(images / settings.phase2_batch) * settings.phase2_epochs
        self.done = 0
        groups = [
            {"params": list(tower.visual.parameters()), "lr": settings.phase2_lr},
            {
                "params": list(tower.head.parameters()),
                "lr": settings.phase2_lr * settings.head_lr_factor,
            },
        ]
        self._optimizer, self._schedule = build_optimizer(
            groups,
            kind=settings.phase2_optimizer,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            steps=self.steps,
        )

    @property
    def rate(self) -> float:
        """The encoder's learning rate at the next step."""
        return float(self._schedule.get_last_lr()[0])

    def step(self, pixels: Tensor, labels: Tensor) -> float:
        """One step on the mean cross-entropy (paper, Eq. 7)."""
        with autocast(pixels.device):
            logits = self.tower(pixels)
        loss = cross_entropy(logits.float(), labels, label_smoothing=self.settings.label_smoothing)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        self._schedule.step()
        self.done += 1
        return float(loss.detach())


def _monitor(
    backbone: Backbone,
    towers: Sequence[Tower],
    images: Images,
    indices: Tensor,
    clean_fraction: float,
    epoch: int,
    epochs: int,
) -> Monitor:
    parts = []
    with torch.inference_mode(), autocast(backbone.device):
        for chunk in indices.split(EVALUATION_BATCH):
            pixels = preprocess(images.batch(chunk.tolist()), backbone)
            parts.append(torch.stack([tower(pixels).argmax(-1).cpu() for tower in towers]))
    labels = torch.cat(parts, dim=1)
    agreement = float((labels[0] == labels[1]).float().mean())
    return Monitor(2, epoch, epochs, indices, labels, agreement, clean_fraction)
