"""An outcome of a run, as arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from studio.runs.outcome import Outcome

Make = Callable[..., Outcome]


def make_outcome(number: int = 60, classes: int = 3, **changes: Any) -> Outcome:
    noise = np.random.default_rng(0)
    labels = np.arange(number) % classes
    other = np.where(np.arange(number) % 5 == 0, (labels + 1) % classes, labels)
    clean = noise.permutation(number).astype(np.float32) / number
    values: dict[str, Any] = {
        "paths": tuple(f"folder/{i}.jpg" for i in range(number)),
        "class_names": tuple(f"class {c}" for c in range(classes)),
        "labels": labels,
        "confidence": np.full(number, 0.75, np.float32),
        "clean_probability": clean,
        "clean": clean > 0.4,
        "model_labels": np.stack([labels, other]),
        "model_clean_probability": np.stack([clean, 1 - clean]),
        "top_labels": np.stack([labels, (labels + 1) % classes], axis=1),
        "top_probabilities": np.tile(np.array([[0.75, 0.25]], np.float32), (number, 1)),
        "stage": "phase2",
    }
    return Outcome(**{**values, **changes})


@pytest.fixture
def outcome() -> Make:
    return make_outcome
