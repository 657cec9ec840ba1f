"""What all baselines are given and all of them ship, so that each file holds its idea alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from studio.clip.backbone import Backbone
from studio.clip.encode import Images
from studio.clip.space import Space
from studio.coft.classifier import Classifier, Tower
from studio.coft.cosine import cosine_tower
from studio.coft.events import Checkpoint, Event
from studio.coft.given import REJECTED, checked
from studio.coft.outcome import finish_alone, label_all
from studio.coft.start import ZeroShotStart, watched
from studio.coft.student import Student
from studio.settings import Settings

TRAINED = "trained"
"""`Finished.stage` of a baseline that learned something; its stages are not those of the paper."""


@dataclass(frozen=True)
class Task:
    """The arguments of a fit, checked, with the zero-shot start that all methods share.

    features: (N, d) raw; class_vectors: (C, d) raw; given: (N,) see `studio.coft.given`; space: on
    the backbone's device; the others as in `coft.fit`.
    """

    backbone: Backbone
    images: Images
    features: Tensor
    class_vectors: Tensor
    class_names: Sequence[str]
    settings: Settings
    given: Tensor
    stop: Callable[[], bool]
    start: ZeroShotStart
    space: Space

    @functools.cached_property
    def student(self) -> Student:
        """The model and the images, for what fine-tunes the whole encoder."""
        return Student(self.backbone, self.images, self.features, self.class_vectors)

    @property
    def pool(self) -> Tensor:
        """(m,) the images that may be learned from: all but those that a person rejected."""
        return (self.given != REJECTED).nonzero()[:, 0]

    @property
    def monitor(self) -> Tensor:
        """(n,) the images that are labelled after each epoch, for the curves."""
        return watched(self.settings, len(self.images))

    def labelled(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (m,) of the pool and labels (m,): a method's own (N,), but given ones stand."""
        return self.pool, torch.where(self.given >= 0, self.given, labels)[self.pool]

    def probabilities(self, texts: Tensor) -> Tensor:
        """(N, C) of the frozen model's features under the space's class vectors (C, d)."""
        cosines = self.start.pictures @ texts.cpu().T
        return (self.start.space.scale * cosines).softmax(-1)


class Fit(Protocol):
    """See `studio.methods.Method`, which stands above this package."""

    def __call__(
        self,
        *,
        backbone: Backbone,
        images: Images,
        features: Tensor,
        class_vectors: Tensor,
        class_names: Sequence[str],
        settings: Settings,
        given: Tensor | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[Event]:
        """Arguments as in `coft.fit`."""
        ...


def method(work: Callable[[Task], Iterator[Event]]) -> Fit:
    """A function of a Task as a method that is called like `coft.fit`."""

    @functools.wraps(work)
    def fit(
        *,
        backbone: Backbone,
        images: Images,
        features: Tensor,
        class_vectors: Tensor,
        class_names: Sequence[str],
        settings: Settings,
        given: Tensor | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[Event]:
        start = ZeroShotStart.of(backbone, features, class_vectors)
        yield from work(
            Task(
                backbone=backbone,
                images=images,
                features=features,
                class_vectors=class_vectors,
                class_names=class_names,
                settings=settings,
                given=checked(given, images=len(images), classes=len(class_names)),
                stop=stop,
                start=start,
                space=start.space.to(backbone.device),
            )
        )

    return fit


def ship(
    task: Task,
    tower: Tower,
    *,
    kind: str,
    head_input: str = "post_proj",
    stage: str = TRAINED,
    probabilities: Tensor | None = None,
) -> Iterator[Event]:
    """The checkpoint and the outcome of a method with one model.

    kind: goes into the checkpoint; probabilities: (N, C) where they are known, else the tower
    labels all images in the test view.
    """
    stopped = task.stop()
    classifier = Classifier([tower], task.backbone)
    if probabilities is None:
        (probabilities,) = yield from label_all(classifier, task.images)
    meta = classifier.meta(kind=kind, head_input=head_input, class_names=task.class_names)
    yield Checkpoint("classifier", classifier.state(), meta)
    yield finish_alone(probabilities, given=task.given, stage=stage, stopped=stopped)


def ship_texts(task: Task, texts: Tensor, *, kind: str, stage: str = TRAINED) -> Iterator[Event]:
    """The same for a frozen image tower under class vectors (C, d) of the joint space."""
    tower = cosine_tower(task.backbone, task.space, texts)
    yield from ship(task, tower, kind=kind, stage=stage, probabilities=task.probabilities(texts))


def ship_zero_shot(task: Task) -> Iterator[Event]:
    """The zero-shot classifier, where nothing was learned."""
    texts = task.start.space.texts(task.class_vectors)
    yield from ship_texts(task, texts, kind="zero-shot", stage="zero-shot")
