from __future__ import annotations

import pytest

from studio.analysis.verdict import verdict
from studio.scores.estimate import Estimate
from studio.views.render import part


def test_an_estimate_is_never_shown_without_its_interval() -> None:
    html = part("estimate", Estimate(0.617, 0.5, 0.742))
    assert "about 62 %" in html
    assert "50 to 74 %" in html
    assert part("estimate", None) == ""


@pytest.mark.parametrize(
    ("estimate", "level", "classes", "kind"),
    [
        (Estimate(0.84, 0.70, 0.92), "promising", 10, "good"),
        (Estimate(0.70, 0.50, 0.80), "promising", 10, "good"),
        (Estimate(0.69, 0.60, 0.80), "promising", 10, "warn"),  # not enough of them are right
        (Estimate(0.75, 0.49, 0.90), "promising", 10, "warn"),  # fewer than half may be right
        (Estimate(0.48, 0.35, 0.61), "promising", 10, "warn"),  # the model "knows" them, and yet
        (Estimate(0.18, 0.12, 0.30), "doubtful", 10, "bad"),
        (Estimate(0.84, 0.70, 0.92), "near chance", 10, "bad"),
        (Estimate(0.55, 0.50, 0.70), "", 2, "warn"),  # just as far from guessing as may be
        (Estimate(0.54, 0.50, 0.70), "", 2, "bad"),
    ],
)
def test_colour_and_words_follow_the_estimate(
    estimate: Estimate, level: str, classes: int, kind: str
) -> None:
    found = verdict(estimate, level, classes)
    assert found is not None
    assert found.kind == kind
    assert ("guessing" in found.title) is (kind == "bad")
    if kind != "bad":
        assert f"{100 * estimate.low:.0f} to {100 * estimate.high:.0f} %" in found.title
    assert ("Many are wrong" in found.text) is (kind == "warn")


def test_without_an_estimate_only_a_warning_can_be_given() -> None:
    assert verdict(None, "promising", 3) is None
    found = verdict(None, "near chance", 3)
    assert found is not None
    assert found.kind == "bad"
