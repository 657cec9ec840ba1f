from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.session import selections
from studio.session.selections import Selections
from studio.session.source import AT_HAND, OpenedRun


def test_a_selection_comes_back_in_its_order() -> None:
    kept = Selections()
    key = kept.put(source=OpenedRun("r"), indices=[5, 2, 9], text="three")
    found = kept.get(key)
    assert found is not None
    assert (found.source, found.indices.tolist(), found.text) == (
        OpenedRun("r"),
        [5, 2, 9],
        "three",
    )
    assert found.indices.dtype == np.int64
    assert len(found) == 3


def test_an_image_is_in_it_once() -> None:
    kept = Selections()
    found = kept.get(kept.put(source=AT_HAND, indices=[4, 1, 4, 0, 1], text=""))
    assert found is not None
    assert found.indices.tolist() == [4, 1, 0]


def test_nobody_can_change_it_afterwards() -> None:
    kept, mine = Selections(), np.array([1, 2, 3])
    key = kept.put(source=AT_HAND, indices=mine, text="")
    mine[0] = 7
    found = kept.get(key)
    assert found is not None
    assert found.indices.tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        found.indices[0] = 7


@pytest.mark.parametrize("key", [None, "", "guess", 3, ["x"], {"a": 1}])
def test_what_is_not_known_is_none(key: Any) -> None:
    assert Selections().get(key) is None


def test_the_longest_unused_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selections, "_SELECTIONS", 3)
    kept = Selections()
    keys = [kept.put(source=AT_HAND, indices=[i], text="") for i in range(3)]
    assert kept.get(keys[0]) is not None  # used again: the second is now the oldest
    kept.put(source=AT_HAND, indices=[3], text="")
    assert kept.get(keys[1]) is None
    assert kept.get(keys[0]) is not None


def test_the_images_of_all_have_a_bound_but_the_last_always_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(selections, "_IMAGES", 100)
    kept = Selections()
    first = kept.put(source=AT_HAND, indices=range(60), text="")
    second = kept.put(source=AT_HAND, indices=range(60), text="")
    assert kept.get(first) is None
    assert kept.get(second) is not None
    large = kept.put(source=AT_HAND, indices=range(500), text="")
    found = kept.get(large)
    assert found is not None
    assert len(found) == 500
