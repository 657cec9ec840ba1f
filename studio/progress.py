"""How a long piece of work says how far it is, and how it is asked to stop."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from studio.errors import Stopped

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

Progress = Callable[[int, int], None]
"""Called with (how much is done, how much there is in all)."""

Begin = Callable[[str], Progress]
"""Called with the words for a step that begins; what it returns is told how far that step is."""

FETCHING = "Fetching"
"""How the words of a step begin whose progress is megabytes; that of all others is images."""

Stop = Callable[[], bool]
"""Asked now and then: whether to stop. Whoever stops raises `studio.errors.Stopped`."""


def unheard(_text: str) -> Progress:
    """The `Begin` of what nobody listens to."""
    return lambda _done, _total: None


def unless(progress: Progress, stop: Stop | None) -> Progress:
    """The same, for work that only says how far it is: where `stop` says so it raises `Stopped`."""

    def told(done: int, total: int) -> None:
        if stop is not None and stop():
            raise Stopped
        progress(done, total)

    return told


def turn(progress: Progress | None, number: int, turns: int) -> Progress | None:
    """What the turn `number` (0 is the first) is told where all is gone over `turns` times: all
    turns together are one way to the end.
    """
    if progress is None:
        return None
    tell = progress
    return lambda done, total: tell((number * total + done) // turns, total)


def never() -> bool:
    """The `Stop` of what goes on to its end."""
    return False


def listened(work: Generator[S, None, R], listen: Callable[[S], object]) -> R:
    """What it comes to; listen: told what it says meanwhile. What that raises ends the work."""
    while True:
        try:
            said = next(work)
        except StopIteration as end:
            found: R = end.value
            return found
        listen(said)


def to_the_end(work: Callable[P, Generator[Any, None, R]]) -> Callable[P, R]:
    """The same work at one go: what it returns, and nothing of what it says meanwhile."""

    @wraps(work)
    def done(*args: P.args, **kwargs: P.kwargs) -> R:
        return listened(work(*args, **kwargs), lambda _said: None)

    return done
