"""The pieces of parts.html for callers that put HTML together in Python. New code calls `render`.

They return plain text: whoever puts it into a template has to say that it is `Markup`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from studio.views.render import part


def esc(text: object) -> str:
    """Text made safe for HTML, inside elements and inside quoted attributes."""
    return html.escape(str(text), quote=True)


def stat(value: str, label: str, *, hint: str = "") -> str:
    """One figure with its name beneath; the hint is shown in small print."""
    return str(part("stat", value, label, hint))


def stats(items: Iterable[str]) -> str:
    """A row of `stat`s."""
    return f'<div class="stats">{"".join(items)}</div>'


def notice(text: str, *, kind: str = "info", title: str = "") -> str:
    """A sentence or two that must be seen. kind: info, good, warn or bad; a word says it too."""
    return str(part("notice", text, kind, title))


def empty(text: str) -> str:
    """What stands where there is nothing to show yet."""
    return str(part("empty", text))


def bar(share: float, *, label: str, text: str = "") -> str:
    """A horizontal bar with a text alternative. share in [0, 1]."""
    return str(part("bar", share, label, text))


def progress(done: int, total: int, *, label: str, detail: str = "") -> str:
    """A progress bar; without a total it only says that something is under way."""
    return str(part("progress", done, total, label, detail))


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "", numeric: int = 0
) -> str:
    """A plain table. Cells are escaped; the last `numeric` columns are set flush right."""
    return str(part("table", head, rows, caption, numeric))


def details(summary: str, body: str, *, key: str = "", opened: bool = False) -> str:
    """Something to unfold. `body` is HTML; `key` lets the page keep it open over updates."""
    return str(part("details", summary, key, opened, caller=lambda: Markup(body)))
