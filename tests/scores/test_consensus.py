from __future__ import annotations

import numpy as np
import pytest

from studio.scores.consensus import consensus, kappa, labels_of, rank_by_agreement

N, C = 600, 5


def voter(
    truth: np.ndarray,
    share: float,
    seed: int,
    *,
    scale: float = 4.0,
) -> np.ndarray:
    """A model that labels about this share rightly; scale: of its logits."""
    rng = np.random.default_rng(seed)
    guessed = rng.integers(0, C, len(truth))
    said = np.where(rng.random(len(truth)) < share, truth, guessed)
    logits = scale * (np.eye(C)[said] + 0.3 * rng.normal(size=(len(truth), C)))
    whole = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(whole / whole.sum(1, keepdims=True))


@pytest.fixture
def truth() -> np.ndarray:
    return np.random.default_rng(9).choice(C, N, p=[0.5, 0.2, 0.15, 0.1, 0.05])


def test_models_are_ranked_as_their_labels_are_right(truth: np.ndarray) -> None:
    votes = [voter(truth, share, i) for i, share in enumerate((0.3, 0.9, 0.6))]
    found = rank_by_agreement(votes)
    assert [one.place for one in found] == [3, 1, 2]
    assert found[1].agreement > found[2].agreement > found[0].agreement
    assert sum(one.weight for one in found) == pytest.approx(1)
    assert found[1].weight > found[0].weight


def test_the_consensus_is_better_than_each_and_weighs_out_those_that_know_nothing(
    truth: np.ndarray,
) -> None:
    good = [voter(truth, 0.6, i) for i in range(3)]
    # Two that know nothing and are sure of it.
    bad = [voter(truth, 0.0, 10 + i, scale=30) for i in range(2)]
    shared, weights = consensus([*good, *bad])
    right = [float((labels_of(own) == truth).mean()) for own in (shared, *good)]
    assert right[0] > max(right[1:])
    assert weights[3:].sum() < 0.1
    plain = sum((*good, *bad)) / 5
    assert right[0] > float((labels_of(plain) == truth).mean())


def test_the_order_in_which_models_are_named_does_not_matter(truth: np.ndarray) -> None:
    votes = [voter(truth, share, i) for i, share in enumerate((0.8, 0.5, 0.2, 0.65))]
    found = rank_by_agreement(votes)
    back = rank_by_agreement(votes[::-1])[::-1]
    assert [one.place for one in found] == [one.place for one in back]
    assert [one.agreement for one in found] == pytest.approx([one.agreement for one in back])


def test_sizes_of_classes_are_found_and_not_forced_to_be_equal(truth: np.ndarray) -> None:
    votes = [voter(truth, 0.75, i) for i in range(3)]
    shared, _ = consensus(votes)
    found = np.bincount(labels_of(shared), minlength=C) / N
    real = np.bincount(truth, minlength=C) / N
    assert np.abs(found - real).max() < 0.05


def test_models_that_cannot_be_told_apart_share_a_place(truth: np.ndarray) -> None:
    votes = [voter(truth, share, i) for i, share in enumerate((0.7, 0.71, 0.3, 0.7))]
    found = rank_by_agreement(votes)
    assert [one.place for one in found] == [1, 1, 4, 1]


def test_a_place_is_shared_with_its_best_and_not_down_a_chain() -> None:
    """Each is close to the next, but the last is not close to the first, nor to the second."""
    right = [200, 190, 150, 145]
    base = np.zeros((200, 2))
    base[:, 0] = 1
    votes = []
    for kept in right:
        own = base.copy()
        own[kept:] = [0.0, 1.0]
        votes.append(own)
    found = rank_by_agreement(votes, say=[100, 1, 1, 1])
    assert [one.place for one in found] == [1, 2, 3, 4]
    votes[1][190:195] = base[190:195]
    votes[1][:4] = [0.0, 1.0]
    votes[3][150:155] = base[150:155]
    votes[3][4:12] = [0.0, 1.0]
    found = rank_by_agreement(votes, say=[100, 1, 1, 1])
    assert [one.place for one in found] == [1, 2, 3, 3]


def test_a_good_model_leads_a_family_that_errs_alike_if_it_has_more_say(
    truth: np.ndarray,
) -> None:
    """The middle one has every error of the best one, the worst one every error of the middle."""
    rng = np.random.default_rng(3)
    order, family = rng.permutation(N), []
    wrong = (truth + rng.integers(1, C, N)) % C
    for share in (0.7, 0.55, 0.4):
        labels = truth.copy()
        missed = order[int(share * N) :]
        labels[missed] = wrong[missed]
        family.append(0.6 * np.eye(C)[labels] + 0.4 / C)
    middle_first = rank_by_agreement(family)
    assert middle_first[1].place == 1
    found = rank_by_agreement(family, say=[0.7**3, 0.55**3, 0.4**3])
    assert [one.place for one in found] == [1, 2, 3]
    assert found[0].weight > found[1].weight > found[2].weight


def test_one_model_is_its_own_consensus(truth: np.ndarray) -> None:
    (only,) = rank_by_agreement([voter(truth, 0.5, 0)])
    assert (only.place, only.agreement, only.weight) == (1, 1.0, 1.0)


def test_a_model_that_says_one_class_only_is_no_error(truth: np.ndarray) -> None:
    constant = np.tile(np.array([1.0, 0, 0, 0, 0]), (N, 1))
    found = rank_by_agreement([voter(truth, 0.8, 0), constant, voter(truth, 0.8, 1)])
    assert found[1].place == 3
    assert found[1].weight < 0.05
    assert rank_by_agreement([constant, constant])[0].place == 1


def test_kappa_is_scikit_learns() -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    second[:120] = first[:120]
    assert kappa(first, second, classes=4) == pytest.approx(cohen_kappa_score(first, second))
    assert kappa(first, first, classes=4) == 1


def test_votes_about_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        rank_by_agreement([np.ones((3, 2)) / 2, np.ones((4, 2)) / 2])
    with pytest.raises(ValueError, match="shapes"):
        rank_by_agreement([np.ones((0, 2))])
    with pytest.raises(ValueError, match="shapes"):
        rank_by_agreement([])
    with pytest.raises(ValueError, match="2 weights for 1"):
        rank_by_agreement([np.ones((3, 2)) / 2], say=[1, 1])
