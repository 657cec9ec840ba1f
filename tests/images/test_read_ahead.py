from __future__ import annotations

import threading

import numpy as np
import pytest

from studio.images.read_ahead import ReadAhead


class Reader:
    """Notes what it reads, and reads in other threads once it may."""

    def __init__(self) -> None:
        self.read: list[list[int]] = []
        self.done = threading.Semaphore(0)
        self.bad = -1

    def __call__(self, indices: np.ndarray) -> np.ndarray:
        self.read.append(indices.tolist())
        self.done.release()
        if self.bad in indices:
            raise ValueError(f"image {self.bad} is gone")
        return indices.astype(np.uint8)


def numbers(*indices: int) -> np.ndarray:
    return np.array(indices, np.int64)


def test_what_comes_next_in_turn_is_read_before_it_is_asked_for() -> None:
    reader = Reader()
    ahead = ReadAhead(reader, images=8)
    for begin in (0, 3):
        assert ahead.batch(np.arange(begin, begin + 3)).tolist() == [begin, begin + 1, begin + 2]
    for _ in range(3):
        assert reader.done.acquire(timeout=10)
    assert reader.read == [[0, 1, 2], [3, 4, 5], [6, 7]], "no further than the last image"
    assert ahead.batch(numbers(6, 7)).tolist() == [6, 7]
    assert len(reader.read) == 3, "it was there"


def test_of_several_processes_each_has_its_own_next_batch_read() -> None:
    """As the second of three asks, whose batches are of two images."""
    reader = Reader()
    ahead = ReadAhead(reader, images=21)
    for begin in (2, 8, 14):
        assert ahead.batch(np.arange(begin, begin + 2)).tolist() == [begin, begin + 1]
    for _ in range(4):
        assert reader.done.acquire(timeout=10)
    assert reader.read == [[2, 3], [8, 9], [14, 15], [20]], "at the end, what there is"
    assert ahead.batch(numbers(20)).tolist() == [20]
    assert len(reader.read) == 4, "it was there"


@pytest.mark.parametrize(
    "batches",
    [[[4, 1], [5, 2], [0, 3]], [[0], [1], [2]], [[0, 1], [4, 5], [2, 3]], [[], [], []],
     [[0, 1], [2, 4], [6, 7]], [[0, 1], [3, 4], [6, 7]], [[1, 5], [2, 3], [6, 7]]],
)  # fmt: skip
def test_what_is_asked_for_in_any_order_is_read_once(batches: list[list[int]]) -> None:
    reader = Reader()
    ahead = ReadAhead(reader, images=8)
    for batch in batches:
        assert ahead.batch(numbers(*batch)).tolist() == batch
    assert reader.read == batches


def test_who_turns_elsewhere_gets_what_was_asked_for() -> None:
    reader = Reader()
    ahead = ReadAhead(reader, images=12)
    for batch in ([0, 1], [2, 3], [9, 0], [4, 5, 6], [7, 8, 9]):
        assert ahead.batch(numbers(*batch)).tolist() == batch


def test_what_goes_wrong_ahead_is_raised_when_it_is_asked_for() -> None:
    reader = Reader()
    reader.bad = 5
    ahead = ReadAhead(reader, images=12)
    ahead.batch(numbers(0, 1))
    ahead.batch(numbers(2, 3))
    with pytest.raises(ValueError, match="image 5 is gone"):
        ahead.batch(numbers(4, 5))
    assert ahead.batch(numbers(6, 7)).tolist() == [6, 7]


def test_many_threads_get_their_own() -> None:
    ahead, wrong = ReadAhead(Reader(), images=2_000), []

    def ask(first: int) -> None:
        for begin in range(first, first + 200, 4):
            if ahead.batch(np.arange(begin, begin + 4))[0] != begin % 256:
                wrong.append(begin)

    threads = [threading.Thread(target=ask, args=(200 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong
