"""Several threads that ask a server, and one that collects what they bring."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from studio.errors import PromptError, StudioError
from studio.progress import Stop
from studio.prompts.client import Halt

Q = TypeVar("Q")
A = TypeVar("A")


class Crew(Generic[Q, A]):
    """Asks questions, several at a time.

    After a failure that all others would share (`Halt`) nothing new is asked; what is on its way
    already is waited for, since it is paid for.

    Args:
        ask: puts one question and returns its answer, or raises a StudioError; called in the
            threads.
        parallel: how many threads there are at most.
        stop: asked several times a second; true leaves at once.
    """

    def __init__(self, ask: Callable[[Q], A], *, parallel: int, stop: Stop) -> None:
        self._ask, self._parallel, self._stop = ask, parallel, stop
        self._over = threading.Event()

    def is_over(self) -> bool:
        """Whether nothing new is to be asked."""
        return self._over.is_set() or self._stop()

    def dismiss(self) -> None:
        """Nothing new is to be asked."""
        self._over.set()

    def results(self, questions: Iterable[Q]) -> Iterator[tuple[Q, A | StudioError]]:
        """Each question with its answer or with what went wrong, in the order in which they come.

        It ends early when `stop` says so, or nothing new is asked; the questions that are left have
        no result then.
        """
        waiting: queue.SimpleQueue[Q] = queue.SimpleQueue()
        for question in questions:
            waiting.put(question)
        number = waiting.qsize()
        came: queue.Queue[tuple[Q, A | StudioError]] = queue.Queue()
        # Daemons: an answer that never comes must not keep the process alive.
        threads = [
            threading.Thread(target=self._work, args=(waiting, came), name="prompts", daemon=True)
            for _ in range(min(self._parallel, number))
        ]
        for thread in threads:
            thread.start()
        while number:
            if self._stop():
                return
            try:
                question, result = came.get(timeout=0.1)
            except queue.Empty:
                if not any(thread.is_alive() for thread in threads) and came.empty():
                    return
                continue
            number -= 1
            yield question, result

    def _work(
        self, waiting: queue.SimpleQueue[Q], came: queue.Queue[tuple[Q, A | StudioError]]
    ) -> None:
        while not self.is_over():
            try:
                question = waiting.get_nowait()
            except queue.Empty:
                return
            result: A | StudioError
            try:
                result = self._ask(question)
            except StudioError as error:
                result = error
                if isinstance(error, Halt):
                    self._over.set()
            except Exception as error:  # a bug; its text might hold the key
                result = PromptError(f"Something went wrong ({type(error).__name__})")
            came.put((question, result))
