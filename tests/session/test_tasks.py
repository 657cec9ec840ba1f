from __future__ import annotations

import threading

import pytest

from studio.errors import RunError, StudioError
from studio.session.tasks import Lane, Task, Tasks


def ended(task: Task) -> Task:
    assert task.ended.wait(20)
    return task


def test_the_same_key_is_computed_once() -> None:
    made: list[int] = []

    def make(task: Task) -> int:
        made.append(1)
        return 7

    work = Tasks()
    first = work.ask("a", "A", make)
    assert ended(first).value == 7
    assert work.ask("a", "A", make) is first
    assert first.ready
    assert made == [1]


def test_tasks_are_done_in_the_order_they_were_asked_for() -> None:
    gate, order = threading.Event(), list[str]()
    work = Tasks()

    def wait(task: Task) -> None:
        task.begin("Waiting for the gate")(1, 2)
        gate.wait(20)

    blocked = work.ask("gate", "Gate", wait)
    later = [work.ask(k, k, lambda task, k=k: order.append(k)) for k in "abc"]
    assert all(task.pending for task in (blocked, *later))
    assert [task.text for task in later] == ["Waiting"] * 3
    gate.set()
    for task in later:
        ended(task)
    assert order == ["a", "b", "c"]
    assert blocked.state.how_far == "Waiting for the gate, 1 of 2"


def test_failures_are_one_line_and_can_be_tried_again() -> None:
    work = Tasks()

    def known(task: Task) -> None:
        raise RunError("The images are gone.")

    def bug(task: Task) -> None:
        raise ZeroDivisionError

    assert ended(work.ask("a", "A", known)).error == "The images are gone."
    failed = ended(work.ask("b", "B", bug))
    assert "terminal" in failed.error
    assert not failed.ready
    assert work.ask("a", "A", lambda task: 1).error  # not tried again unless asked to
    again = ended(work.ask("a", "A", lambda task: 1, again=True))
    assert again.value == 1


def test_only_the_last_values_are_kept() -> None:
    work = Tasks(kept=2)
    for key in range(4):
        ended(work.ask(key, "", lambda task: object()))
    first = work.ask(0, "", lambda task: "new")
    assert ended(first).value == "new"
    assert work.ask(3, "", lambda task: "new").value != "new"


def test_what_is_not_done_yet_is_never_forgotten() -> None:
    gate = threading.Event()
    work = Tasks(kept=1)
    first = work.ask("first", "First", lambda task: gate.wait(20))
    for key in range(5):
        work.ask(key, "", lambda task: object())
    assert work.ask("first", "First", lambda task: None) is first
    gate.set()
    ended(first)


def test_of_the_users_work_there_is_one_at_a_time_and_another_is_refused_by_name() -> None:
    lane, gate, entered = Lane("data"), threading.Event(), threading.Event()

    def wait(task: Task) -> None:
        task.begin("Drawing the demo set")
        entered.set()
        assert gate.wait(20)

    first = lane.start(Task("Demo", wait))
    assert entered.wait(20)
    with pytest.raises(StudioError, match=r"busy \(drawing the demo set\); wait"):
        lane.start(Task("Reading", lambda task: None))
    with pytest.raises(StudioError, match="At work already"):
        lane.start(Task("Reading", lambda task: None), busy="At work already.")
    gate.set()
    ended(first)
    assert ended(lane.start(Task("Reading", lambda task: 5))).value == 5


def test_stop_ends_what_is_at_work_and_what_waits() -> None:
    lane, entered, done = Lane("side"), threading.Event(), list[int]()

    def wait(task: Task) -> None:
        entered.set()
        task.rest(3600)

    lane.add(Task("Waiting", wait))
    lane.add(Task("Next", lambda task: done.append(1)))
    assert entered.wait(20)
    lane.stop()
    lane.wait(20)
    assert done == []
    lane.add(Task("Later", lambda task: done.append(2)))
    lane.wait(20)
    assert done == [2]


def test_no_thread_stays_when_nothing_is_left_to_do() -> None:
    lane = Lane("only-here")
    for number in range(3):
        lane.add(Task("", lambda task, number=number: number))  # type: ignore[misc]
    lane.wait(20)
    for thread in threading.enumerate():
        if thread.name == "only-here":
            thread.join(20)
    assert "only-here" not in [thread.name for thread in threading.enumerate()]
