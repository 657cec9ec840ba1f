"""The way numbers and lists of names are written, the same on every tab and in the terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.scores.estimate import Estimate

UNKNOWN = "–"


def percent(share: float | None, *, digits: int = 0) -> str:
    """A share in [0, 1] as a percentage; an en dash when it is not known."""
    if share is None or not math.isfinite(share):
        return UNKNOWN
    return f"{100 * share:.{digits}f} %"


def count(number: int | None) -> str:
    """A whole number with thin spaces between thousands; an en dash when it is not known."""
    return UNKNOWN if number is None else f"{number:,}".replace(",", "\u202f")


def plural(number: int, one: str, many: str = "") -> str:
    """`1 image`, `2 images`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def classes_of(number: int, whole: int) -> str:
    """`1 class of 11 has`, `2 classes of 11 have`."""
    return (
        f"{plural(number, 'class', 'classes')} of {count(whole)} {'has' if number == 1 else 'have'}"
    )


def some(names: Sequence[str], most: int = 5) -> str:
    """The first few of some names, and how many there are besides: `cat, dog and 3 more`."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {count(rest)} more" if rest > 0 else "")


def them(number: int) -> str:
    """What so many things are called that were named before: `it` or `them`."""
    return "it" if number == 1 else "them"


def duration(seconds: float | None) -> str:
    """Seconds for people: `8 s`, `2 min 5 s`, `1 h 4 min`; an en dash when not known."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return UNKNOWN
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(bytes: int) -> str:
    """Bytes for people: `3 kB`, `3.4 MB`, `1.25 GB`."""
    if bytes < 1e5:
        return f"{bytes / 1e3:,.0f} kB"
    return f"{bytes / 1e6:,.1f} MB" if bytes < 1e9 else f"{bytes / 1e9:,.2f} GB"


def about(estimate: Estimate) -> str:
    """The middle of an estimate: `about 62 %`. It never stands without its `interval`."""
    return f"about {percent(estimate.accuracy)}"


def interval(estimate: Estimate) -> str:
    """`50 to 74 %`."""
    return f"{100 * estimate.low:.0f} to {percent(estimate.high)}"


def width(share: float) -> str:
    """A share as the width of a bar in per cent: `0.0` to `100.0`, whatever it is."""
    return f"{100 * min(1.0, max(0.0, share if math.isfinite(share) else 0.0)):.1f}"


def index_of(text: object, length: int) -> int | None:
    """The number of one of `length` things from digits that a page sent; None for anything else."""
    if not isinstance(text, str) or not (text.isascii() and text.isdigit() and len(text) <= 9):
        return None
    return int(text) if int(text) < length else None


def slug(text: str) -> str:
    """A text as it stands in an address: `Clean probability` becomes `clean-probability`."""
    return "-".join(re.findall(r"[a-z0-9]+", text.lower()))
