"""The scores that the studio shows: what each is called, and where it stands.

Curves, Compare, a run's facts and the tables of benchmarks read this table; none has a list of its
own. A new score takes at most four files:

1. `scores/metrics.py`: what it is, as a function of labels and truth;
2. `runs/scoring.py`: of which labels it is taken, under its name (that alone records it);
3. `runs/result.py`: a field of that name, where it belongs into result.json;
4. here: its title and where it is shown.

A field `estimated_NAME` of a result is shown beside the score of that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Where = Literal["curve", "compare", "facts", "bench"]


@dataclass(frozen=True)
class ShownScore:
    """One score. name: in the records of a run and in its result; title: on the page; short: at the
    head of a column; unit: "share" is shown as a percentage, "area" (under a curve) as a number;
    hint: what has to be known to read it; where: what shows it.
    """

    name: str
    title: str
    short: str
    unit: Literal["share", "area"] = "share"
    hint: str = ""
    where: frozenset[Where] = frozenset({"compare"})

    def text(self, value: float | None) -> str:
        """A value with two or three digits; "" when it is not known."""
        if value is None:
            return ""
        return f"{100 * value:.1f} %" if self.unit == "share" else f"{value:.3f}"


_TRUTH = "True labels are sub-folder names. They are compared here only, never trained on."
_CLEAN = "Clean: the other model keeps the label."
_EVERYWHERE: frozenset[Where] = frozenset({"curve", "compare", "facts", "bench"})

SCORES = (
    ShownScore(
        "zero_shot_accuracy", "Accuracy before training", "zero-shot", hint=_TRUTH,
        where=frozenset({"compare", "facts", "bench"}),
    ),
    ShownScore("accuracy", "Accuracy", "accuracy", hint=_TRUTH, where=_EVERYWHERE),
    ShownScore(
        "single_accuracy", "Accuracy of one model alone", "one model", hint=_TRUTH,
        where=frozenset({"compare", "bench"}),
    ),
    ShownScore(
        "clean_fraction", "Share of clean labels", "share of clean labels", hint=_CLEAN,
        where=frozenset({"compare", "facts", "bench"}),
    ),
    ShownScore(
        "clean_precision", "Right among clean", "precision of clean labels", hint=_TRUTH,
        where=_EVERYWHERE,
    ),
    ShownScore("agreement", "Agreement of the two models", "agreement"),
)  # fmt: skip


def shown(where: Where) -> list[ShownScore]:
    """The scores that stand there, in order."""
    return [score for score in SCORES if where in score.where]
