"""The way numbers are written."""

from __future__ import annotations

from studio.numbers import classes_of, them


def test_one_class_has_and_several_have() -> None:
    assert f"{classes_of(1, 11)} none of {them(1)}" == "1 class of 11 has none of it"
    assert f"{classes_of(3, 1100)} none of {them(3)}" == "3 classes of 1\u202f100 have none of them"
