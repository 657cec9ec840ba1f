"""Galleries of the Explore tab, without a browser."""

from __future__ import annotations

import gradio as gr
import pytest

from studio.analysis.gallery import Page
from studio.ui.explore.galleries import PagedCards


@pytest.mark.parametrize(
    ("asked", "images", "number", "turns"),
    [(0, 20, 0, (False, False)), (0, 60, 0, (False, True)), (1, 60, 1, (True, True)),
     (2, 60, 2, (True, False)), (9, 60, 2, (True, False)), (-1, 60, 0, (False, True))],
)  # fmt: skip
def test_a_page_can_be_turned_where_there_is_another(
    asked: int, images: int, number: int, turns: tuple[bool, bool]
) -> None:
    cards = PagedCards("clean")
    with gr.Blocks():
        cards.build()
    pages = {"clean": asked, "noisy": 7}
    shown = cards.show("<p>body</p>", Page.of(range(images), asked, size=24), pages)
    assert set(shown) == set(cards.outputs)
    assert (shown[cards.pager.back]["interactive"], shown[cards.pager.on]["interactive"]) == turns
    assert shown[cards.cards] == "<p>body</p>"
    assert f"of {images}" in shown[cards.pager.where]
    assert pages == {"clean": number, "noisy": 7}
