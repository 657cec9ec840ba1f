"""TransCLIP: what it does to easy images, and what it ships."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import normalize

from studio.baselines import transclip
from studio.clip.backbone import Backbone
from studio.coft.classifier import Classifier
from studio.coft.events import Checkpoint, Finished
from studio.coft.given import REJECTED, UNKNOWN
from studio.coft.task import Task
from studio.settings import Settings
from tests.baselines.conftest import QUICK, arguments, only
from tests.coft.conftest import NAMES, Canvases
from tests.coft.test_transduction import draws


def clusters(backbone: Backbone, **changes: Any) -> tuple[dict[str, Any], torch.Tensor]:
    """A fit of 90 features in three tight clusters under texts that are far off."""
    truth = torch.arange(90) % 3
    corners = normalize(draws(3, 16, seed=4), dim=1)
    features = corners[truth] + 0.15 * draws(90, 16, seed=5)
    texts = normalize(corners + 3.0 * normalize(draws(3, 16, seed=6), dim=1), dim=1)
    made = {
        "backbone": backbone, "images": Canvases(90), "features": features,
        "class_vectors": texts, "class_names": NAMES, "settings": Settings(**QUICK),
    }  # fmt: skip
    return made | changes, truth


def test_clusters_are_named_as_a_whole(vit: Backbone) -> None:
    made, truth = clusters(vit)
    events = list(transclip.fit(Task(**made)))
    accuracy = (only(events, Finished).labels == truth).float().mean()
    assert (events[0].labels == truth).float().mean() < 0.8
    assert accuracy == 1.0


def test_a_given_label_stands_and_a_rejected_image_shapes_nothing(vit: Backbone) -> None:
    made, truth = clusters(vit)
    given = torch.full((90,), UNKNOWN)
    given[0] = (truth[0] + 1) % 3
    finished = only(list(transclip.fit(Task(**made, given=given))), Finished)
    assert finished.labels[0] == given[0]
    assert torch.equal(finished.labels[1:], truth[1:])
    # A far outlier that was rejected leaves what is shipped as if it looked like any other.
    given = torch.full((90,), UNKNOWN)
    given[6] = REJECTED
    heads = []
    for shift in (0.0, -40.0):
        features = made["features"].clone()
        features[6] += shift
        events = list(transclip.fit(Task(**made | {"features": features}, given=given)))
        heads.append(only(events, Checkpoint).tensors["models.0.head.weight"])
    torch.testing.assert_close(*heads)


def test_what_is_shipped_is_the_posterior_without_neighbours(convnet: Backbone) -> None:
    images = Canvases(30)
    made = arguments(convnet, images)
    events = list(transclip.fit(Task(**made, settings=Settings(**QUICK))))
    checkpoint = only(events, Checkpoint)
    shipped = Classifier.load(checkpoint.tensors, checkpoint.meta, device="cpu")
    together, alone = only(events, Finished), shipped.probabilities(images.batch(range(30)))
    assert (together.labels == alone.argmax(1)).float().mean() > 0.8
    assert (together.labels == torch.arange(30) % 3).float().mean() > 0.8
