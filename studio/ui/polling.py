"""One quick question that an open page asks again and again: has anything changed?

Only tabs of which something did are then asked for what it is. Gradio makes a component anew for
every output of an answer, one that is skipped too: asked for each time, the parts of three tabs
kept the interpreter busy for an eighth of the time for every page that was open, beside a training
that needs it as well.

Of each tab a page has one answer at a time on its way. Two would overtake each other on a busy
machine, and the older one would put back what was typed since.

Gradio's page looks through its tree of components for each one that it tells something, from the
first to the last. So what is asked of all the time comes first in it, see `Polling` and `lighten`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import gradio as gr

from studio.ui.parts import POLL, PRIVATE, Part, changed, fresh, hidden_text

_PULSE = "() => String(Math.random())"
_RESCUE_SECONDS = 10.0
"""Between two looks for answers that a page does not hear; see `Polling.wire`."""


@dataclass(frozen=True)
class Watched:
    """A tab: its parts as they are now, and the components that show them.

    parts: takes what the page was last told (see `fresh`), the values of `inputs` and the request;
    outputs: the components by the names of their parts; shown: holds what the page was last told;
    pulse: a hidden text that changes when the tab has to be asked.
    """

    parts: Callable[..., dict[str, Part]]
    outputs: Mapping[str, Any]
    inputs: Sequence[Any]
    shown: gr.State
    pulse: gr.Textbox

    @property
    def now(self) -> dict[str, Any]:
        """Arguments of an event that has the tab asked now."""
        return {"fn": None, "js": _PULSE, "inputs": None, "outputs": [self.pulse], **PRIVATE}

    def poll(self, request: gr.Request, shown: Any, *values: Any) -> list[Any]:
        """Everything that has changed since this page was last told: `shown`, then the outputs."""
        sent, new = fresh(shown, self.parts(shown, *values, request))
        return [sent, *(new.get(name, gr.skip()) for name in self.outputs)]


class Polling:
    """Asks for all tabs at once, at every tick. Made before all else on the page, where it is."""

    def __init__(self) -> None:
        self._tabs: list[Watched] = []
        with gr.Column(elem_classes="plumbing") as self._first:
            self._no_progress = gr.HTML()

    def watch(
        self,
        parts: Callable[..., dict[str, Part]],
        outputs: Mapping[str, Any],
        inputs: Sequence[Any] = (),
    ) -> Watched:
        """Have a tab asked whenever one of its parts has changed. See `Watched`."""
        with self._first:
            tab = Watched(parts, outputs, inputs, gr.State({}), hidden_text())
        self._tabs.append(tab)
        return tab

    def wire(self, page: gr.Blocks, timer: gr.Timer) -> None:
        """Connect events; called when all tabs are watched."""
        pulses = [tab.pulse for tab in self._tabs]
        inputs = [component for tab in self._tabs for component in (tab.shown, *tab.inputs)]
        page.load(self.ask, inputs, pulses, **POLL)
        timer.tick(self.ask, inputs, pulses, trigger_mode="once", **POLL)
        for tab in self._tabs:
            # A change during an answer waits for its end, and is not lost.
            tab.pulse.change(
                tab.poll,
                [tab.shown, *tab.inputs],
                [tab.shown, *tab.outputs.values()],
                trigger_mode="always_last",
                **POLL,
            )
        # Gradio's page stops to listen when its last event is answered. An event that it sends in
        # just that moment is done, but not heard of; any later one makes it listen again.
        gr.Timer(_RESCUE_SECONDS).tick(
            lambda: None, outputs=None, trigger_mode="multiple", **PRIVATE
        )

    def lighten(self, page: gr.Blocks) -> None:
        """Have events without a spinner tell nobody how far they are; called when all are there.

        Whenever an event begins or ends, gradio's page tells every output of any event so far, seen
        or not: with 220 of them a page on which nothing happened took a fifth of a core.
        """
        for event in page.fns.values():
            if event.show_progress == "hidden":
                event.show_progress_on = [self._no_progress]

    def ask(self, request: gr.Request, *values: Any) -> list[Any]:
        """The pulses: another one for each tab of which something changed."""
        rest, answer = list(values), []
        for tab in self._tabs:
            shown, *own = (rest.pop(0) for _ in range(1 + len(tab.inputs)))
            new = changed(shown, tab.parts(shown, *own, request))
            answer.append(token_hex(8) if new else gr.skip())
        return answer
