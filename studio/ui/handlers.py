"""One rule for everything that a page can call: its events, and the functions of its components.

Whoever calls is in a room of their own; what goes in and out is text that can be written down; and
whatever is raised reaches the page as one line.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from studio.errors import StudioError
from studio.runs.failures import explain
from studio.session.rooms import Whose, entered
from studio.session.session import Session
from studio.session.task import FAULT
from studio.texts import all_writable
from studio.ui.door.door import VISITOR

_log = logging.getLogger(__name__)
NO_ROOM = "The studio cannot tell your page from those of others: load it again, and allow cookies."


class InSession:
    """A part of the page. Its session is that of the visitor who is being answered: hold it no
    longer than one answer takes.
    """

    def __init__(self, session: Whose) -> None:
        self._whose = session

    @property
    def session(self) -> Session:
        """The session of the visitor who is being answered."""
        return self._whose.here()


def said(error: Exception) -> gr.Error:
    """The one line that a page shows for an error; bugs go to the terminal as well."""
    explained = explain(error)
    if explained is None:
        _log.error("an event failed", exc_info=error)
    line = " ".join(str(explained).split()) if explained else FAULT
    return gr.Error(all_writable(line), duration=8, print_exception=False, title="Please check")


def ruled(handler: Callable[..., Any], *, whose: Whose) -> Callable[..., Any]:
    """A handler that keeps to the rule, see the module. Its signature is as it was."""

    def step(work: Callable[[], Any]) -> Any:
        try:
            with entered(_visitor(whose)):
                return sendable(work())
        except (gr.Error, StopIteration):
            raise
        except Exception as error:
            raise said(error) from None

    if inspect.isgeneratorfunction(handler):

        @wraps(handler)
        def some(*args: Any, **kwargs: Any) -> Iterator[Any]:
            answers = step(lambda: handler(*_plain(args), **kwargs))
            while True:
                try:
                    answer = step(lambda: next(answers))
                except StopIteration:
                    return
                yield answer

        return some

    @wraps(handler)
    def one(*args: Any, **kwargs: Any) -> Any:
        return step(lambda: handler(*_plain(args), **kwargs))

    return one


def keep_rule(page: gr.Blocks, whose: Whose) -> None:
    """Have every event and every function of a component keep to the rule."""
    for event in page.fns.values():
        if event.fn is not None:
            event.fn = ruled(event.fn, whose=whose)
    for block in page.blocks.values():
        for name in getattr(block, "server_fns", None) or ():
            function = getattr(block, name.__name__ if callable(name) else name)
            wrapped = ruled(function, whose=whose)
            wrapped._is_server_fn = True  # type: ignore[attr-defined]
            setattr(block, function.__name__, wrapped)


def sendable(answer: Any) -> Any:
    """What a handler returns, its texts made writable; components are keys or updates."""
    if isinstance(answer, dict):
        fine = {key: sendable(value) for key, value in answer.items()}
        same = all(fine[key] is value for key, value in answer.items())
        return answer if same else fine
    return all_writable(answer)


def _plain(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the page sent. The door has seen to it already; tests and files have not."""
    return tuple(
        sendable(arg) if isinstance(arg, (str, list, tuple, dict)) else arg for arg in args
    )


def _visitor(whose: Whose) -> str:
    """Whose the event is that is being answered.

    Raises:
        StudioError: strangers share the page, and this one brings no mark.
    """
    if not whose.shared:
        return ""
    request = LocalContext.request.get(None)
    inner = getattr(request, "request", None) or request
    visitor = getattr(inner, "scope", {}).get(VISITOR, "")
    if not visitor:
        raise StudioError(NO_ROOM)
    return str(visitor)
