"""What a list of names is told: seldom given, and too alike."""

from __future__ import annotations

import torch

from studio.scores.alike import alike
from studio.scores.listed import Listed


def test_case_and_plural_count_whatever_the_model_makes_of_them() -> None:
    names = ["cat", "Cats", "dog", "berry", "berries", "glass", "CAT", "traffic_light", "box"]
    pairs = alike(names, torch.eye(len(names)))
    assert pairs == [(0, 1), (0, 6), (3, 4)]


def test_nearly_equal_class_vectors_are_alike_also_in_a_narrow_cone() -> None:
    vectors = torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    vectors[4] = vectors[1] + 0.2 * vectors[4]
    names = ["ant", "couch", "owl", "lamp", "sofa", "kiwi"]
    assert alike(names, vectors) == [(1, 4)]
    assert alike(names, vectors + 20) == [(1, 4)]  # all cosines are above .97 there


def test_names_with_less_than_a_quarter_of_an_even_share_are_seldom_given() -> None:
    found = Listed.of(["a", "b", "c", "d"], [50, 44, 6, 0], [(0, 1)])
    assert found == Listed(never=("d",), seldom=("c",), alike=(("a", "b"),))
    seldom, pairs = found.sentences(most=1)
    assert seldom.startswith("2 names")
    assert "seem to be absent, or the model does not know them: d and 1 more" in seldom
    assert "a / b" in pairs
    assert Listed.of(["a", "b"], [5, 5]).sentences() == []


def test_one_name_is_not_spoken_of_as_many() -> None:
    (said,) = Listed.of(["a", "b"], [0, 10]).sentences()
    assert said.startswith("1 name that hardly any image is first labelled as; it seems to be ")
    (said,) = Listed.of(["a", "b", "c"], [0, 0, 10]).sentences()
    assert said.startswith("2 names that hardly any image is first labelled as; they seem to be ")
