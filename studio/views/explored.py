"""What stands at the top of the Explore tab: the outcome in a line and a few figures."""

from __future__ import annotations

from studio.runs.outcome import Outcome
from studio.runs.result import RunResult
from studio.views.render import render


def summary(outcome: Outcome, result: RunResult | None = None, *, problem: str = "") -> str:
    """The outcome in a line and a few figures, in HTML.

    Args:
        outcome: the labels that are looked at.
        result: what came of the run; its estimates are those of its first and of its last labels.
        problem: why there are no pictures.
    """
    found, final = result or RunResult(), outcome.stage not in ("zero-shot", "phase1")
    return render(
        "explore/summary.html",
        problem=problem,
        stage=outcome.stage,
        images=len(outcome),
        share=outcome.clean_share,
        disagree=float(outcome.disagree.mean()),
        before=found.estimated_zero_shot_accuracy,
        after=found.estimated_accuracy if final else None,
        clean=found.estimated_clean_precision if final else None,
        right=outcome.right_share(),
        among=outcome.right_share(outcome.clean),
    )
