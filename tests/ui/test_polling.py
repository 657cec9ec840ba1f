from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from studio.ui.parts import Lazy, Part, fresh
from studio.ui.polling import Polling
from tests.ui.conftest import page as page_of


class Tab:
    """Two parts, the second of which is costly to make."""

    def __init__(self) -> None:
        self.mark = 0
        self.made = 0
        self.asked: list[Any] = []
        self.watched: Any = None

    def parts(self, shown: Any, chosen: str, request: gr.Request) -> dict[str, Part]:
        self.asked.append((chosen, request))
        return {"a": ("same", "text"), "b": (self.mark, Lazy(self._make))}

    def _make(self) -> str:
        self.made += 1
        return f"made for {self.mark}"

    def told(self) -> Any:
        return fresh({}, self.parts({}, "", page_of("p")))[0]


@pytest.fixture
def tabs() -> list[Tab]:
    return [Tab(), Tab()]


@pytest.fixture
def beat(tabs: list[Tab]) -> Polling:
    made = Polling()
    with gr.Blocks() as page:
        for tab in tabs:
            outputs = {"a": gr.HTML(), "b": gr.HTML()}
            tab.watched = made.watch(tab.parts, outputs, [gr.State("")])
        made.wire(page, gr.Timer(60))
    return made


def test_a_page_that_has_all_is_left_alone(beat: Polling, tabs: list[Tab]) -> None:
    shown = [tab.told() for tab in tabs]
    assert beat.ask(page_of("p"), shown[0], "x", shown[1], "y") == [gr.skip(), gr.skip()]
    assert [tab.asked[-1][0] for tab in tabs] == ["x", "y"]  # each has its own inputs


def test_only_a_tab_that_changed_gets_another_pulse(beat: Polling, tabs: list[Tab]) -> None:
    shown = [tab.told() for tab in tabs]
    made = tabs[1].made
    tabs[1].mark = 1
    same, pulse = beat.ask(page_of("p"), shown[0], "", shown[1], "")
    assert same == gr.skip()
    assert isinstance(pulse, str)
    assert beat.ask(page_of("p"), shown[0], "", shown[1], "")[1] not in (pulse, gr.skip())
    assert tabs[1].made == made, "what changed is not made before it is asked for"
    assert beat.ask(page_of("p"), shown[0], "", tabs[1].told(), "") == [gr.skip(), gr.skip()]


@pytest.mark.parametrize("shown", [None, [], "text", {"a": "same"}])
def test_a_page_that_was_told_nothing_asks_for_all(beat: Polling, shown: Any) -> None:
    assert gr.skip() not in beat.ask(page_of("p"), shown, "", shown, "")


def test_a_poll_sends_what_changed_to_the_component_of_its_name(
    beat: Polling, tabs: list[Tab]
) -> None:
    watched = tabs[0].watched
    shown, *values = watched.poll(page_of("p"), {}, "")
    assert values == ["text", "made for 0"]
    tabs[0].mark = 5
    shown, *values = watched.poll(page_of("p"), shown, "")
    assert values == [gr.skip(), "made for 5"]
    assert watched.poll(page_of("p"), shown, "") == [shown, gr.skip(), gr.skip()]
