"""A judge's checks tell how many labels are right, as far as is known how often it is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from studio.ask.judge_accuracy import JudgedShare, judged_share

NUMBER = 1000


def labelled(share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (N,), confidences (N,), and which labels are right (N,)."""
    draws = np.random.default_rng(0)
    right = draws.random(NUMBER) < share
    return draws.integers(0, 7, NUMBER), draws.uniform(0.2, 1, NUMBER), right


def says(right: np.ndarray, images: np.ndarray, *, wrong: float, seed: int) -> dict[int, float]:
    """A judge that is wrong about such a share; about a wrong label half of that bears it out."""
    draws = np.random.default_rng(seed)
    fails = draws.permutation(len(images)) < round(wrong * len(images))
    hits = draws.random(len(images)) < 0.5
    return {
        int(i): float(not fail if right[i] else fail and hit)
        for i, fail, hit in zip(images, fails, hits, strict=True)
    }


def drawn(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(NUMBER)[:count]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("wrong", [0.0, 0.1, 0.2])
def test_the_interval_holds_for_judges_that_are_wrong_up_to_one_in_five(
    share: float, wrong: float
) -> None:
    labels, sure, right = labelled(share)
    held, errors, seen = 0, [], []
    for seed in range(40):
        found = judged_share(says(right, drawn(60, seed), wrong=wrong, seed=seed), {}, labels, sure)
        held += found.low <= right.mean() <= found.high
        errors.append(found.value - right.mean())
        seen.append(found.seen - right.mean())
    assert held >= 0.8 * 40
    if wrong == 0.2 and share == 0.8:
        assert abs(np.mean(errors)) < abs(np.mean(seen)) - 0.04, "corrected"


def test_a_person_who_checked_the_same_images_tells_how_often_the_judge_is_wrong() -> None:
    labels, sure, right = labelled(0.7)
    images = drawn(200, 1)
    known = {int(i): bool(right[i]) for i in images[:100]}
    bad = says(right, images, wrong=0.4, seed=1)
    alone, both = judged_share(bad, {}, labels, sure), judged_share(bad, known, labels, sure)
    assert both.both == 100
    assert both.agreed < 75
    assert abs(both.value - right.mean()) < abs(alone.value - right.mean()) - 0.05
    assert both.low <= right.mean() <= both.high
    assert both.high - both.low < alone.high - alone.low
    good = says(right, images, wrong=0.0, seed=1)
    sure_of = judged_share(good, known, labels, sure)
    unsure = judged_share(good, {}, labels, sure)
    assert sure_of.high - sure_of.low < unsure.high - unsure.low
    elsewhere = {int(i): True for i in range(NUMBER) if i not in set(images.tolist())}
    assert judged_share(good, elsewhere, labels, sure) == unsure, "of other images"


def test_an_answer_that_changes_counts_half_and_widens_the_interval() -> None:
    labels, sure, right = labelled(0.7)
    told = says(right, drawn(60, 2), wrong=0.0, seed=2)
    shaky = {i: 0.5 if n < 20 else share for n, (i, share) in enumerate(told.items())}
    sure_of, found = judged_share(told, {}, labels, sure), judged_share(shaky, {}, labels, sure)
    assert (sure_of.unstable, found.unstable) == (0, 20)
    assert found.high - found.low > sure_of.high - sure_of.low
    assert found.low <= right.mean() <= found.high


def test_more_checks_of_a_judge_narrow_only_what_sampling_leaves_open() -> None:
    labels, sure, right = labelled(0.6)
    few, many = (
        judged_share(says(right, drawn(n, 3), wrong=0.1, seed=3), {}, labels, sure)
        for n in (20, 900)
    )
    assert few.then < few.high - few.low
    assert many.high - many.low > 0.05, "it may be wrong, however many it checks"
    assert "would hardly narrow that; checks of your own would" in many.sentences("seer")[-1]


def test_it_says_in_words_whose_answers_it_rests_on() -> None:
    found = JudgedShare(0.62, 0.5, 0.74, 0.58, 60, unstable=3, then=0.2)
    text = " ".join(found.sentences("seer"))
    assert "About 62 % of the labels are right (between 50 and 74 %, nine times in ten)" in text
    assert "from 60 images that the judge seer checked" in text
    assert "As it sees them, 58 % are right" in text
    assert "No person has checked the same images" in text
    assert "does not hold for a judge that is wrong more often than one in five" in text
    assert "about 3 images changed with the order of the names" in text
    text = " ".join(JudgedShare(0.6, 0.5, 0.7, 0.6, 60, both=20, agreed=18.5).sentences("seer"))
    assert "A person has checked 20 of the same images" in text
    assert "both say alike of 18.5 whether the label is right" in text
    assert "No person" not in text
    nothing = " ".join(JudgedShare(0.5, 0.1, 0.9, 0.5, 2).sentences("seer"))
    assert "too little to tell how many labels are right" in nothing
    assert "About" not in nothing


@pytest.mark.parametrize("say", [0.0, 1.0])
def test_a_judge_that_always_says_the_same_leaves_the_ends_open(say: float) -> None:
    labels, sure, _ = labelled(0.5)
    found = judged_share(dict.fromkeys(range(30), say), {}, labels, sure)
    assert 0 <= found.low < found.value < found.high <= 1
    assert abs(found.value - say) < 0.2
    whole = judged_share(dict.fromkeys(range(NUMBER), say), {}, labels, sure)
    assert whole.low < whole.high, "a folder that was checked whole"
