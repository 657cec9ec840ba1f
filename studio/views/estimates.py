"""An estimated accuracy as it is shown: with its interval, never as if it were known."""

from __future__ import annotations

from studio.scores.estimate import Estimate
from studio.views.markup import stat


def estimate_stat(found: Estimate | None) -> str:
    """One figure in HTML, empty when there is none."""
    if found is None:
        return ""
    low, high = round(100 * found.low), round(100 * found.high)
    value = f"about {100 * found.accuracy:.0f} %"
    return stat(value, "right, estimated", hint=f"{low} to {high} %, told without labels")
