"""What the handlers of all tabs have in common: errors as one line, pages, fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from studio.errors import StudioError

MODEL_INFO = (
    "`embedded` needs no network. Or a local checkpoint: its folder, or "
    "ARCHITECTURE=FILE.safetensors."
)


def said(work: Callable[[], Any]) -> Any:
    """Do it; what a user can put right is shown as one line, and nothing that was typed is lost."""
    try:
        return work()
    except StudioError as error:
        raise gr.Error(
            str(error), duration=8, print_exception=False, title="Please check"
        ) from None


def page_of(request: gr.Request | None, tab: str) -> str:
    """What tells one tab of one open page from all others; empty outside of a browser."""
    page = str(getattr(request, "session_hash", "") or "")
    return f"{page}/{tab}" if page else "nobody"


def field_of(value: str) -> Any:
    """What a field shows. Fields take no text before they show what the studio knows, or the first
    answer would overwrite what was typed meanwhile.
    """
    return gr.update(value=value, interactive=True)
