from __future__ import annotations

import threading

from studio.errors import RunError
from studio.session.tasks import Report, Task, Tasks


def ended(task: Task) -> Task:
    assert task.ended.wait(20)
    return task


def test_the_same_key_is_computed_once() -> None:
    made: list[int] = []

    def make(report: Report) -> int:
        made.append(1)
        return 7

    work = Tasks()
    first = work.ask("a", make)
    assert ended(first).value == 7
    assert work.ask("a", make) is first
    assert first.ready
    assert made == [1]


def test_tasks_are_done_in_the_order_they_were_asked_for() -> None:
    gate, order = threading.Event(), list[str]()
    work = Tasks()

    def wait(report: Report) -> None:
        report("Waiting for the gate", 1, 2)
        gate.wait(20)

    blocked = work.ask("gate", wait)
    later = [work.ask(k, lambda report, k=k: order.append(k)) for k in "abc"]
    assert all(task.pending for task in (blocked, *later))
    gate.set()
    for task in later:
        ended(task)
    assert order == ["a", "b", "c"]
    assert (blocked.text, blocked.done, blocked.total) == ("Waiting for the gate", 1, 2)


def test_failures_are_one_line_and_can_be_tried_again() -> None:
    work = Tasks()

    def known(report: Report) -> None:
        raise RunError("The images are gone.")

    def bug(report: Report) -> None:
        raise ZeroDivisionError

    assert ended(work.ask("a", known)).error == "The images are gone."
    failed = ended(work.ask("b", bug))
    assert "terminal" in failed.error
    assert not failed.ready
    assert work.ask("a", lambda report: 1).error  # not tried again unless asked to
    again = ended(work.ask("a", lambda report: 1, again=True))
    assert again.value == 1


def test_only_the_last_values_are_kept() -> None:
    work = Tasks(kept=2)
    for key in range(4):
        ended(work.ask(key, lambda report: object()))
    first = work.ask(0, lambda report: "new")
    assert ended(first).value == "new"
    assert work.ask(3, lambda report: "new").value != "new"
