"""What stands at the top of the Explore tab: the outcome in a line and figures, keys and signs."""

from __future__ import annotations

from studio.runs.outcome import Outcome
from studio.scores.estimate import Estimate
from studio.views.numbers import count, percent
from studio.views.render import render

_NOTES = {
    "zero-shot": "These are labels before training: no label has been judged yet, so that images "
    "are sorted by their confidence.",
    "phase1": "These are the labels after Phase I; no classifier has been trained on them yet.",
}
def summary(
    outcome: Outcome,
    *,
    problem: str = "",
    before: Estimate | None = None,
    after: Estimate | None = None,
    clean: Estimate | None = None,
) -> str:
    """The outcome in a line and a few figures, in HTML.

    Args:
        outcome: the labels that are looked at.
        problem: why there are no pictures.
        before: the estimate of how many zero-shot labels are right.
        after: of the final labels; None while these are not looked at.
        clean: of the clean ones among them.
    """
    share = float(outcome.clean.mean()) if len(outcome) else 0.0
    judged = outcome.stage != "zero-shot"
    figures = [(count(len(outcome)), "images", "")]
    figures.append((percent(share), "of the labels clean" if judged else "confident labels", ""))
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
            word = "right among the clean" if judged else "right among the confident"
            figures.append((percent(float(right[chosen].mean()), digits=1), word, hint))
    return render(
        "explore/summary.html",
        problem=problem,
        note=_NOTES.get(outcome.stage, ""),
        line=_line(share, before, after) if judged and after is not None else "",
        figures=figures,
    )


def _figure(label: str, estimate: Estimate) -> tuple[str, str, str]:
    low, high = round(100 * estimate.low), round(100 * estimate.high)
    return f"about {percent(estimate.accuracy)}", label, f"{low} to {high} %, without true labels"


def _line(share: float, before: Estimate | None, after: Estimate) -> str:
    """`57 % → about 74 % right (66 to 82), 83 % of the labels clean`."""
    first = f"{percent(before.accuracy)} → " if before is not None else ""
    interval = f"{round(100 * after.low)} to {round(100 * after.high)}"
    return (
        f"{first}about {percent(after.accuracy)} right ({interval}), "
        f"{percent(share)} of the labels clean"
    )


def keys() -> str:
    """The list of keys and signs, in HTML."""
    return render("explore/keys.html")
