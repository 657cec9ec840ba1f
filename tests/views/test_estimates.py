from __future__ import annotations

from studio.scores.estimate import Estimate
from studio.views.estimates import estimate_of, estimate_stat

RESULT = {
    "estimated_accuracy": 0.617, "estimated_accuracy_low": 0.5, "estimated_accuracy_high": 0.742,
}  # fmt: skip


def test_an_estimate_is_never_shown_without_its_interval() -> None:
    html = estimate_stat(Estimate(0.617, 0.5, 0.742))
    assert "about 62 %" in html
    assert "50 to 74 %" in html
    assert estimate_stat(None) == ""


def test_a_result_tells_its_estimates_and_an_old_one_has_none() -> None:
    assert estimate_of(RESULT) == Estimate(0.617, 0.5, 0.742)
    assert estimate_of(RESULT, "zero_shot_accuracy") is None
    assert estimate_of({"accuracy": 0.9}) is None
