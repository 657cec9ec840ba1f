"""Work that says how far it is."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from studio.errors import Stopped
from studio.progress import listened, to_the_end, turn, unless


def counted(most: int) -> Generator[int, None, str]:
    yield from range(most)
    return f"{most} in all"


def test_who_listens_is_told_all_that_is_said_and_gets_what_it_comes_to() -> None:
    heard: list[int] = []
    assert listened(counted(3), heard.append) == "3 in all"
    assert heard == [0, 1, 2]
    assert to_the_end(counted)(2) == "2 in all"


def test_who_listens_can_end_the_work() -> None:
    work, heard = counted(3), list[int]()

    def listen(number: int) -> None:
        heard.append(number)
        if number == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        listened(work, listen)
    assert heard == [0, 1]


def test_work_that_only_says_how_far_it_is_ends_where_it_is_asked_to() -> None:
    heard: list[tuple[int, int]] = []
    told = unless(lambda *far: heard.append(far), lambda: len(heard) == 1)
    told(1, 3)
    with pytest.raises(Stopped):
        told(2, 3)
    assert heard == [(1, 3)]
    unless(lambda *far: heard.append(far), None)(3, 3)
    assert heard[-1] == (3, 3)


def test_several_turns_are_one_way_to_the_end() -> None:
    heard: list[tuple[int, int]] = []
    for number in range(2):
        progress = turn(lambda *far: heard.append(far), number, 2)
        assert progress is not None
        progress(5, 10)
        progress(10, 10)
    assert heard == [(2, 10), (5, 10), (7, 10), (10, 10)]
    assert turn(None, 0, 2) is None
