"""TransCLIP: its parts against slow and plain versions, and what it does to easy images."""

from __future__ import annotations

from typing import Any

import torch
from torch.distributions import MultivariateNormal
from torch.nn.functional import normalize

from studio.baselines import transclip
from studio.clip.backbone import Backbone
from studio.coft.classifier import Classifier
from studio.coft.events import Checkpoint, Finished
from studio.coft.given import REJECTED, UNKNOWN
from studio.settings import Settings
from tests.baselines.conftest import QUICK, arguments, only
from tests.coft.conftest import NAMES, Canvases


def draws(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_neighbours_are_the_nearest_others_that_were_not_rejected() -> None:
    pictures = normalize(draws(40, 6), dim=1)
    usable = torch.ones(40, dtype=torch.bool)
    usable[11] = False
    transclip.BLOCK, before = 16, transclip.BLOCK
    try:
        near, cosines = transclip.neighbours(pictures, usable, count=3)
    finally:
        transclip.BLOCK = before
    for i in range(40):
        others = [j for j in range(40) if j not in (i, 11)]
        best = sorted(others, key=lambda j: -float(pictures[i] @ pictures[j]))[:3]
        assert near[i].tolist() == best
        torch.testing.assert_close(cosines[i], pictures[best] @ pictures[i])


def test_two_images_have_one_neighbour_each() -> None:
    pictures = normalize(torch.tensor([[1.0, 0.0], [-1.0, 0.1]]), dim=1)
    near, cosines = transclip.neighbours(pictures, torch.ones(2, dtype=torch.bool), count=3)
    assert near.tolist() == [[1], [0]]
    assert cosines.tolist() == [[0.0], [0.0]]  # opposites do not push each other away


def test_densities_are_those_of_gaussians_up_to_what_classes_share() -> None:
    pictures, means = draws(7, 5), draws(3, 5, seed=1)
    variance = draws(5, seed=2).square() + 0.1
    ours = transclip.log_density(pictures, means, variance)
    plain = torch.stack(
        [MultivariateNormal(mean, variance.diag()).log_prob(pictures) for mean in means], dim=1
    )
    torch.testing.assert_close(ours.softmax(1), plain.softmax(1))


def test_moments_are_weighted_means_and_one_variance() -> None:
    pictures, z = draws(20, 4), draws(20, 3, seed=1).softmax(1)
    z[:, 2] = 0
    before = draws(3, 4, seed=2)
    means, variance = transclip.moments(pictures, z, before)
    for k in (0, 1):
        expected = sum(z[i, k] * pictures[i] for i in range(20)) / z[:, k].sum()
        torch.testing.assert_close(means[k], expected)
    torch.testing.assert_close(means[2], before[2])
    spread = sum(z[i, k] * (pictures[i] - means[k]).square() for i in range(20) for k in (0, 1))
    torch.testing.assert_close(variance, spread / z.sum(), rtol=1e-4, atol=1e-5)


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
    events = list(transclip.fit(**made))
    accuracy = (only(events, Finished).labels == truth).float().mean()
    assert (events[0].labels == truth).float().mean() < 0.8
    assert accuracy == 1.0


def test_a_given_label_stands_and_a_rejected_image_shapes_nothing(vit: Backbone) -> None:
    made, truth = clusters(vit)
    given = torch.full((90,), UNKNOWN)
    given[0] = (truth[0] + 1) % 3
    finished = only(list(transclip.fit(**made, given=given)), Finished)
    assert finished.labels[0] == given[0]
    assert torch.equal(finished.labels[1:], truth[1:])
    # A far outlier that was rejected leaves what is shipped as if it looked like any other.
    given = torch.full((90,), UNKNOWN)
    given[6] = REJECTED
    heads = []
    for shift in (0.0, -40.0):
        features = made["features"].clone()
        features[6] += shift
        events = list(transclip.fit(**made | {"features": features}, given=given))
        heads.append(only(events, Checkpoint).tensors["models.0.head.weight"])
    torch.testing.assert_close(*heads)


def test_what_is_shipped_is_the_posterior_without_neighbours(convnet: Backbone) -> None:
    images = Canvases(30)
    made = arguments(convnet, images)
    events = list(transclip.fit(**made, settings=Settings(**QUICK)))
    checkpoint = only(events, Checkpoint)
    shipped = Classifier.load(checkpoint.tensors, checkpoint.meta, device="cpu")
    told, alone = only(events, Finished), shipped.probabilities(images.batch(range(30)))
    assert (told.labels == alone.argmax(1)).float().mean() > 0.8
    assert (told.labels == torch.arange(30) % 3).float().mean() > 0.8
