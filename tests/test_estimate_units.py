"""What the estimate is fitted to: parts of labelled sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

TOOLS = Path(__file__).resolve().parents[1] / "tools"


def test_parts_of_a_set_have_vectors_and_labels_of_their_own_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(TOOLS)
    from estimate_units import PRESENT, REPLACED, SUBSETS, TAILS, Set, parts

    classes, images = 8, 80
    labels = np.arange(images) % classes
    sets = [
        Set(
            [f"{word} {c}" for c in range(classes)],
            torch.zeros(images, 3),
            torch.arange(classes).float().repeat(3, 1).T + shift,
            labels,
            {},
        )
        for word, shift in (("own", 0), ("foreign", 100))
    ]
    found = list(parts(sets[0], sets[1:]))
    assert len(found) == 1 + len(PRESENT) + len(TAILS) + REPLACED + SUBSETS
    for part in found:
        assert len(part.names) == len(part.vectors)
        assert len(part.rows) == len(part.labels)
        for name, vector in zip(part.names, part.vectors, strict=True):
            word, number = name.split()
            assert vector[0] == int(number) + (100 if word == "foreign" else 0)
        for row, label in zip(part.rows, part.labels, strict=True):
            mine = f"own {labels[row]}"
            assert part.names[label] == mine if label >= 0 else mine not in part.names
    replaced = [part for part in found if part.kind == "names"]
    assert all(np.mean(part.labels == -1) == 0.5 for part in replaced)
