from __future__ import annotations

import base64
from typing import Any

import numpy as np

from studio.analysis.map_points import packed
from tests.views.conftest import make_outcome


def read(text: str, kind: str) -> list[Any]:
    return np.frombuffer(base64.b64decode(text), kind).tolist()


def test_the_page_gets_arrays_of_the_drawn_images_only() -> None:
    made = make_outcome(10, truth=np.array([-1, 0, 1, 2, 0, 1, 2, 0, 1, 2]))
    indices = np.array([0, 5, 9])
    plane = np.arange(20, dtype=np.float32).reshape(10, 2) / 20
    found = packed(indices, plane, {"final": made}, made.truth)
    assert found["number"] == 3
    assert read(found["index"], "<u4") == [0, 5, 9]
    assert read(found["x"], "<f4") == plane[indices, 0].tolist()
    assert read(found["y"], "<f4") == plane[indices, 1].tolist()
    assert read(found["truth"], "<u2") == [65535, 1, 2]
    stage = found["stages"]["final"]
    assert read(stage["label"], "<u2") == made.labels[indices].tolist()
    assert read(stage["confidence"], "u1") == [191] * 3
    assert read(stage["clean"], "u1") == np.rint(255 * made.clean_probability[indices]).tolist()
    flags = made.clean[indices].astype(int) + 2 * made.disagree[indices].astype(int)
    assert read(stage["flags"], "u1") == flags.tolist()
    assert packed(indices, plane, {}, None)["truth"] == ""


def test_a_probability_that_is_none_is_drawn_as_zero() -> None:
    made = make_outcome(3, clean_probability=np.array([np.nan, 2.0, -1.0], np.float32))
    found = packed(np.arange(3), np.zeros((3, 2), np.float32), {"a": made}, None)
    assert read(found["stages"]["a"]["clean"], "u1") == [0, 255, 0]
