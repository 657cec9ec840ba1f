"""The pager of a gallery: which way can be turned, and where one is."""

from __future__ import annotations

import gradio as gr
import pytest

from studio.ui.explore.galleries import PagedCards


@pytest.mark.parametrize(
    ("number", "pages", "turns"),
    [(0, 1, (False, False)), (0, 3, (False, True)), (1, 3, (True, True)), (2, 3, (True, False))],
)
def test_a_page_can_be_turned_where_there_is_another(
    number: int, pages: int, turns: tuple[bool, bool]
) -> None:
    cards = PagedCards("clean")
    with gr.Blocks():
        cards.build()
    shown = cards.show("<p>body</p>", "25-48 of 60", number, pages)
    assert list(shown) == cards.outputs
    assert (shown[cards.back]["interactive"], shown[cards.on]["interactive"]) == turns
    assert shown[cards.cards] == "<p>body</p>"
    assert "25-48 of 60" in shown[cards.where]
    assert cards.show("")[cards.where] == ""
