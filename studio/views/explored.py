"""What stands at the top of the Explore tab: the outcome in a line and figures, keys and signs."""

from __future__ import annotations

from studio.runs.outcome import Outcome
from studio.runs.result import RunResult
from studio.scores.estimate import Estimate
from studio.views.numbers import about, count, interval, percent
from studio.views.render import render


def summary(outcome: Outcome, result: RunResult | None = None, *, problem: str = "") -> str:
    """The outcome in a line and a few figures, in HTML.

    Args:
        outcome: the labels that are looked at.
        result: what came of the run; its estimates are those of its first and of its last labels.
        problem: why there are no pictures.
    """
    judged, found = outcome.stage != "zero-shot", result or RunResult()
    before, final = found.estimated_zero_shot_accuracy, judged and outcome.stage != "phase1"
    after = found.estimated_accuracy if final else None
    clean = found.estimated_clean_precision if final else None
    share, word = percent(outcome.clean_share), "clean" if judged else "confident"
    figures = [(count(len(outcome)), "images", "")]
    figures.append((share, "of the labels clean" if judged else "confident labels", ""))
    if judged:
        figures.append((percent(float(outcome.disagree.mean())), "models disagree", ""))
    elif before is not None:
        figures.append(_figure("right, estimated", before))
    if clean is not None:
        figures.append(_figure("right among the clean, estimated", clean))
    if outcome.truth is not None and (known := outcome.truth >= 0).any():
        right, hint = outcome.labels[known] == outcome.truth[known], "by sub-folder names"
        figures.append((percent(float(right.mean()), digits=1), "right", hint))
        if (chosen := outcome.clean[known]).any():
            among = percent(float(right[chosen].mean()), digits=1)
            figures.append((among, f"right among the {word}", hint))
    return render(
        "explore/summary.html",
        problem=problem,
        stage=outcome.stage,
        before=before,
        after=after,
        share=share,
        figures=figures,
    )


def _figure(label: str, estimate: Estimate) -> tuple[str, str, str]:
    return about(estimate), label, f"{interval(estimate)}, without true labels"


def keys() -> str:
    """The list of keys and signs, in HTML."""
    return render("explore/keys.html")
