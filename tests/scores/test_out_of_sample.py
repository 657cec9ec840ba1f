"""Probabilities that an image's own label has no part in."""

from __future__ import annotations

import numpy as np

from studio.scores.out_of_sample import PARTS, _split, out_of_sample


def groups(images: int, classes: int, *, spread: float) -> tuple[np.ndarray, np.ndarray]:
    seed = np.random.default_rng(0)
    labels = np.arange(images) % classes
    centres = seed.normal(size=(classes, 16))
    features = centres[labels] + spread * seed.normal(size=(images, 16))
    return features.astype(np.float32), labels


def test_a_wrong_label_is_not_believed() -> None:
    features, truth = groups(120, 3, spread=0.3)
    labels = truth.copy()
    wrong = np.array([4, 33, 77])
    labels[wrong] = (truth[wrong] + 1) % 3
    found = out_of_sample(features, labels, classes=3).probabilities
    assert np.allclose(found.sum(1), 1, atol=1e-5)
    own = found[np.arange(120), labels]
    assert set(np.argsort(own)[:3].tolist()) == set(wrong.tolist())
    assert (found.argmax(1) == truth).mean() > 0.95


def test_no_label_has_a_part_in_its_own_probabilities() -> None:
    features, labels = groups(60, 3, spread=2.0)
    image, part = 7, _split(labels)
    before = out_of_sample(features, labels, classes=3, strengths=(1.0,)).probabilities[image]
    changed = labels.copy()
    # The part stays what it was: another image of its class and part goes the other way.
    twin = next(i for i in range(60) if part[i] == part[image] and labels[i] != labels[image])
    changed[[image, twin]] = labels[[twin, image]]
    if (_split(changed) == part).all():
        after = out_of_sample(features, changed, classes=3, strengths=(1.0,)).probabilities[image]
        assert np.abs(after - before).max() < 1e-5
    else:  # the split goes by the labels; then only this holds
        assert (part[image] == part).sum() == 60 // PARTS


def test_every_part_has_its_share_of_each_class() -> None:
    labels = np.repeat([0, 1, 2], [50, 7, 1])
    part = _split(labels)
    for label, most in ((0, 10), (1, 2), (2, 1)):
        counts = np.bincount(part[labels == label], minlength=PARTS)
        assert counts.max() <= most
        assert counts.max() - counts.min() <= 1


def test_few_images_and_few_classes_are_no_error() -> None:
    features, _ = groups(3, 3, spread=0.1)
    assert out_of_sample(features, np.array([0, 1, 2]), classes=4).probabilities.shape == (3, 4)
    alone = out_of_sample(features[:1], np.array([2]), classes=3).probabilities
    assert np.allclose(alone, 1 / 3)
    same = out_of_sample(features, np.array([1, 1, 1]), classes=3).probabilities
    assert (same.argmax(1) == 1).all()


def test_a_class_that_no_other_part_has_gets_nothing() -> None:
    features, labels = groups(40, 2, spread=0.3)
    labels[0] = 2
    assert out_of_sample(features, labels, classes=3).probabilities[0, 2] == 0
