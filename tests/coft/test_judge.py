"""Whose labels are clean (test 7 of the specification)."""

from __future__ import annotations

import pytest
import torch

from studio.coft.judge import (
    clean_sets,
    clean_share,
    own_clean_probability,
    peer_clean_probability,
    soft_weights,
    training_sets,
)


@pytest.fixture
def verdict() -> tuple[torch.Tensor, torch.Tensor]:
    """Log-odds (2, N, C) and labels (2, N) of two models that disagree here and there."""
    generator = torch.Generator().manual_seed(3)
    log_odds = torch.rand(2, 40, 4, generator=generator).logit()
    return log_odds, torch.randint(4, (2, 40), generator=generator)


def test_the_peer_decides(verdict: tuple[torch.Tensor, torch.Tensor]) -> None:
    clean, labels = verdict
    kept = clean_sets(clean, labels)
    for image in range(40):
        assert kept[0, image] == (clean[1, image, labels[0, image]].sigmoid() > 0.5)
        assert kept[1, image] == (clean[0, image, labels[1, image]].sigmoid() > 0.5)


def test_swapping_the_models_swaps_the_sets(verdict: tuple[torch.Tensor, torch.Tensor]) -> None:
    clean, labels = verdict
    assert torch.equal(clean_sets(clean.flip(0), labels.flip(0)), clean_sets(clean, labels).flip(0))


def test_the_rules_differ_and_nest(verdict: tuple[torch.Tensor, torch.Tensor]) -> None:
    clean, labels = verdict
    sets = {
        rule: clean_sets(clean, labels, rule=rule)
        for rule in (
            "peer_clean",
            "self_clean",
            "both_clean",
            "peer_clean_and_argmax_agree",
            "agree",
            "none",
        )
    }
    assert not torch.equal(sets["peer_clean"], sets["self_clean"])
    assert torch.equal(sets["both_clean"], sets["peer_clean"] & sets["self_clean"])
    agree = sets["peer_clean_and_argmax_agree"]
    assert not (agree & ~sets["peer_clean"]).any()
    assert not torch.equal(agree, sets["peer_clean"])
    for model in (0, 1):  # the label is also what the peer holds to be cleanest
        best = clean[1 - model].argmax(1) == labels[model]
        assert torch.equal(agree[model], sets["peer_clean"][model] & best)
    assert sets["none"].all()
    assert torch.equal(sets["agree"], (labels[0] == labels[1]).expand(2, -1))
    for rule in ("peer_clean", "self_clean", "both_clean"):  # the same judges, without a threshold
        assert torch.equal(soft_weights(clean, labels, rule=rule) > 0.5, sets[rule])
    for rule in ("agree", "none"):
        assert torch.equal(soft_weights(clean, labels, rule=rule), sets[rule].float())


def test_the_share_counts_images_with_a_clean_label_of_either_model() -> None:
    clean = torch.tensor([[True, True, False, False], [True, False, False, True]])
    assert clean_share(clean) == 0.75
    assert clean_share(clean[:, 2:3]) == 0.0


def test_exactly_one_half_is_not_clean() -> None:
    assert not clean_sets(torch.zeros(2, 3, 2), torch.zeros(2, 3, dtype=torch.long)).any()


@pytest.mark.parametrize("scale", [15.0, 100.0, 1000.0])
def test_log_odds_of_any_size_do_not_tie(scale: float) -> None:
    """(9, 12) for classes 0 and 1: class 1 is the cleaner one, though both p_clean are 1 in half
    precision, and at larger scales in float32."""
    log_odds = torch.tensor([9.0, 12.0, 11.9]).expand(2, 1, 3) * scale / 15
    second, third = torch.tensor([[1], [1]]), torch.tensor([[2], [2]])
    rule = "peer_clean_and_argmax_agree"
    assert clean_sets(log_odds, second, rule=rule).all()
    assert not clean_sets(log_odds, third, rule=rule).any()


def test_a_label_that_is_hardly_clean_still_weighs_something() -> None:
    weights = soft_weights(torch.full((2, 4, 3), -60.0), torch.zeros(2, 4, dtype=torch.long))
    assert (weights > 0).all()
    assert len(training_sets(torch.zeros(2, 4, dtype=torch.long), weights, data="own")[0][0]) == 4


def test_peer_and_own_probabilities_look_at_the_right_model() -> None:
    clean = torch.stack([torch.full((1, 2), 0.9), torch.full((1, 2), 0.1)]).logit()
    labels = torch.zeros(2, 1, dtype=torch.long)
    torch.testing.assert_close(peer_clean_probability(clean, labels), torch.tensor([[0.1], [0.9]]))
    torch.testing.assert_close(own_clean_probability(clean, labels), torch.tensor([[0.9], [0.1]]))


def test_training_sets() -> None:
    labels = torch.tensor([[0, 1, 2, 0], [0, 2, 2, 1]])
    clean = torch.tensor([[True, True, False, False], [True, True, True, False]])

    def plain(data: str) -> list[tuple[list[int], list[int]]]:
        sets = training_sets(labels, clean.float(), data=data)
        assert all((one.weights == 1).all() for one in sets)
        return [(one.indices.tolist(), one.labels.tolist()) for one in sets]

    assert plain("own") == [([0, 1], [0, 1]), ([0, 1, 2], [0, 2, 2])]
    assert plain("swapped") == plain("own")[::-1]
    assert plain("intersection") == [([0], [0])] * 2
    # Image 0 counts once: both gave it the same label; image 1 counts with each of its labels.
    assert plain("union") == [([0, 1, 1, 2], [0, 1, 2, 2])] * 2


def test_weights_go_with_their_labels() -> None:
    labels = torch.tensor([[0, 1], [0, 2]])
    weights = torch.tensor([[0.2, 0.4], [0.6, 0.0]])

    def plain(data: str) -> list[tuple[list[int], list[float]]]:
        sets = training_sets(labels, weights, data=data)
        return [(one.labels.tolist(), pytest.approx(one.weights.tolist())) for one in sets]

    assert plain("own") == [([0, 1], [0.2, 0.4]), ([0], [0.6])]
    assert plain("union") == [([0, 1], [0.6, 0.4])] * 2
    assert plain("intersection") == [([0], [0.4])] * 2
