"""Fit the constants of studio/scores/estimate.py to labelled sets, and measure what they are worth.

    python tools/fit_estimate.py DATA [RUNS ...] [--apart NEW] [--cache DIR] [--write]

DATA holds sets of the form SET/{train,test}/<class>/<image> with SET/classes.txt; the train parts
are used. `--write` puts the constants into studio/scores/estimate.py. RUNS are folders of runs
(`--runs` of `fit`, `runs/` of `bench --out`) of CoFT on train parts or on what `bench --present`
and `--tail` leave of them; they are added to tools/estimate_runs.jsonl, from where they are taken
(`estimate_runs`). NEW holds sets that the lines are not fitted to: they only widen the intervals by
how far off the lines are there. True labels are used here, and only here.

Every set is estimated with constants fitted to the other sets only, its intervals too: these come
from the errors on each of the others, estimated in turn from the rest. Sets weigh the same, and so
does their whole against four of their parts (`estimate_units`). After training, whole runs weigh
20 times as much as what stands in for them; parts near chance, on which a run would train nothing,
weigh a quarter, and a set of which little else is left weighs less. `the choice included` leaves
the set out of the choice of indicators as well: each time, the best four of all are taken. The
demo set, which is drawn, is measured only.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from unittest import mock

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from estimate_runs import WholeRun, whole_runs  # noqa: E402 (needs the path above)
from estimate_units import DEMO, After, Unit, kept_units  # noqa: E402

from studio.scores import estimate  # noqa: E402
from studio.scores.estimate import Estimate, Evidence, Line, level_of  # noqa: E402
from studio.scores.names_fit import NamesFit  # noqa: E402

HELD = 0.95
"""Share of the errors on left-out sets that the interval covers. More than the nine in ten that are
promised, because the indicators were chosen by looking at these sets, and others are stranger."""

RIDGE = 0.1
NEAR_CHANCE = 0.25  # weight of parts on which a run would train nothing
BEFORE = ("confidence", "z", "near", "agreement")
AFTER = ("near", "names in use", "evenness", "likely")
SOURCE = ROOT / "studio" / "scores" / "estimate.py"


@dataclass(frozen=True)
class Row:
    """Labels of a unit. after: of labels after training, None for zero-shot ones."""

    unit: Unit
    accuracy: float
    after: After | None = None

    @property
    def fit(self) -> NamesFit | None:
        """What the estimate looks at of labels after training."""
        return None if self.after is None else self.after.fit

    @cached_property
    def weight(self) -> float:
        """In a mean over the rows of its set."""
        evidence = self.unit.evidence
        trained = level_of(evidence.estimate(), evidence.classes) != "near chance"
        return self.unit.weight * (1.0 if self.after is None or trained else NEAR_CHANCE)

    @property
    def chance(self) -> float:
        return 1 / self.unit.evidence.classes

    @property
    def target(self) -> float:
        """Logit of the accuracy above chance; bounded, for parts without any error."""
        skill = float(np.clip((self.accuracy - self.chance) / (1 - self.chance), 0.02, 0.97))
        return float(np.log(skill / (1 - skill)))


Look = Callable[[Row], Sequence[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--apart", type=Path, metavar="NEW")
    parser.add_argument("--cache", type=Path, default=Path("build/estimate-cache"))
    parser.add_argument("--write", action="store_true", help="into studio/scores/estimate.py")
    options = parser.parse_args()
    units = kept_units(options.data, options.cache)
    demo, units = [u for u in units if u.set == DEMO], [u for u in units if u.set != DEMO]
    runs = whole_runs(options.runs, options.data, options.cache)
    rows = rows_of(units, [run.unit for run in runs])
    new = [] if options.apart is None else kept_units(options.apart, options.cache)
    apart = rows_of([unit for unit in new if unit.set != DEMO])
    lines, left_out = {}, {}
    for name, own in rows.items():
        for kind, look in ((name, known), (f"{name}, without z", alone)):
            lines[kind] = fit(own, look, apart[name])
            left_out[kind] = by_left_out(own, apart[name], look)
        # Whoever knows less is no surer.
        less = lines[f"{name}, without z"]
        lines[f"{name}, without z"] = less._replace(spread=max(less.spread, lines[name].spread))
    alone_before, alone_after = left_out["before, without z"], left_out["after, without z"]
    print(table("Before training", rows["before"], left_out["before"]))
    print(table("Before training, z unknown", rows["before"], alone_before, z_known=False))
    print(chosen(rows["before"], BEFORE))
    print(table("After training", rows["after"], left_out["after"]))
    print(table("After training, z unknown", rows["after"], alone_after, z_known=False))
    print(chosen(rows["after"], AFTER))
    if apart["before"]:
        print(table("Sets apart, before training", apart["before"], left_out["before"]))
        print(table("Sets apart, after training", apart["after"], left_out["after"]))
    print(table("The demo set", [Row(u, u.accuracy) for u in demo], {DEMO: lines["before"]}))
    print(of_runs(runs, left_out["after"]))
    text = written(lines)
    print(text)
    if options.write:
        old = SOURCE.read_text(encoding="utf-8")
        SOURCE.write_text(re.sub(r"LINES = \{\n.*?\n\}", text, old, flags=re.S), encoding="utf-8")


def written(lines: dict[str, Line]) -> str:
    """The constants as they stand in the source."""
    rows = [
        f'    "{name}": Line(({", ".join(f"{w:.3f}" for w in line.weights)}), {line.spread:.2f}),'
        for name, line in lines.items()
    ]
    return "\n".join(["LINES = {", *rows, "}"])


# --- fitting -----------------------------------------------------------------------------------


def rows_of(units: Sequence[Unit], runs: Sequence[Unit] = ()) -> dict[str, list[Row]]:
    """Their labels before training, and those after it, of whole runs as well."""
    return {
        "before": [Row(unit, unit.accuracy) for unit in units],
        "after": [Row(u, own.accuracy, own) for u in (*units, *runs) for own in u.after.values()],
    }


def known(row: Row) -> Sequence[float]:
    """The product's own indicators."""
    return row.unit.evidence.indicators(row.fit)


def alone(row: Row) -> Sequence[float]:
    """Those of a product that has not compared the names with nouns."""
    evidence = row.unit.evidence
    return unknown(evidence).indicators(row.fit)


def unknown(evidence: Evidence) -> Evidence:
    """The same before the names were compared with others."""
    return replace(evidence, z=None, near=None, agreement=None)


def fit(rows: Sequence[Row], look: Look, apart: Sequence[Row] = ()) -> Line:
    """A line through all, and the spread of each set about that of the others; sets apart have a
    part in the spread only.
    """
    line = regress(rows, look)
    lines = {row.unit.set: line for row in apart}
    for name in {row.unit.set for row in rows}:
        lines[name] = regress([row for row in rows if row.unit.set != name], look)
    every = [*rows, *apart]
    misses = np.array(
        [abs(angle(at(lines[row.unit.set], row, look)) - angle(row.accuracy)) for row in every]
    )
    share = {name: share_of(every, name) for name in lines}
    weights = np.array([share[row.unit.set] * row.weight for row in every])
    order = np.argsort(misses)
    reached = np.cumsum(weights[order]) / weights.sum()
    last = min(int(np.searchsorted(reached, HELD)), len(order) - 1)
    return Line(line, float(misses[order[last]]))


def regress(rows: Sequence[Row], look: Look) -> tuple[float, ...]:
    """Ridge regression of the targets on standardised indicators; every set counts the same."""
    share = {name: share_of(rows, name) for name in {row.unit.set for row in rows}}
    w = np.array([share[row.unit.set] * row.weight for row in rows])
    x, y = np.array([look(row) for row in rows]), np.array([row.target for row in rows])
    return tuple(map(float, solve(x, y, w)))


def share_of(rows: Sequence[Row], name: str) -> float:
    """What the weights of a set are multiplied by: sets count the same, but for those of which less
    is left than of half of them.
    """
    total = totals(rows)
    return 1 / max(total[name], float(np.median(list(total.values()))))


def totals(rows: Sequence[Row]) -> dict[str, float]:
    """The weights of all rows of a set."""
    found: dict[str, float] = {}
    for row in rows:
        found[row.unit.set] = found.get(row.unit.set, 0.0) + row.weight
    return found


def solve(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Intercept and weights of x (n, k)."""
    w = w / w.sum()
    mean, middle = w @ x, float(w @ y)
    scale = np.sqrt(w @ (x - mean) ** 2) + 1e-9
    z = (x - mean) / scale
    own = np.linalg.solve(
        (z * w[:, None]).T @ z + RIDGE * np.eye(x.shape[1]), (z.T * w) @ (y - middle)
    )
    own /= scale
    return np.array([middle - mean @ own, *own])


def at(weights: Sequence[float], row: Row, look: Look) -> float:
    """The accuracy that a line gives."""
    logit = weights[0] + float(np.dot(weights[1:], look(row)))
    return row.chance + (1 - row.chance) / (1 + float(np.exp(-logit)))


def angle(share: float) -> float:
    return float(np.arcsin(np.sqrt(np.clip(share, 0, 1))))


def by_left_out(rows: Sequence[Row], apart: Sequence[Row], look: Look) -> dict[str, Line]:
    """For each set the line of the others."""

    def without(name: str, some: Sequence[Row]) -> list[Row]:
        return [row for row in some if row.unit.set != name]

    names = sorted({row.unit.set for row in (*rows, *apart)})
    return {name: fit(without(name, rows), look, without(name, apart)) for name in names}


# --- tables ------------------------------------------------------------------------------------


def estimated(row: Row, line: Line, *, z_known: bool = True) -> Estimate:
    """By the product's own formula, with other constants."""
    evidence = row.unit.evidence if z_known else unknown(row.unit.evidence)
    with mock.patch.dict(estimate.LINES, {evidence.line(row.fit): line}):
        return evidence.estimate(fit=row.fit)


def table(title: str, rows: Sequence[Row], lines: dict[str, Line], *, z_known: bool = True) -> str:
    """Each set as it is and the mean of its parts, then the kinds of parts."""
    found = [(row, estimated(row, lines[row.unit.set], z_known=z_known)) for row in rows]
    out = [
        f"## {title}\n",
        "| set | right | estimate | interval | error, parts too | inside | promising | wrongly |",
    ]
    out += ["|---|---|---|---|---|---|---|---|"]
    for name in sorted({row.unit.set for row in rows}):
        own = [(row, e) for row, e in found if row.unit.set == name]
        whole = [(row, e) for row, e in own if row.unit.kind == "whole"]
        right = np.mean([row.accuracy for row, _ in whole])
        middle, low, high = (
            100 * np.mean([getattr(e, end) for _, e in whole])
            for end in ("accuracy", "low", "high")
        )
        out.append(
            f"| {name} | {100 * right:.1f} | {middle:.1f} | {low:.0f} to {high:.0f} "
            f"| {summary(own)} |"
        )
    per_set = [summed([f for f in found if f[0].unit.set == s]) for s in {r.unit.set for r in rows}]
    error, inside, width = np.mean([s[:3] for s in per_set], axis=0)
    promising, wrongly = (sum(s[i] for s in per_set) for i in (3, 4))
    out.append(
        f"| mean of {len(per_set)} sets | | | {width:.0f} points wide | {error:.1f} "
        f"| {inside:.0f} % | {promising} of {len(rows)} | {wrongly} |"
    )
    out += ["", "| parts | number | error | inside |", "|---|---|---|---|"]
    for kind in dict.fromkeys(row.unit.kind for row in rows):
        own = [(row, e) for row, e in found if row.unit.kind == kind]
        error, inside, *_ = summed(own)
        out.append(f"| {kind} | {len(own)} | {error:.1f} | {inside:.0f} % |")
    return "\n".join(out) + "\n"


def summed(found: Sequence[tuple[Row, Estimate]]) -> tuple[float, float, float, int, int]:
    """Mean error in points, percent inside, mean width in points; how many are called promising,
    and how many of those with fewer right than twice chance and 10 points.
    """
    w = [row.weight for row, _ in found]
    error = np.average([abs(e.accuracy - row.accuracy) for row, e in found], weights=w)
    inside = np.average([e.low <= row.accuracy <= e.high for row, e in found], weights=w)
    width = np.average([e.high - e.low for _, e in found], weights=w)
    good = [row for row, e in found if level_of(e, row.unit.evidence.classes) == "promising"]
    wrong = [row for row in good if row.accuracy < 2 * row.chance + 0.1]
    return 100 * float(error), 100 * float(inside), 100 * float(width), len(good), len(wrong)


def summary(found: Sequence[tuple[Row, Estimate]]) -> str:
    error, inside, _, good, wrong = summed(found)
    return f"{error:.1f} | {inside:.0f} % | {good} of {len(found)} | {wrong}"


def chosen(rows: Sequence[Row], own_names: Sequence[str]) -> str:
    """What is left of it when the set that is estimated had no part in the choice either."""
    values = [candidates(row, own_names) for row in rows]
    subsets = list(itertools.combinations(values[0], len(own_names)))
    place = {id(row): i for i, row in enumerate(rows)}
    columns = {name: np.array([own[name] for own in values]) for name in values[0]}
    sets = sorted({row.unit.set for row in rows})
    out = [
        "## The choice of indicators included\n",
        "| set left out | chosen by the others | error | inside |",
    ]
    out += ["|---|---|---|---|"]
    found = []
    for name in sets:
        others = Sums.of([row for row in rows if row.unit.set != name], columns, place)
        best = min(subsets, key=others.error)

        def look(row: Row, best: Sequence[str] = best) -> Sequence[float]:
            return [columns[n][place[id(row)]] for n in best]

        line = fit([row for row in rows if row.unit.set != name], look)
        own = [row for row in rows if row.unit.set == name]
        w = [row.weight for row in own]
        middles = [at(line.weights, row, look) for row in own]
        miss = np.average(
            [abs(m - r.accuracy) for m, r in zip(middles, own, strict=True)], weights=w
        )
        ends = [
            estimate.around(m, line.spread, images=r.unit.evidence.images)
            for m, r in zip(middles, own, strict=True)
        ]
        inside = np.average(
            [low <= r.accuracy <= high for (low, high), r in zip(ends, own, strict=True)], weights=w
        )
        found.append((100 * miss, 100 * inside))
        out.append(f"| {name} | {', '.join(best)} | {100 * miss:.1f} | {100 * inside:.0f} % |")
    miss, inside = np.mean(found, axis=0)
    return "\n".join([*out, f"| mean of {len(sets)} sets | | {miss:.1f} | {inside:.0f} % |"]) + "\n"


@dataclass(frozen=True)
class Sums:
    """Rows as arrays: thousands of regressions over them take seconds. `members`: rows of a set."""

    members: list[np.ndarray]
    columns: dict[str, np.ndarray]
    weights: np.ndarray
    targets: np.ndarray
    accuracy: np.ndarray
    chance: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Row], columns: dict[str, np.ndarray], place: dict[int, int]) -> Sums:
        at = np.array([place[id(row)] for row in rows])
        names = np.array([row.unit.set for row in rows])
        share = {name: share_of(rows, name) for name in set(names)}
        weights = np.array([share[row.unit.set] * row.weight for row in rows])
        members = [np.flatnonzero(names == name) for name in sorted(set(names))]
        return cls(
            members,
            {name: column[at] for name, column in columns.items()},
            weights,
            np.array([row.target for row in rows]),
            np.array([row.accuracy for row in rows]),
            np.array([row.chance for row in rows]),
        )

    def error(self, subset: Sequence[str]) -> float:
        """Mean over the sets, each estimated from the others."""
        x, errors = np.stack([self.columns[name] for name in subset], axis=1), []
        for own in self.members:
            rest = np.setdiff1d(np.arange(len(x)), own)
            line = solve(x[rest], self.targets[rest], self.weights[rest])
            logit = line[0] + x[own] @ line[1:]
            middle = self.chance[own] + (1 - self.chance[own]) / (1 + np.exp(-logit))
            errors.append(
                np.average(np.abs(middle - self.accuracy[own]), weights=self.weights[own])
            )
        return float(np.mean(errors))


def candidates(row: Row, own_names: Sequence[str]) -> dict[str, float]:
    """All indicators that were tried and that any model has."""
    own, evidence = dict(zip(own_names, known(row), strict=True)), row.unit.evidence
    if row.after is None:
        return own | {"gap": float(np.log(evidence.gap))} | row.unit.rivals
    before = dict(zip(BEFORE, evidence.indicators(None), strict=True))
    return before | own | {"classes": float(np.log(evidence.classes))} | row.after.rivals


# --- runs --------------------------------------------------------------------------------------


def of_runs(runs: Sequence[WholeRun], lines: dict[str, Line]) -> str:
    """Whole runs one by one, each estimated with the lines of the other sets; their clean labels
    beside.
    """
    head = ("run", "right before", "right", "estimate", "interval", "error", "clean", "estimate",
            "interval", "error")  # fmt: skip
    out = ["## Whole runs\n", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    errors: dict[str, list[tuple[float, float, float, float]]] = {}
    for run in runs:
        found = estimated(Row(run.unit, run.after.accuracy, run.after), lines[run.unit.set])
        parts = []
        miss: list[float] = []
        for e, right in ((found, run.after.accuracy), (run.clean(found), run.clean_right)):
            miss += [100 * abs(e.accuracy - right), 100.0 * (e.low <= right <= e.high)]
            ends = f"{100 * e.low:.0f} to {100 * e.high:.0f}"
            error = f"{100 * (e.accuracy - right):+.1f}"
            parts.append(f"{100 * right:.1f} | {100 * e.accuracy:.1f} | {ends} | {error}")
        errors.setdefault(run.unit.set, []).append((miss[0], miss[1], miss[2], miss[3]))
        name = f"{run.cut}, seed {run.seed}" + ("" if run.method == "coft" else f", {run.method}")
        out.append(f"| {name} | {100 * run.unit.accuracy:.1f} | {' | '.join(parts)} |")
    mean = np.mean([np.mean(own, axis=0) for own in errors.values()], axis=0)
    out.append(
        f"| mean of {len(errors)} sets | | | | {mean[1]:.0f} % inside | {mean[0]:.1f} | | "
        f"| {mean[3]:.0f} % inside | {mean[2]:.1f} |"
    )
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    main()
