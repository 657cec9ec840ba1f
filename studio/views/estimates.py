"""An estimated accuracy as it is shown: with its interval, never as if it were known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studio.scores.estimate import Estimate
from studio.views.markup import stat


def estimate_stat(found: Estimate | None) -> str:
    """One figure in HTML, empty when there is none."""
    if found is None:
        return ""
    low, high = round(100 * found.low), round(100 * found.high)
    value = f"about {100 * found.accuracy:.0f} %"
    return stat(value, "right, estimated", hint=f"{low} to {high} %, told without labels")


def estimate_of(result: Mapping[str, Any], name: str = "accuracy") -> Estimate | None:
    """What a run's result estimates; None for runs that made no estimate.

    name: "accuracy" or "zero_shot_accuracy".
    """
    values = [result.get(f"estimated_{name}{end}") for end in ("", "_low", "_high")]
    found = [float(value) for value in values if isinstance(value, (int, float))]
    return Estimate(*found) if len(found) == 3 else None
