from __future__ import annotations

from types import SimpleNamespace

import gradio as gr

from studio.ui import states
from studio.ui.states import PageStates, keep_little


def test_a_page_keeps_its_values_and_no_description(monkeypatch) -> None:
    with gr.Blocks() as page:
        kept = gr.State([1])
        gr.Textbox("long" * 100)
    page.app = SimpleNamespace()  # type: ignore[assignment]
    keep_little(page)
    holder: PageStates = page.app.state_holder  # type: ignore[assignment]
    mine, other = holder["a"], holder["b"]
    mine[kept._id] = [2]
    assert holder["a"] is mine
    assert mine[kept._id] == [2]
    assert other[kept._id] == [1]
    assert "long" not in str(mine.config_values)
    assert not other.config_values


def test_only_so_many_pages_are_kept(monkeypatch) -> None:
    monkeypatch.setattr(states, "MOST_PAGES", 3)
    with gr.Blocks() as page:
        kept = gr.State("")
    page.app = SimpleNamespace()  # type: ignore[assignment]
    keep_little(page)
    holder = page.app.state_holder
    for name in "abcd":
        holder[name][kept._id] = name
        assert holder["a"][kept._id] == "a"  # it asks again and again
    assert sorted(holder.session_data) == ["a", "c", "d"]
    assert sorted(holder.time_last_used) == ["a", "c", "d"]
