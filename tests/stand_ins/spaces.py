"""In place of package `spaces` on ZeroGPU hardware: work goes on in a forked process.

As there, arguments and results are pickled, nothing else that the process does is seen here, and it
may be ended at any moment. `plan` says what becomes of each loan: a function that is told the
process and may end it. `loans` are the seconds that were asked for.
"""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from functools import wraps
from typing import Any

plan: list[Callable[[Any], None]] = []
loans: list[float] = []
decorated: list[str] = []


def GPU(task: Any, *, duration: Any = 60) -> Any:  # noqa: N802 (its name)
    """A function whose work is done in a process of its own."""
    decorated.append(task.__name__)
    context = multiprocessing.get_context("fork")

    @wraps(task)
    def lent(*arguments: Any) -> Any:
        loans.append(duration(*arguments) if callable(duration) else duration)
        results = context.SimpleQueue()
        packed = pickle.dumps(arguments)

        def work() -> None:
            results.put(task(*pickle.loads(packed)))

        process = context.Process(target=work, daemon=True)
        process.start()
        if plan:
            plan.pop(0)(process)
        process.join(300)
        if results.empty():
            raise RuntimeError("GPU task aborted")
        return results.get()

    return lent
