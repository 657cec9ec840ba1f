from __future__ import annotations

import threading

import pytest

from studio.cache import Cache, Same


def test_a_value_is_made_once() -> None:
    made: list[str] = []
    cache: Cache[str, int] = Cache(most=3)

    def make() -> int:
        made.append("a")
        return 7

    assert cache.get("a", make) == cache.get("a", make) == 7
    assert cache.peek("a") == 7
    assert cache.peek("b") is None
    assert made == ["a"]


def test_two_threads_that_ask_for_the_same_key_make_it_once() -> None:
    cache: Cache[str, object] = Cache(most=3)
    entered, gate = threading.Event(), threading.Event()
    made, values = [], []

    def make() -> object:
        made.append(1)
        entered.set()
        assert gate.wait(20)
        return object()

    threads = [threading.Thread(target=lambda: values.append(cache.get("a", make)))]
    threads[0].start()
    assert entered.wait(20)
    threads += [threading.Thread(target=lambda: values.append(cache.get("a", make)))]
    threads[1].start()
    assert cache.peek("a") is None, "it is not there yet"
    assert not values
    gate.set()
    for thread in threads:
        thread.join(20)
    assert made == [1]
    assert values[0] is values[1]


def test_other_keys_are_answered_while_one_is_made() -> None:
    cache: Cache[str, int] = Cache(most=3)
    entered, gate = threading.Event(), threading.Event()

    def slow() -> int:
        entered.set()
        assert gate.wait(20)
        return 1

    thread = threading.Thread(target=cache.get, args=("slow", slow))
    thread.start()
    assert entered.wait(20)
    answers: list[int] = []
    other = threading.Thread(target=lambda: answers.append(cache.get("quick", lambda: 2)))
    other.start()
    other.join(20)
    assert answers == [2], "it waited for the slow one"
    assert cache.peek("quick") == 2
    cache.drop("quick")
    gate.set()
    thread.join(20)
    assert cache.peek("slow") == 1


def test_those_not_asked_for_for_longest_go_first() -> None:
    cache: Cache[int, int] = Cache(most=3)
    for key in range(3):
        cache.get(key, lambda key=key: key)  # type: ignore[misc]
    assert cache.get(0, lambda: -1) == 0  # asked for again: 1 is now the oldest
    cache.get(3, lambda: 3)
    assert [cache.peek(key) for key in range(4)] == [0, None, 2, 3]
    assert len(cache) == 3


def test_sizes_are_summed_and_the_latest_always_stays() -> None:
    cache: Cache[str, list[int]] = Cache(most=10, size=len)
    for key, size in (("a", 4), ("b", 4), ("nothing", 0), ("c", 4)):
        cache.get(key, lambda size=size: [0] * size)  # type: ignore[misc]
    assert cache.peek("a") is None
    assert cache.peek("nothing") == [], "what has no size is in nobody's way"
    cache.get("large", lambda: [0] * 99)
    assert len(cache.peek("large") or ()) == 99
    assert cache.peek("c") is None


def test_a_failure_is_told_and_not_kept_and_who_waited_tries_in_turn() -> None:
    cache: Cache[str, int] = Cache(most=3)
    entered, gate = threading.Event(), threading.Event()

    def fails() -> int:
        entered.set()
        assert gate.wait(20)
        raise ZeroDivisionError

    errors: list[BaseException] = []

    def ask() -> None:
        try:
            cache.get("a", fails)
        except ZeroDivisionError as error:
            errors.append(error)

    values: list[int] = []
    first = threading.Thread(target=ask)
    first.start()
    assert entered.wait(20)
    second = threading.Thread(target=lambda: values.append(cache.get("a", lambda: 5)))
    second.start()
    gate.set()
    first.join(20)
    second.join(20)
    assert len(errors) == 1
    assert values == [5]
    with pytest.raises(ZeroDivisionError):
        cache.get("b", fails)
    assert cache.peek("b") is None


def test_another_mark_makes_it_anew() -> None:
    cache: Cache[str, object] = Cache(most=3)
    first = cache.get("a", object, mark=("labels", 1))
    assert cache.get("a", object, mark=("labels", 1)) is first
    assert cache.get("a", object, mark=("labels", 2)) is not first
    assert len(cache) == 1


def test_a_mark_of_objects_means_these_very_objects() -> None:
    one, equal = [1], [1]
    assert Same(one) == Same(one)
    assert Same(one) != Same(equal)
    assert Same(one) != Same(one, one)


def test_what_was_dropped_is_made_anew() -> None:
    cache: Cache[str, object] = Cache(most=3)
    first, other = cache.get("a", object), cache.get("b", object)
    cache.drop("a")
    cache.drop("never there")
    assert cache.get("a", object) is not first
    assert cache.get("b", object) is other
    cache.clear()
    assert len(cache) == 0
