"""Where a page is given a table of labels: a field for it, and what is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr

from studio.images.uploads import reading
from studio.session.label_table import check_size
from studio.views.render import render

TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl")
"""Endings of tables."""


def table_field(about: str, button: str, *, elem_id: str) -> gr.UploadButton:
    """A place to drop a table, and a button for it. about: what comes of it, in a sentence."""
    with gr.Column(elem_id=elem_id, elem_classes="drop-zone"):
        gr.HTML(render("data/drop.html", text=about, endings=TABLES))
        return gr.UploadButton(button, file_types=list(TABLES), size="sm", min_width=120)


@contextmanager
def table_at(file: str | None) -> Iterator[tuple[Path, list[str], Callable[[str], None]]]:
    """An uploaded table, which is gone afterwards; the notes on it, and what takes one.

    Raises:
        StudioError: it did not arrive, is too large, or what the block raises.
    """
    notes: list[str] = []
    with reading(file) as path:
        check_size(path)
        yield path, notes, notes.append
