"""Small pieces of HTML, the same on every tab.

Everything that comes from outside (file names, class names, messages) passes through `esc`.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence


def esc(text: object) -> str:
    """Text made safe for HTML, inside elements and inside quoted attributes."""
    return html.escape(str(text), quote=True)


def stat(value: str, label: str, *, hint: str = "") -> str:
    """One figure with its name beneath; the hint is shown in small print."""
    small = f'<span class="stat-hint">{esc(hint)}</span>' if hint else ""
    return (
        f'<div class="stat"><span class="stat-value">{esc(value)}</span>'
        f'<span class="stat-label">{esc(label)}</span>{small}</div>'
    )


def stats(items: Iterable[str]) -> str:
    """A row of `stat`s."""
    return f'<div class="stats">{"".join(items)}</div>'


def notice(text: str, *, kind: str = "info", title: str = "") -> str:
    """A sentence or two that must be seen. kind: info, good, warn or bad; told by a word as "
    "well.
    """
    head = f"<strong>{esc(title)}</strong> " if title else ""
    return f'<div class="notice notice-{esc(kind)}"><p>{head}{esc(text)}</p></div>'


def empty(text: str) -> str:
    """What stands where there is nothing to show yet."""
    return f'<div class="empty"><p>{esc(text)}</p></div>'


def bar(share: float, *, label: str, text: str = "") -> str:
    """A horizontal bar with a text alternative. share in [0, 1]."""
    width = 100 * min(1.0, max(0.0, share if math.isfinite(share) else 0.0))
    return (
        f'<div class="bar" role="img" aria-label="{esc(label)}"><span style="width:{width:.1f}%">'
        f"</span></div>{f'<span class=bar-text>{esc(text)}</span>' if text else ''}"
    )


def progress(done: int, total: int, *, label: str, detail: str = "") -> str:
    """A progress bar; without a total it only says that something is under way."""
    if total > 0:
        share = min(1.0, max(0.0, done / total))
        inside = f'<span style="width:{100 * share:.1f}%"></span>'
        value = f'aria-valuenow="{round(100 * share)}" aria-valuemin="0" aria-valuemax="100"'
        kind = "progress"
    else:
        inside, value, kind = "<span></span>", "", "progress progress-open"
    return (
        f'<div class="progress-line"><span class="progress-label">{esc(label)}</span>'
        f'<span class="progress-detail">{esc(detail)}</span></div>'
        f'<div class="{kind}" role="progressbar" aria-label="{esc(label)}" {value}>{inside}</div>'
    )


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "", numeric: int = 0
) -> str:
    """A plain table. Cells are escaped; the last `numeric` columns are set flush right."""
    first_number = len(head) - numeric

    def kind(column: int) -> str:
        return ' class="num"' if column >= first_number else ""

    header = "".join(f'<th scope="col"{kind(i)}>{esc(h)}</th>' for i, h in enumerate(head))
    body = "".join(
        "<tr>" + "".join(f"<td{kind(i)}>{esc(cell)}</td>" for i, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    title = f"<caption>{esc(caption)}</caption>" if caption else ""
    return (
        f'<div class="table-wrap"><table class="plain">{title}<thead><tr>{header}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def details(summary: str, body: str, *, key: str = "", opened: bool = False) -> str:
    """Something to unfold. `body` is HTML; `key` lets the page keep it open over updates."""
    keep = f' data-keep="{esc(key)}"' if key else ""
    return (
        f'<details class="more"{keep}{" open" if opened else ""}>'
        f"<summary>{esc(summary)}</summary>{body}</details>"
    )
