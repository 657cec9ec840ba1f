"""The clean probability, both losses and the complement labels (specification, tests 1 to 3)."""

from __future__ import annotations

import math

import pytest
import torch

from studio.coft.losses import clean_probability, draw_complements, negative_loss, positive_loss
from studio.errors import FolderError

SCALE = 100.0


def test_clean_probability_is_the_two_way_softmax_of_the_paper() -> None:
    positive, negative = torch.randn(5, 4) / 50, torch.randn(5, 4) / 50
    up, down = (SCALE * positive).exp(), (SCALE * negative).exp()
    torch.testing.assert_close(clean_probability(positive, negative, scale=SCALE), up / (up + down))


def test_equal_similarities_mean_one_half_and_a_loss_of_two_ln_two() -> None:
    same = torch.rand(6, 3)
    assert torch.equal(clean_probability(same, same, scale=SCALE), torch.full((6, 3), 0.5))
    labels, complements = torch.zeros(6, dtype=torch.long), torch.ones(6, dtype=torch.long)
    loss = negative_loss(same, same, labels, complements, scale=SCALE)
    assert loss.item() == pytest.approx(2 * math.log(2), abs=1e-6)


def test_descent_raises_the_negative_similarity_of_the_complement_and_lowers_the_labels() -> None:
    positive, negative = torch.zeros(1, 3), torch.zeros(1, 3, requires_grad=True)
    negative_loss(positive, negative, torch.tensor([0]), torch.tensor([1]), scale=1.0).backward()
    assert negative.grad is not None
    assert negative.grad[0, 0] > 0  # label: descent lowers s-
    assert negative.grad[0, 1] < 0  # complement: descent raises s-
    assert negative.grad[0, 2] == 0


def test_toy_descent_ends_with_the_label_clean_and_the_complement_not() -> None:
    similarities = torch.zeros(2, 1, 2, requires_grad=True)
    optimizer = torch.optim.SGD([similarities], lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        loss = negative_loss(
            similarities[0], similarities[1], torch.tensor([0]), torch.tensor([1]), scale=1.0
        )
        loss.backward()
        optimizer.step()
    clean = clean_probability(similarities[0], similarities[1], scale=1.0)[0]
    assert clean[0] > 0.9
    assert clean[1] < 0.1
    assert 0 < loss.item() < 0.2


def test_a_hard_error_keeps_its_gradient() -> None:
    positive, negative = (
        torch.tensor([[-1.0, 1.0]]),
        torch.tensor([[1.0, -1.0]], requires_grad=True),
    )
    negative_loss(positive, negative, torch.tensor([0]), torch.tensor([1]), scale=SCALE).backward()
    assert negative.grad is not None
    torch.testing.assert_close(negative.grad.abs(), torch.full((1, 2), SCALE))


def test_positive_loss_is_cross_entropy_at_the_models_temperature() -> None:
    cosines = torch.tensor([[0.3, 0.28]])
    expected = math.log(1 + math.exp(-SCALE * 0.02))
    assert positive_loss(cosines, torch.tensor([0]), scale=SCALE).item() == pytest.approx(
        expected, rel=1e-4
    )


@pytest.mark.parametrize("mode", ["uniform", "hard", "prob_weighted"])
@pytest.mark.parametrize("classes", [2, 5])
def test_a_complement_is_never_the_label(mode: str, classes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(classes, (2000,), generator=generator)
    probabilities = torch.rand(2000, classes, generator=generator)
    drawn = draw_complements(
        labels, classes=classes, generator=generator, mode=mode, probabilities=probabilities
    )
    assert not (drawn == labels).any()
    assert drawn.min() >= 0
    assert drawn.max() < classes


def test_complements_are_uniform_over_the_other_classes_and_fresh_each_time() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.full((30_000,), 2)
    drawn = draw_complements(labels, classes=4, generator=generator)
    counts = torch.bincount(drawn, minlength=4) / len(labels)
    torch.testing.assert_close(counts, torch.tensor([1 / 3, 1 / 3, 0, 1 / 3]), atol=0.01, rtol=0)
    assert not torch.equal(drawn, draw_complements(labels, classes=4, generator=generator))


def test_hard_complements_come_from_the_likeliest_other_classes() -> None:
    probabilities = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).expand(500, -1)
    drawn = draw_complements(
        torch.zeros(500, dtype=torch.long),
        classes=4,
        generator=torch.Generator().manual_seed(0),
        mode="hard",
        probabilities=probabilities,
        top=2,
    )
    assert set(drawn.tolist()) == {1, 2}


@pytest.mark.parametrize("mode", ["hard", "prob_weighted"])
def test_however_unlikely_the_others_are_the_likeliest_of_them_is_drawn(mode: str) -> None:
    """At a large scale all other classes are next to nothing; they are no alike for all that."""
    probabilities = torch.tensor([[1.0, 1e-30, 1e-22, 1e-30, 1e-31]]).expand(300, -1)
    drawn = draw_complements(
        torch.zeros(300, dtype=torch.long),
        classes=5,
        generator=torch.Generator().manual_seed(0),
        mode=mode,
        probabilities=probabilities,
        top=1,
    )
    assert (drawn == 2).float().mean() > 0.98


def test_one_class_is_refused() -> None:
    with pytest.raises(FolderError, match="two classes"):
        draw_complements(torch.zeros(3, dtype=torch.long), classes=1, generator=torch.Generator())
