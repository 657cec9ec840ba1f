from __future__ import annotations

from studio.scores.estimate import Estimate
from studio.views.estimates import estimate_stat


def test_an_estimate_is_never_shown_without_its_interval() -> None:
    html = estimate_stat(Estimate(0.617, 0.5, 0.742))
    assert "about 62 %" in html
    assert "50 to 74 %" in html
    assert estimate_stat(None) == ""
