"""Zero-shot CLIP: the labels that CoFT starts from, with nothing learned (paper, Eq. 1)."""

from __future__ import annotations

from collections.abc import Iterator

from studio.baselines.shipping import ship_texts, ship_zero_shot
from studio.clip.encode import class_vectors
from studio.coft.events import Event
from studio.coft.task import Task
from studio.prompts.templates import TEMPLATES


def fit(task: Task) -> Iterator[Event]:
    """Label the images by their nearest class text.

    There is no second model here and so no peer: both models' labels are the same, and the clean
    probability is the class probability itself; clean means above one half.
    """
    yield task.start.event()
    yield from ship_zero_shot(task)


def fit_ensemble(task: Task) -> Iterator[Event]:
    """Zero-shot CLIP with the mean of several sentences per class (Radford et al., 2021).

    Departs: the paper averages 80 templates made for ImageNet, this the eight of
    `studio.prompts.templates`. The zero-shot event has the labels of the run's own templates, as in
    every method, so that both can be compared.
    """
    yield task.start.event()
    vectors = class_vectors(task.backbone, task.class_names, TEMPLATES["ensemble"])
    # Centred by its own mean text, where the model asks for it.
    space = type(task.start).of(task.backbone, task.features, vectors).space
    yield from ship_texts(task, space.texts(vectors), kind="zero-shot", stage="zero-shot")
