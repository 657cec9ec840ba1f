"""What gradio keeps of each open page: the values of its gr.State components, and nothing more.

Gradio's own also keeps a description of all 291 components, for links into the middle of a page,
which the studio has none of. It took 0.54 MB a page, never given back, and some tenths of a second
in which nobody else was answered.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

MOST_PAGES = 200
"""Pages whose values are kept; those that asked for nothing for longest are forgotten first."""


class PageState(SessionState):
    """The values of one page."""

    def __init__(self, page: gr.Blocks) -> None:
        # It describes the components that it finds in `blocks`.
        super().__init__(SimpleNamespace(default_config=page.default_config, blocks={}))  # type: ignore[arg-type]

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class PageStates(StateHolder):
    """Those of all pages."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = PageState(self.blocks)
        return super().__getitem__(session_id)


def keep_little(page: gr.Blocks) -> None:
    """Have a page that was launched keep its values so."""
    states = PageStates()
    states.set_blocks(page)
    states.capacity = MOST_PAGES
    page.app.state_holder = states
