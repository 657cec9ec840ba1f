"""One quick question that an open page asks again and again: has anything changed?

Only tabs of which something did are then asked for what it is. Gradio makes a component anew for
every output of an answer, one that is skipped too: asked for each time, the parts of three tabs
kept the interpreter busy for an eighth of the time for every page that was open, beside a training
that needs it as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.ui.parts import POLL, Part, is_fresh


@dataclass(frozen=True)
class Watched:
    """A tab: its parts as they are now, what they depend on, and how the page asks for them.

    parts: takes the values of `inputs` and the request; inputs: the first is what the page was
    last told (see `fresh`); poll: arguments of the event that fetches what changed; pulse: a
    hidden text that changes when the tab has to be asked.
    """

    parts: Callable[..., dict[str, Part]]
    inputs: Sequence[Any]
    poll: dict[str, Any]
    pulse: gr.Textbox


class Beat:
    """Asks for all tabs at once, at every tick."""

    def __init__(self) -> None:
        self._tabs: list[Watched] = []

    def watch(self, parts: Callable[..., dict[str, Part]], poll: dict[str, Any]) -> None:
        """Have a tab asked whenever one of its parts has changed. See `Watched`."""
        pulse = gr.Textbox("0", visible="hidden", show_label=False, container=False)
        self._tabs.append(Watched(parts, list(poll["inputs"]), poll, pulse))

    def wire(self, timer: gr.Timer) -> None:
        """Connect events; called when all tabs are watched."""
        pulses = [tab.pulse for tab in self._tabs]
        inputs = [*pulses, *(component for tab in self._tabs for component in tab.inputs)]
        timer.tick(self.ask, inputs, pulses, trigger_mode="once", **POLL)
        for tab in self._tabs:
            tab.pulse.change(trigger_mode="once", **tab.poll)

    def ask(self, request: gr.Request, *values: Any) -> list[str]:
        """The pulses: another one for each tab of which something changed."""
        pulses, rest = values[: len(self._tabs)], list(values[len(self._tabs) :])
        answer = []
        for tab, pulse in zip(self._tabs, pulses, strict=True):
            mine = [rest.pop(0) for _ in tab.inputs]
            same = is_fresh(mine[0], **tab.parts(*mine, request))
            answer.append(pulse if same else _next(pulse))
        return answer


def _next(pulse: Any) -> str:
    """Another pulse; a page may send anything."""
    return "1" if pulse == "0" else "0"
