"""Which images are asked about: large groups first, each answer counts, nothing twice."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from studio.ask.choose import Groups, Question, choose


def grouped(sizes: list[int], *, width: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, d) of well-separated groups of these sizes, and (N,) whose they are."""
    draws = np.random.default_rng(0)
    middles = np.linalg.qr(draws.normal(size=(width, width)))[0][: len(sizes)]
    own = np.repeat(np.arange(len(sizes)), sizes)
    noise = 0.15 * draws.normal(size=(len(own), width))
    return (middles[own] + noise).astype(np.float32), own


def even(images: int, classes: int) -> np.ndarray:
    return np.full((images, classes), 1 / classes, np.float32)


def test_the_first_questions_are_one_of_each_group_and_the_largest_comes_first() -> None:
    features, own = grouped([200, 100, 60, 40])
    found = choose(features, even(400, 4), {}, 4)
    assert own[found[0].image] == 0
    assert {int(own[q.image]) for q in found} == {0, 1, 2, 3}


def test_it_goes_on_after_each_answer_as_it_would_have_gone_on_without() -> None:
    features, _ = grouped([150, 100, 80, 40, 30])
    groups, soft = Groups.of(features, classes=5), even(400, 5)
    whole = [q.image for q in choose(groups, soft, {}, 30)]
    assert len(set(whole)) == 30
    assert whole == [q.image for q in choose(features, soft, {}, 30)], "not deterministic"
    answers: dict[int, int] = {}
    for image in whole:
        (question,) = choose(groups, soft, answers, 1)
        assert question.image == image
        answers[image] = 0


def test_what_others_answered_and_what_was_skipped_count_as_asked() -> None:
    features, own = grouped([200, 100, 60, 40])
    first = choose(features, even(400, 4), {}, 1)[0]
    told = {int(np.flatnonzero(own == 0)[0]): 2, int(np.flatnonzero(own == 1)[0]): -1}
    found = choose(features, even(400, 4), told, 2)
    assert {int(own[q.image]) for q in found} == {2, 3}, "a group with an answer was asked first"
    again = choose(features, even(400, 4), {}, 5, asked=[first.image])
    assert first.image not in [q.image for q in again]


def test_images_in_doubt_are_worth_more_once_there_are_two_answers_a_class() -> None:
    features, own = grouped([100, 100])
    soft = np.where((own == 1)[:, None], [[0.4, 0.35, 0.25]], [[0.98, 0.01, 0.01]]).astype("f4")
    far = {199: 0, 0: 1, 1: 0, 2: 0, 3: 0, 198: 0}
    question = choose(features, soft, far, 1)[0]
    assert own[question.image] == 1
    assert question.shortlist == (0, 1, 2)
    assert "in doubt between cat and dog" in question.why(["cat", "dog", "owl"])
    sure = choose(features, soft[::-1], far, 1)[0]
    assert own[sure.image] == 0


def test_a_shortlist_has_the_likeliest_classes_of_the_image_and_of_those_alike() -> None:
    features, own = grouped([90, 10])
    soft = np.full((100, 8), 0.01, np.float32)
    soft[own == 0, 3], soft[own == 1, 6] = 0.93, 0.93
    found = choose(features, soft, {}, 2)
    assert [q.shortlist[0] for q in found] == [3, 6]
    assert all(len(set(q.shortlist)) == 5 for q in found)
    assert found[0].why([*"abcdefgh"]).endswith("100 % of them are labelled d")


def test_an_image_that_nothing_looks_like_stands_for_no_others() -> None:
    alone = Question(image=0, shortlist=(1, 0), alike=1, share=1.0, doubt=0.0)
    names = ["cat", "dog"]
    assert alone.why(names) == "looks like no other image; labelled dog"
    in_doubt = dataclasses.replace(alone, doubt=0.9)
    assert in_doubt.why(names) == "looks like no other image; in doubt between dog and cat"
    two = dataclasses.replace(alone, alike=2)
    assert two.why(names) == "stands for 2 images that look alike; 100 % of them are labelled dog"


@pytest.mark.parametrize("images", [1, 2, 7])
def test_a_budget_larger_than_the_folder_asks_about_every_image_once(images: int) -> None:
    features = np.random.default_rng(1).normal(size=(images, 8)).astype("f4")
    found = choose(features, even(images, 2), {}, 50)
    assert sorted(q.image for q in found) == list(range(images))
    assert choose(features, even(images, 2), dict.fromkeys(range(images), 0), 5) == []


def test_equal_images_are_no_trouble() -> None:
    found = choose(np.ones((12, 8), np.float32), even(12, 3), {}, 20)
    assert sorted(q.image for q in found) == list(range(12))
