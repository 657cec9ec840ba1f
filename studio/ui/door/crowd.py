"""One page's flood of events waits for itself and for nobody else."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

AT_ONCE = 6
"""Events of one page that are worked on or wait in gradio's queue; its browser sends no more."""

WAITING = 200
"""Further ones that wait for these; those beyond are refused."""

PATIENCE_S = 30.0
_LOOK_S = 0.05
_LATE_S = 15.0


class Crowded(Exception):  # noqa: N818 (a verdict)
    """This page has asked for too much at once."""


@dataclass
class _Page:
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    inside: int = 0


class Crowd:
    """Counts the events of each page. queued: how many of a page's are in gradio's queue."""

    def __init__(self, queued: Callable[[str], int]) -> None:
        self._queued = queued
        self._pages: dict[tuple[str, bool], _Page] = {}

    @asynccontextmanager
    async def turn(self, page: str, *, joins: bool) -> AsyncIterator[None]:
        """Wait until it is this page's turn. joins: the event goes into gradio's queue.

        Raises:
            Crowded: too many of its events wait already, or for too long.
        """
        key = page, joins
        mine = self._pages.setdefault(key, _Page())
        if mine.inside >= WAITING + AT_ONCE:
            raise Crowded
        mine.inside += 1
        ends = time.monotonic() + PATIENCE_S
        try:
            try:
                await asyncio.wait_for(mine.slots.acquire(), PATIENCE_S)
            except asyncio.TimeoutError:
                raise Crowded from None
            try:
                while joins and self._queued(page) >= AT_ONCE:
                    if time.monotonic() > ends:
                        raise Crowded
                    await asyncio.sleep(_LOOK_S)
                yield
            finally:
                mine.slots.release()
        finally:
            mine.inside -= 1
            if not mine.inside:
                self._pages.pop(key, None)


def next_event(queue: Any) -> tuple[list[Any], bool, str] | None:
    """The event that gradio's queue works on next: in place of its own `get_events`.

    Of one page and one handler, or those of one `concurrency_id`, one event after another, in the
    order in which they came. Of several pages, that of the page with the fewest at work and
    waiting: who presses a button once does not wait for those that press a hundred times. What has
    waited for long is taken first. Gradio's own takes what came first.
    """
    at_work = [event for job in queue.active_jobs if job for event in job]
    busy = {(event.session_hash, event.concurrency_id) for event in at_work}
    load = Counter(event.session_hash for event in at_work)
    for waiting in queue.event_queue_per_concurrency_id.values():
        load.update(event.session_hash for event in waiting.queue)
    now = time.monotonic()
    best: tuple[int, float, str, Any] | None = None
    for name, waiting in queue.event_queue_per_concurrency_id.items():
        limit = waiting.concurrency_limit
        if limit is not None and waiting.current_concurrency >= limit:
            continue
        for event in waiting.queue:
            if (event.session_hash, name) in busy:
                continue
            late = now - event.enqueue_time > _LATE_S
            rank = 0 if late else load[event.session_hash], event.enqueue_time
            if best is None or rank < best[:2]:
                best = *rank, name, event
    if best is None:
        return None
    _, _, name, event = best
    queue.event_queue_per_concurrency_id[name].queue.remove(event)
    return [event], False, name
