"""The one rule of all handlers, walked over all of them."""

from __future__ import annotations

import inspect
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio.context import LocalContext
from PIL import Image

from studio.clip.presets import presets
from studio.errors import RunError
from studio.session.rooms import Rooms
from studio.session.session import Session
from studio.session.task import FAULT
from studio.ui import handlers
from studio.ui.door.door import VISITOR
from studio.ui.handlers import ruled, said, sendable
from studio.ui.page import build
from tests.ui.conftest import event

DECODERS = [
    zlib.error("bad"), struct.error("bad"), ValueError("bad"), KeyError("bad"), SyntaxError("bad"),
    RecursionError("bad"), OverflowError("bad"), Image.DecompressionBombError("bad"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), OSError(5, "bad"), MemoryError(), EOFError(),
    AssertionError(), NotImplementedError("bad"), StopIteration(),
]  # fmt: skip


def handlers_of(page: gr.Blocks) -> list[tuple[str, Callable[..., Any]]]:
    """Everything of a page that can be called: events, and functions of components."""
    found = [(f"{e.name} {e._id}", e.fn) for e in page.fns.values() if e.fn is not None]
    for block in page.blocks.values():
        for name in (block.get_config().get("server_fns") or ()) if block.is_rendered else ():
            found.append((name, getattr(block, name)))
    return found


def test_every_handler_keeps_the_rule(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises is one line, and it answers in the room of whoever asks."""
    page = build(session, models=presets())
    found = handlers_of(page)
    assert len(found) > 100
    assert {"completions", "standing", "map_points", "show_image"} <= {name for name, _ in found}

    def fail(*_: Any) -> Any:
        raise zlib.error("invalid stored block lengths")

    # The rule's own steps are on the way of each of them: they see it pass.
    monkeypatch.setattr(handlers, "_visitor", fail)
    for name, handler in found:
        number = len(inspect.signature(handler).parameters)
        with pytest.raises(gr.Error) as caught:
            answer_of(handler, number)
        assert caught.value.message == FAULT, name


def answer_of(handler: Callable[..., Any], number: int) -> Any:
    answer = handler(*[None] * number)
    return next(answer) if inspect.isgenerator(answer) else answer


@pytest.mark.parametrize("error", DECODERS, ids=lambda error: type(error).__name__)
def test_whatever_is_raised_reaches_the_page_as_a_line(session: Session, error: Exception) -> None:
    def fail() -> None:
        raise error

    def begins_and_fails() -> Iterator[int]:
        yield 1
        raise error

    if not isinstance(error, StopIteration):  # a generator makes a RuntimeError of it
        with pytest.raises(gr.Error) as caught:
            ruled(fail, whose=session)()
        line = str(caught.value.message)
        assert line
        assert "\n" not in line
    answers = ruled(begins_and_fails, whose=session)()
    assert next(answers) == 1
    with pytest.raises(gr.Error):
        next(answers)


def test_what_a_user_can_put_right_is_said_as_it_is() -> None:
    assert said(RunError("The run\nis gone.")).message == "The run is gone."
    assert "disk is full" in str(said(OSError(28, "no space left")).message)
    assert said(RunError("no run 'a\ud800'")).message == "no run 'a\ufffd'"
    assert said(ZeroDivisionError()).message == FAULT


def test_what_comes_out_can_be_sent(session: Session) -> None:
    """A name on the disk may be anything."""
    component = object()
    answers = {
        "text": "a\ud800", "list": ["a\udfff", 1], "html": gr.update(value="\udce9", visible=True),
        component: {"deep": ["\ud800"]},
    }  # fmt: skip
    for value in (*answers.values(), answers):
        made = ruled(lambda value=value: value, whose=session)()
        assert not re.search(r"\\ud[8-f]", ascii(made))
    assert ruled(lambda: answers, whose=session)()[component] == {"deep": ["\ufffd"]}
    fine = {"a": ["b", {"c": 1.5}]}
    assert sendable(fine) is fine


def test_what_goes_in_is_text_that_can_be_written(session: Session) -> None:
    def echo(text: str, values: dict[str, Any]) -> list[str]:
        text.encode()
        return [text, str(values["name"])]

    made = ruled(echo, whose=session)("cat\ud800", {"name": "\udfff"})
    assert made == ["cat\ufffd", "\ufffd"]


def test_event_data_with_a_surrogate_breaks_nothing(loaded: Session) -> None:
    from studio.ui.prompts.tab import PromptsTab

    name = loaded.data.state.names[0]
    PromptsTab(loaded).edit_class(event({"name": name, "text": "a \ud800 thing"}))
    loaded.data.state.prompts.to_json().encode()


def test_strangers_without_a_mark_are_asked_to_come_again(tmp_path: Any) -> None:
    from studio.session.limits import Limits
    from studio.session.options import Options

    rooms = Rooms(Options(tmp_path / "runs", tmp_path / "cache", public=True, limits=Limits()))
    where = ruled(lambda: str(rooms.here().options.cache_dir), whose=rooms)
    with pytest.raises(gr.Error, match="allow cookies"):
        where()

    def as_visitor(name: str) -> str:
        scope = {VISITOR: name}
        request = SimpleNamespace(request=SimpleNamespace(scope=scope))
        token = LocalContext.request.set(request)  # type: ignore[arg-type]
        try:
            return str(where())
        finally:
            LocalContext.request.reset(token)

    assert as_visitor("a") == as_visitor("a") != as_visitor("b")
    assert "lobby" not in as_visitor("a")
    with pytest.raises(gr.Error, match="allow cookies"):
        as_visitor("")
