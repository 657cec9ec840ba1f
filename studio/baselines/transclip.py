"""TransCLIP: all images are labelled together, nothing is trained.

Zanella, Gerin and Ben Ayed, NeurIPS 2024, arXiv:2406.01837, at its published settings; the idea is
in `studio.coft.transduction`.

Departs: zero-shot probabilities are taken at the model's own temperature in the joint space of
`studio.clip.space`. The images that are labelled together are those of the run. What is shipped
labels new ones one by one: by the Gaussians and the texts, without neighbours. That makes it an
ordinary linear head, for the covariance is shared; a benchmark's test images are labelled by that,
not together.
"""

from __future__ import annotations

from collections.abc import Iterator

from studio.baselines.shipping import ship, ship_zero_shot
from studio.coft.classifier import unit_tower
from studio.coft.events import Event, Progress
from studio.coft.gaussians import linear_density
from studio.coft.task import Task
from studio.coft.transduction import ROUNDS, TEXT_WEIGHT, Assigned, nearest_of, transduce


def fit(task: Task) -> Iterator[Event]:
    """Label all images together; see the module."""
    yield task.start.event()
    space = task.start.space
    assigned: Assigned | None = None
    rounds = transduce(
        task.start.pictures.float(),
        task.start.probabilities,
        task.given,
        temperature=1.0,
        near=nearest_of(task.start.pictures.float(), task.given, candidates=task.candidates),
    )
    for done in range(1, ROUNDS + 1):
        if task.stop():
            break
        assigned = next(rounds)
        images = len(task.images)
        yield Progress("labelling together", images * done // ROUNDS, images)
    if assigned is None:
        yield from ship_zero_shot(task)
        return
    # log p + lambda log yhat is linear in the unit feature, up to what all classes share.
    weight, bias = linear_density(assigned.means, assigned.variance)
    texts = space.scale * space.texts(task.class_vectors)
    tower = unit_tower(
        task.backbone,
        task.space,
        weight + TEXT_WEIGHT * texts,
        bias=bias,
    )
    yield from ship(task, tower, kind="transduction", probabilities=assigned.z)
