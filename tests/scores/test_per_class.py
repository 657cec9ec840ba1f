from __future__ import annotations

import numpy as np
import pytest

from studio.scores.per_class import per_class


def test_the_estimate_is_shared_out_by_confidence():
    labels = np.array([0] * 10 + [1] * 10 + [2] * 4)
    confidence = np.array([0.8] * 10 + [0.4] * 10 + [0.6] * 4, dtype=np.float32)
    found = per_class(0.6, labels=labels, confidence=confidence, classes=4)
    assert found[0] == pytest.approx(0.8)
    assert found[1] == pytest.approx(0.4)
    assert np.isnan(found[2:]).all(), "too few images to tell"
    counts = np.array([10, 10])
    whole = per_class(0.6, labels=labels[:20], confidence=confidence[:20], classes=2)
    assert (whole * counts).sum() / 20 == pytest.approx(0.6)


def test_it_stays_a_share():
    labels, sure = np.array([0] * 5 + [1] * 95), np.array([1.0] * 5 + [0.1] * 95)
    assert per_class(0.9, labels=labels, confidence=sure, classes=2)[0] == 1.0
    assert np.isnan(per_class(0.9, labels=labels[:0], confidence=sure[:0], classes=2)).all()
