"""Work that says how far it is."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from studio.progress import listened, to_the_end


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
