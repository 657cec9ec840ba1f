"""Fit and measure how sure labels are that follow answers (`studio.ask.confidence`).

    OMP_NUM_THREADS=1 python tools/fit_confidence.py DATA [--sets SET ...] [--cache DIR]

DATA holds sets of the form SET/train/<class>/<image> with SET/classes.txt. No training. For each
set, for a quarter of an answer to two answers for each class about images that the studio chooses,
by a person who is always right and by a judge who is wrong one time in ten: labels follow, and the
images without an answer are looked at. A table shows each set with a line that was fitted to the
others; the last line is fitted to all, for `studio.ask.confidence.LINE`. True labels of `train` are
used here, and only here.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure_answers import DataSet, chosen, data_set
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from studio.ask.confidence import CERTAIN, FEWEST, Answered, Line, confidence_of
from studio.bench.judging import spoilt
from studio.clip.backbone import load_backbone

EACH = (0.25, 0.5, 1.0, 1.5, 2.0)
WRONG = (0.0, 0.1)
PARTS = 10


@dataclass(frozen=True)
class Case:
    """Labels after some answers, of the images without one. probability: (n,); right: (n,)."""

    name: str
    answered: Answered
    probability: NDArray[np.float64]
    right: NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", metavar="SET")
    parser.add_argument("--cache", type=Path, default=Path("build/estimate-cache"))
    options = parser.parse_args()
    backbone = load_backbone("embedded", device="cpu")
    names = options.sets or sorted(p.parent.name for p in options.data.glob("*/classes.txt"))
    cases: list[Case] = []
    for name in names:
        data = data_set(backbone, options.data / name, options.cache)
        cases += [case(data, each, wrong) for each in EACH for wrong in WRONG]
    found = {n: fit([c for c in cases if c.name != n]) for n in names}
    print(
        "| answers a class | mean probability | right | off, before | off | apart, before | apart |"
    )
    print("|---" * 7 + "|")
    for each in EACH:
        print(row(each, [c for c in cases if c.answered.number == asked(each, c)], found))
    told = [c for c in cases if c.answered.number >= FEWEST * c.answered.classes]
    errors = [abs(angle(mean(c, found[c.name])) - angle(c.right.mean())) for c in told]
    spread = float(np.quantile(errors, 0.9))
    line = fit(cases)
    weights = f"base={line.base:.2f}, odds={line.odds:.2f}, answers={line.answers:.2f}, "
    print(f"\n{weights}agreed={line.agreed:.2f}, spread={spread:.2f}")


def asked(each: float, one: Case) -> int:
    """How many images are asked about."""
    return round(each * one.answered.classes)


def case(data: DataSet, each: float, wrong: float) -> Case:
    """The labels after so many answers."""
    order = chosen(data, round(each * data.classes))
    right, first = data.right[order], data.relabeller.first.argmax(1)[order]
    said = spoilt(right, data.start.probabilities[order], wrong=wrong, seed=0)
    told = dict(zip(order, said.tolist(), strict=True))
    found = data.relabeller({}, judged=told) if wrong else data.relabeller(told)
    free = np.setdiff1d(np.arange(len(data.right)), order)
    labels = found.labels[free]
    return Case(
        data.name,
        Answered(len(order), int((said == first).sum()), data.classes),
        found.probabilities[free, labels].double().numpy(),
        (labels == data.right[free]).numpy(),
    )


def fit(cases: Sequence[Case]) -> Line:
    """The line by logistic regression, every case weighing the same."""
    columns = [
        np.column_stack(
            [
                np.log(sure / (1 - sure)),
                np.full(len(sure), np.log2(c.answered.each)),
                np.full(len(sure), c.answered.share),
            ]
        )
        for c in cases
        for sure in [np.clip(c.probability, CERTAIN, 1 - CERTAIN)]
    ]
    weights = np.concatenate([np.full(len(c.right), 1000 / len(c.right)) for c in cases])
    right = np.concatenate([c.right for c in cases])
    model = LogisticRegression(C=1e6, max_iter=1000).fit(
        np.vstack(columns), right, sample_weight=weights
    )
    odds, answers, agreed = model.coef_[0].tolist()
    return Line(float(model.intercept_[0]), odds, answers, agreed, 0.0)


def mean(one: Case, line: Line) -> float:
    """Of the confidence: the estimate."""
    return float(confidence_of(one.probability, one.answered, line=line).mean())


def angle(share: float) -> float:
    return float(np.arcsin(np.sqrt(share)))


def apart(sure: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """By how much confidence and right share differ, mean of ten parts from least to most sure."""
    parts = np.array_split(np.argsort(sure, kind="stable"), PARTS)
    return float(np.mean([abs(sure[p].mean() - right[p].mean()) for p in parts]))


def row(each: float, cases: Sequence[Case], lines: dict[str, Line]) -> str:
    """Means over the sets and both who answer, in per cent and points."""
    own = [confidence_of(c.probability, c.answered, line=lines[c.name]) for c in cases]
    columns = (
        [c.probability.mean() for c in cases],
        [c.right.mean() for c in cases],
        [abs(c.probability.mean() - c.right.mean()) for c in cases],
        [abs(o.mean() - c.right.mean()) for o, c in zip(own, cases, strict=True)],
        [apart(c.probability, c.right) for c in cases],
        [apart(o, c.right) for o, c in zip(own, cases, strict=True)],
    )
    cells = [f"{100 * statistics.mean(map(float, column)):.1f}" for column in columns]
    return f"| {each:g} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
