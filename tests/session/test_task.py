from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from studio.errors import RunError, Stopped, StudioError
from studio.progress import FETCHING
from studio.session.task import FAULT, Task, TaskState


class Clock:
    """Seconds that pass when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_task_says_how_far_it_is_and_leaves_its_value() -> None:
    seen: list[TaskState] = []

    def work(task: Task) -> int:
        task.begin("Reading the images")(3, 9)
        return 7

    task = Task("Reading", work, changed=lambda task: seen.append(task.state))
    assert task.pending
    task.run()
    assert (task.value, task.error, task.ready, task.pending) == (7, "", True, False)
    told = [(s.text, s.done, s.total, s.fraction) for s in seen]
    assert ("Reading the images", 3, 9, pytest.approx(1 / 3)) in told
    assert seen[0].text == "Reading"
    assert seen[-1].ended
    assert not any(state.ended for state in seen[:-1])


def test_the_whole_is_known_from_its_steps() -> None:
    clock, seen = Clock(), dict[str, TaskState]()

    def note(task: Task, key: str) -> None:
        seen[key] = task.state

    def work(task: Task) -> None:
        clock.now += 500  # nothing is known of what came before the first step
        draw = task.begin("Drawing")
        note(task, "begun")
        draw(0, 10)
        clock.now += 10
        draw(5, 10)
        note(task, "half of the first")
        read = task.begin("Reading")
        note(task, "second")
        read(90, 100)  # most of it was read long ago
        clock.now += 4
        read(92, 100)
        note(task, "second, four seconds later")
        task.begin("something else in between")
        note(task, "between")
        task.begin("Labelling")
        note(task, "third")

    steps = (("Drawing", 2.0), ("Reading", 1.0), ("Labelling", 1.0))
    Task("Demo", work, steps=steps, clock=clock).run()
    assert [(s.step, s.steps, s.text) for s in seen.values()] == [
        (1, 3, "Drawing"),
        (1, 3, "Drawing"),
        (2, 3, "Reading"),
        (2, 3, "Reading"),
        (2, 3, "something else in between"),
        (3, 3, "Labelling"),
    ]
    assert (seen["begun"].fraction, seen["begun"].left) == (0, None)
    assert seen["half of the first"].fraction == pytest.approx(0.25)
    # Ten seconds more of this step, and two steps that take as long together.
    assert seen["half of the first"].left == pytest.approx(10 + 20)
    assert seen["second"].fraction == pytest.approx(0.5)
    # Two images in four seconds: eight are left, and a step of a hundred.
    assert seen["second, four seconds later"].left == pytest.approx(16 + 200)
    assert seen["third"].fraction == pytest.approx(0.75)


def test_what_is_fetched_first_is_a_whole_of_its_own() -> None:
    """A slow line used to make the steps behind it look as slow."""
    clock, seen = Clock(), list[TaskState]()

    def work(task: Task) -> None:
        task.begin("Loading")
        fetch = task.begin(f"{FETCHING} makers/some (40 MB)")
        fetch(0, 40)
        clock.now += 10
        fetch(10, 40)
        seen.append(task.state)
        look = task.begin("Looking")
        look(0, 100)
        clock.now += 5
        look(50, 100)
        seen.append(task.state)

    Task("Label", work, steps=(("Loading", 1.0), ("Looking", 9.0)), clock=clock).run()
    fetching, looking = seen
    assert (fetching.step, fetching.steps, fetching.fraction, fetching.left) == (0, 0, 0.25, 30)
    assert (looking.step, looking.steps, looking.left) == (2, 2, 5)
    assert looking.fraction == pytest.approx(0.55)


def test_a_single_step_has_no_number() -> None:
    task = Task("Comparing", lambda task: task.begin("Comparing the images"))
    task.run()
    assert task.state.how_far == "Comparing the images"
    assert (task.state.step, task.state.steps, task.state.fraction) == (0, 0, None)


@pytest.mark.parametrize(
    ("error", "says"),
    [(RunError("The images are gone."), "The images are gone."), (ZeroDivisionError("x"), FAULT),
     (Stopped(), "")],
)  # fmt: skip
def test_what_goes_wrong_is_one_line(
    error: Exception, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    def work(task: Task) -> None:
        raise error

    task = Task("Comparing", work)
    task.run()
    assert task.error == says
    assert not task.ready or not says
    logged = "Traceback" in caplog.text
    assert logged == (says == FAULT)
    if says:
        with pytest.raises(StudioError, match=says[:20]):
            task.result()


def test_a_secret_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    def work(task: Task) -> None:
        raise ValueError("sk-secret")

    with caplog.at_level(logging.DEBUG):
        task = Task("Asking", work, secret=True)
        task.run()
    assert task.error == FAULT
    assert "ValueError" in caplog.text
    assert "sk-secret" not in caplog.text


@pytest.mark.parametrize("how", ["begin", "progress", "rest", "bug"])
def test_stop_ends_it_quietly(how: str, caplog: pytest.LogCaptureFixture) -> None:
    entered = threading.Event()

    def work(task: Task) -> None:
        progress = task.begin("Reading")
        entered.set()
        if how == "rest":
            task.rest(3600)
        assert task._stop.wait(20)
        assert task.stopping()
        if how == "begin":
            task.begin("Labelling")
        if how == "progress":
            progress(1, 2)
        raise ZeroDivisionError  # a library's own way of saying that it was stopped

    task = Task("Reading", work)
    thread = threading.Thread(target=task.run)
    thread.start()
    assert entered.wait(20)
    task.stop()
    assert task.state.stopping
    thread.join(20)
    assert (task.error, task.ready, task.pending) == ("", False, False)
    assert caplog.text == ""
    with pytest.raises(Stopped):
        task.result()


def test_what_is_stopped_before_it_began_is_not_done() -> None:
    done: list[Any] = []
    task = Task("Judging", done.append)
    task.stop()
    task.run()
    assert done == []
    assert task.error == ""


def test_a_stop_that_comes_too_late_changes_nothing() -> None:
    task = Task.of(5)
    task.stop()
    assert task.ready
    assert task.result() == 5


def test_it_does_not_hold_on_to_what_it_was_made_of() -> None:
    import gc
    import weakref

    class Large:
        pass

    large = Large()
    task = Task("Comparing", lambda task, large=large: id(large))  # type: ignore[misc]
    gone = weakref.ref(large)
    del large
    task.run()
    gc.collect()
    assert gone() is None
