"""The way numbers and lists of names are written."""

from __future__ import annotations

from studio.numbers import classes_of, some, them


def test_one_class_has_and_several_have() -> None:
    assert f"{classes_of(1, 11)} none of {them(1)}" == "1 class of 11 has none of it"
    assert f"{classes_of(3, 1100)} none of {them(3)}" == "3 classes of 1\u202f100 have none of them"


def test_of_many_names_the_first_are_told_and_how_many_there_are_besides() -> None:
    assert some([]) == ""
    assert some(("cat", "dog"), 2) == "cat, dog"
    assert some("abcdefgh", 5) == "a, b, c, d, e and 3 more"
    assert some([str(i) for i in range(2005)]) == "0, 1, 2, 3, 4 and 2\u202f000 more"
