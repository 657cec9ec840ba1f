from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from studio.runs.outcome import ANSWERED, TOGETHER, Outcome
from studio.runs.result import RunResult
from studio.scores.estimate import Estimate
from studio.views.cards import summary
from studio.views.render import render

Make = Callable[..., Outcome]
RESULT = RunResult(
    estimated_zero_shot_accuracy=Estimate(0.57, 0.45, 0.69),
    estimated_accuracy=Estimate(0.74, 0.66, 0.82),
    estimated_clean_precision=Estimate(0.88, 0.8, 0.95),
)


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_estimate_stands_where_the_share_of_clean_labels_stands(outcome: Make) -> None:
    whole = outcome(clean=np.arange(60) < 50)
    said = text(summary(whole, RESULT))
    assert "57 % → about 74 % right (66 to 82 %), 83 % of the labels clean" in said
    assert "about 88 % right among the clean, estimated 80 to 95 %" in said
    early = text(summary(outcome(stage="phase1"), RESULT))
    assert "→" not in early, "of another stage nothing is estimated"
    assert "estimated" not in early
    old = replace(RESULT, estimated_zero_shot_accuracy=None, estimated_clean_precision=None)
    assert "about 74 % right (66 to 82 %), 83 %" in text(summary(whole, old))
    assert "estimated" not in text(summary(whole))


def test_before_training_there_is_confidence_only(outcome: Make) -> None:
    said = text(summary(outcome(stage="zero-shot"), RESULT))
    assert "confident labels" in said
    assert "about 57 % right, estimated" in said
    assert "clean" not in said
    assert "models disagree" not in said


def test_the_truth_is_told_where_it_is_known(outcome: Make) -> None:
    whole = outcome(truth=np.where(np.arange(60) < 30, np.arange(60) % 3, -1))
    assert text(summary(whole)).count("by sub-folder names") == 2
    assert "100.0 % right" in text(summary(whole))
    assert "sub-folder" not in summary(outcome())


def test_missing_pictures_are_said(outcome: Make) -> None:
    html = summary(outcome(), problem="<gone>.")
    assert "without pictures" in html
    assert "&lt;gone&gt;" in html


def test_every_sign_and_key_is_explained() -> None:
    said = text(render("explore/keys.html"))
    for sign in ("≠", "✓", "→", "✕", "●", "◆", "○", "Undo", "likeliest names"):
        assert sign in said


def test_labels_that_follow_answers_are_none_of_those_that_were_estimated(outcome: Make) -> None:
    for stage, words in ((ANSWERED, "follow your answers"), (TOGETHER, "were made together")):
        said = text(summary(outcome(stage=stage), RESULT))
        assert words in said
        assert "74 %" not in said, "the estimate is of the labels after training"
        assert "57 %" not in said
        assert "models disagree" not in said
