"""Property-based tests that are the same every time and end soon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings


def quick(examples: int) -> Callable[[Any], Any]:
    """So many examples, always the same ones; nothing is kept between runs, no time is measured."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
