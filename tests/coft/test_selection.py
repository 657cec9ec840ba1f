"""The seed set (test 8 of the specification)."""

from __future__ import annotations

import torch

from studio.coft.selection import seed_set, seeds_by_class, without_prior

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


def scores_of(counts: list[int], *, classes: int = 0) -> torch.Tensor:
    """Scores under which so many images are labelled as each class."""
    labels = torch.cat([torch.full((n,), c) for c, n in enumerate(counts)])
    return torch.nn.functional.one_hot(labels, classes or len(counts)).float()


def test_at_most_half_of_the_images_of_a_class_are_its_seeds() -> None:
    assert seeds_by_class(scores_of([200] * 10), k=16, cap=True).tolist() == [16] * 10
    assert seeds_by_class(scores_of([16] * 100), k=16, cap=True).tolist() == [8] * 100
    assert seeds_by_class(scores_of([9, 16, 7]), k=16, cap=True).tolist() == [5, 6, 4]
    assert seeds_by_class(scores_of([1, 1, 1]), k=16, cap=True).tolist() == [1, 1, 1]
    assert seeds_by_class(scores_of([16] * 100), k=16, cap=False).tolist() == [16] * 100


def test_classes_that_hardly_any_image_is_labelled_as_have_no_seeds() -> None:
    # Three classes are in the folder; seven names collect an image or none.
    k = seeds_by_class(scores_of([60, 50, 40, 1, 1, 1, 0, 0, 1, 0], classes=10), k=16, cap=True)
    assert k.tolist() == [16, 16, 16, 0, 0, 0, 0, 0, 0, 0]
    # A class of half the size of the others is in the folder all the same.
    assert (seeds_by_class(scores_of([40, 40, 40, 20]), k=16, cap=True) > 0).all()


def test_a_leaderboard_may_fill_every_class() -> None:
    scores = scores_of([60, 50, 0, 0])
    k = seeds_by_class(scores, k=16, cap=True, mode="leaderboard")
    assert k.tolist() == [14] * 4
    assert torch.bincount(seed_set(scores, k=k, mode="leaderboard")[1]).tolist() == [14] * 4


def test_each_class_may_have_a_number_of_its_own() -> None:
    _, labels = seed_set(PROBABILITIES, k=torch.tensor([3, 0, 2]))
    assert labels.tolist() == [0, 0, 0]


def test_dividing_by_the_prior_frees_the_classes_that_favourites_swallow() -> None:
    # Class 0 is every image's favourite; images 4 to 7 are a little more of class 1 than the rest.
    first = torch.tensor([0.8] * 4 + [0.6] * 4)
    probabilities = torch.stack([first, 1 - first], dim=1)
    assert probabilities.argmax(1).sum() == 0
    assert torch.equal(without_prior(probabilities, power=0.0), probabilities)
    freed = without_prior(probabilities, power=1.0)
    torch.testing.assert_close(freed.sum(1), torch.ones(8))
    assert freed.argmax(1).tolist() == [0] * 4 + [1] * 4
