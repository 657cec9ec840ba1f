"""What the baselines ship and how they are watched, so that each file holds its idea alone."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from studio.coft.classifier import Classifier, Tower, cosine_tower, unit_tower
from studio.coft.events import Checkpoint, Event, Monitor, Progress
from studio.coft.gaussians import linear_density
from studio.coft.outcome import clean_alone, finish_alone, label_all
from studio.coft.task import Task
from studio.coft.transduction import Assigned

TRAINED = "trained"
"""`Finished.stage` of a baseline that learned something; its stages are not those of the paper."""


def watch(task: Task, probabilities: Tensor, *, phase: int, epoch: int, epochs: int) -> Monitor:
    """The monitor of a method with one model, which agrees with itself and has no peer.

    probabilities: (n, C) of the monitored images.
    """
    indices = task.monitor
    confidence, labels = probabilities.max(-1)
    clean = float(clean_alone(confidence, task.given[indices]).float().mean())
    return Monitor(phase, epoch, epochs, indices, labels.expand(2, -1).clone(), 1.0, clean)


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

    kind: goes into the checkpoint; probabilities: (N, C) where they are computed already, else the
    tower labels all images in the test view.
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


def ship_together(
    task: Task, rounds: Iterator[Assigned], *, count: int, temperature: float = 1.0
) -> Iterator[Event]:
    """All of a method that labels the images together and trains nothing.

    What is shipped labels new images one by one: by the Gaussians of the last round and the texts,
    without neighbours. That is an ordinary linear head, for one covariance serves all classes.

    rounds: what is found, `count` times, each time better; nothing is computed before it is asked
    for; temperature: what log densities are divided by beside the texts.
    """
    yield task.start.event()
    assigned: Assigned | None = None
    for done in range(1, count + 1):
        if task.stop():
            break
        assigned = next(rounds)
        images = len(task.images)
        yield Progress("labelling together", images * done // count, images)
    if assigned is None:
        yield from ship_zero_shot(task)
        return
    yield from ship_gaussians(task, assigned, temperature=temperature)


def ship_gaussians(task: Task, found: Assigned, *, temperature: float) -> Iterator[Event]:
    """The labels of all images together; and for new ones, which come one by one, the Gaussians and
    the texts as a linear head, see `ship_together`.
    """
    # log p / T + log yhat is linear in the unit feature, up to what all classes share.
    weight, bias = linear_density(found.means, found.variance)
    space = task.start.space
    texts = space.scale * space.texts(task.class_vectors)
    tower = unit_tower(
        task.backbone, task.space, weight / temperature + texts, bias=bias / temperature
    )
    yield from ship(task, tower, kind="transduction", probabilities=found.z)
