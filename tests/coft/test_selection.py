"""The seed set (test 8 of the specification)."""

from __future__ import annotations

import torch

from studio.coft.selection import seed_set, seeds_per_class, without_prior

PROBABILITIES = torch.tensor(
    [[0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.6, 0.1, 0.3], [0.4, 0.35, 0.25], [0.2, 0.7, 0.1]]
)


def test_the_most_confident_of_each_class_are_taken_and_ties_go_to_the_earlier_image() -> None:
    indices, labels = seed_set(PROBABILITIES, k=2)
    assert indices.tolist() == [0, 1, 4]
    assert labels.tolist() == [0, 0, 1]


def test_no_class_gets_more_than_k_and_a_class_without_images_stays_empty() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(200, 6, generator=generator)
    probabilities[:, 5] = 0
    indices, labels = seed_set(probabilities, k=7)
    counts = torch.bincount(labels, minlength=6)
    assert counts.max() <= 7
    assert counts[5] == 0
    assert torch.equal(probabilities.argmax(1)[indices], labels)
    assert len(set(indices.tolist())) == len(indices)


def test_the_leaderboard_fills_every_class_without_using_an_image_twice() -> None:
    indices, labels = seed_set(PROBABILITIES, k=1, mode="leaderboard")
    assert torch.bincount(labels, minlength=3).tolist() == [1, 1, 1]
    assert len(set(indices.tolist())) == 3
    assert dict(zip(labels.tolist(), indices.tolist(), strict=True)) == {0: 0, 1: 4, 2: 2}


def test_k_is_capped_at_half_of_a_class() -> None:
    assert seeds_per_class(k=16, images=1600, classes=100, cap=True) == 8
    assert seeds_per_class(k=16, images=2000, classes=10, cap=True) == 16
    assert seeds_per_class(k=16, images=3, classes=10, cap=True) == 1
    assert seeds_per_class(k=16, images=1600, classes=100, cap=False) == 16


def test_dividing_by_the_prior_frees_the_classes_that_favourites_swallow() -> None:
    # Class 0 is every image's favourite; images 4 to 7 are a little more of class 1 than the rest.
    first = torch.tensor([0.8] * 4 + [0.6] * 4)
    probabilities = torch.stack([first, 1 - first], dim=1)
    assert probabilities.argmax(1).sum() == 0
    assert torch.equal(without_prior(probabilities, power=0.0), probabilities)
    freed = without_prior(probabilities, power=1.0)
    torch.testing.assert_close(freed.sum(1), torch.ones(8))
    assert freed.argmax(1).tolist() == [0] * 4 + [1] * 4
