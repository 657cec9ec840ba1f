"""Fit the constants of studio/scores/estimate.py to labelled sets, and measure what they are worth.

    python tools/fit_estimate.py DATA [RUNS ...] [--cache DIR]

DATA holds sets of the form SET/{train,test}/<class>/<image> with SET/classes.txt; the demo set is
drawn and added. RUNS are folders of runs (`--runs` of `fit`, `runs/` of `bench --out`) on their
train parts. True labels are used here, and only here.

Before training, the line is fitted to units (`estimate_units`) that the model knows (z >= 3), every
set with the same weight, and each set is estimated by a line fitted to the other sets only; so is
the width of its interval. Printed beside it: subsets in which some or all names were exchanged for
names of other sets. After training, the spread of the mean combined score, or for runs without one
the gain per changed label, is fitted to the runs, again leaving out the set that is estimated.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from estimate_units import Unit, kept_units  # noqa: E402 (needs the path above)

from studio.images.folder import read_aliases  # noqa: E402
from studio.methods import method_of  # noqa: E402
from studio.prompts.prompt_set import PromptSet  # noqa: E402
from studio.runs.reader import RunReader  # noqa: E402
from studio.runs.run import Run  # noqa: E402
from studio.scores import estimate  # noqa: E402
from studio.scores.estimate import Estimate, estimate_run  # noqa: E402

NINETY = 0.9


@dataclass(frozen=True)
class Trained:
    """A finished run: labels before and after, their combined scores, and how many are right."""

    set: str
    before: Unit
    zero_shot_labels: np.ndarray
    labels: np.ndarray
    scores: np.ndarray | None
    accuracies: tuple[float, float]  # before, after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--cache", type=Path, default=Path("build/estimate-cache"))
    options = parser.parse_args()
    units = kept_units(options.data, options.cache)
    sets = sorted({unit.set for unit in units})
    constants = {s: fit(u for u in units if u.set != s) for s in sets}
    print(before_table(units, constants))
    runs = list(all_runs(options.runs, units))
    gains = {s: gain(r for r in runs if r.set != s) for s in sets} if runs else {}
    if len({run.set for run in runs}) > 1:
        print(after_table(runs, constants, gains))
        constants["all"] = fit(units) | gain(runs)
    else:
        constants["all"] = fit(units)
    print(json.dumps(constants["all"]))


# --- runs --------------------------------------------------------------------------------------


def all_runs(roots: Sequence[Path], units: Sequence[Unit]) -> Iterator[Trained]:
    """Finished runs on the train part of a set, from the template that its unit was made with.

    Not those that were told the true labels.
    """
    whole = {u.set: (i, u) for i, u in enumerate(units) if u.kind == "whole" and u.part == "train"}
    for path in sorted(p for root in roots for p in root.glob("*/run.json")):
        run = Run(path.parent)
        if method_of(run.info.method).needs_given:
            continue
        folder = Path(run.info.folder)
        name = "demo" if folder.name.startswith("demo") else folder.parent.name
        reader = RunReader(run)
        reader.refresh()
        first, last = reader.outcomes().get("zero-shot"), reader.final()
        if name not in whole or first is None or last is None:
            continue
        known = true_labels(run)
        if known is None or PromptSet.load(run.path / "prompts.json").sentences:
            continue
        right = (float((first.labels == known).mean()), float((last.labels == known).mean()))
        yield Trained(name, whole[name][1], first.labels, last.labels, last.combined, right)


def true_labels(run: Run) -> np.ndarray | None:
    """Of the run's images, by the folders they lie in; the file names the classes."""
    from studio.images.names import canonical

    names = [canonical(name) for name in run.info.class_names]
    images = run.images()
    file = Path(images["root"]).parent / "classes.txt"
    aliases = read_aliases(file) if file.is_file() else {}
    found = [canonical(aliases.get(f, f)) for f in (p.split("/")[0] for p in images["images"])]
    if not all(name in names for name in found):
        return None
    return np.array([names.index(name) for name in found])


# --- constants ---------------------------------------------------------------------------------


def fit(units: Iterable[Unit]) -> dict[str, float]:
    """The line through the units that the model knows, and the spread of left-out sets about it."""
    known = [u for u in units if u.kind in ("whole", "subset") and u.z >= 3]
    weights, misses = line(known), []
    for name in sorted({u.set for u in known}):
        others = line([u for u in known if u.set != name])
        own = [u for u in known if u.set == name]
        misses += [(abs(u.target - at(others, u)), u.share / len(own)) for u in own]
    misses.sort()
    share = np.cumsum([weight for _, weight in misses]) / sum(weight for _, weight in misses)
    spread = misses[int(np.searchsorted(share, NINETY))][0]
    return dict(zip(("INTERCEPT", "CONFIDENCE", "GAP"), weights, strict=True)) | {"SPREAD": spread}


def line(units: Sequence[Unit]) -> tuple[float, float, float]:
    """Weighted least squares; every set counts the same."""
    total = {s: sum(u.share for u in units if u.set == s) for s in {u.set for u in units}}
    root = np.sqrt([u.share / total[u.set] for u in units])[:, None]
    x = np.array([[1.0, u.evidence.confidence, u.evidence.gap] for u in units])
    y = np.array([[u.target] for u in units])
    solution = np.linalg.lstsq(root * x, root * y, rcond=None)[0][:, 0]
    return float(solution[0]), float(solution[1]), float(solution[2])


def at(weights: Sequence[float], unit: Unit) -> float:
    return float(np.dot(weights, [1.0, unit.evidence.confidence, unit.evidence.gap]))


def gain(runs: Iterable[Trained]) -> dict[str, float]:
    """What `estimate_run` needs; a set's runs count as one.

    Of runs with scores: how far the mean score is from the accuracy in 90 % of sets. Of the others:
    the median gain per changed label, and how far from it 90 % of sets are.
    """
    misses: dict[str, list[float]] = {}
    gains: dict[str, list[float]] = {}
    for run in runs:
        changed = float((run.labels != run.zero_shot_labels).mean())
        if run.before.z < 3:
            continue
        if run.scores is not None:
            miss = float(run.scores.mean()) - run.accuracies[1]
            misses.setdefault(run.set, []).append(miss)
        elif changed > 0:
            gained = (run.accuracies[1] - run.accuracies[0]) / changed
            gains.setdefault(run.set, []).append(gained)
    found = {}
    if misses:
        found["SCORE_SPREAD"] = ninety(np.abs([np.mean(own) for own in misses.values()]))
    if gains:
        means = np.array([np.mean(own) for own in gains.values()])
        found["GAIN"] = float(np.median(means))
        found["GAIN_SPREAD"] = ninety(np.abs(means - found["GAIN"]))
    return found


def ninety(misses: np.ndarray) -> float:
    return float(np.quantile(misses, NINETY, method="higher"))


# --- tables ------------------------------------------------------------------------------------


def before_table(units: Sequence[Unit], constants: dict[str, dict[str, float]]) -> str:
    rows = [
        "| set, part | accuracy | z | estimate | interval | error |",
        "|---|---|---|---|---|---|",
    ]
    found = [(u, with_constants(constants[u.set], lambda u=u: before(u))) for u in units]
    for u, e in found:
        if u.kind == "whole":
            rows.append(
                f"| {u.set} {u.part} | {100 * u.accuracy:.1f} | {u.z:.1f} | {100 * e.accuracy:.1f} "
                f"| {100 * e.low:.0f} to {100 * e.high:.0f} "
                f"| {100 * (e.accuracy - u.accuracy):+.1f} |"
            )
    rows += ["", "| units | number | mean absolute error | inside the interval | its mean width |"]
    rows += ["|---|---|---|---|---|"]
    for kind in ("whole", "subset", "some names", "other names"):
        rows.append(summary(kind, [(e, u.accuracy) for u, e in found if u.kind == kind]))
    return "\n".join(rows) + "\n"


def after_table(
    runs: Sequence[Trained],
    constants: dict[str, dict[str, float]],
    gains: dict[str, dict[str, float]],
) -> str:
    rows = ["| run on | before | after | changed | estimate | interval | error |"]
    rows += ["|---|---|---|---|---|---|---|"]
    found = []
    for run in runs:
        e = with_constants(constants[run.set] | gains[run.set], lambda run=run: after(run))
        found.append((e, run.accuracies[1]))
        changed = float((run.labels != run.zero_shot_labels).mean())
        rows.append(
            f"| {run.set} | {100 * run.accuracies[0]:.1f} | {100 * run.accuracies[1]:.1f} "
            f"| {100 * changed:.0f} % | {100 * e.accuracy:.1f} "
            f"| {100 * e.low:.0f} to {100 * e.high:.0f} "
            f"| {100 * (e.accuracy - run.accuracies[1]):+.1f} |"
        )
    rows += ["", "| units | number | mean absolute error | inside the interval | its mean width |"]
    rows += ["|---|---|---|---|---|", summary("runs", found)]
    sets = sorted({run.set for run in runs})
    by_set = [[f for f, run in zip(found, runs, strict=True) if run.set == name] for name in sets]
    rows += [summary(name, own) for name, own in zip(sets, by_set, strict=True)]
    # Some sets have more runs than others, which says nothing about them.
    error = 100 * np.mean([mean_error(own) for own in by_set])
    rows.append(f"| mean of {len(sets)} sets | {len(found)} | {error:.1f} | | |")
    return "\n".join(rows) + "\n"


def before(unit: Unit) -> Estimate:
    return unit.evidence.estimate(z=unit.z)


def after(run: Trained) -> Estimate:
    return estimate_run(
        before=before(run.before),
        zero_shot_labels=run.zero_shot_labels,
        labels=run.labels,
        scores=run.scores,
    )


def with_constants(constants: dict[str, float], work: Callable[[], Estimate]) -> Estimate:
    """The product's own formula with other constants."""
    with mock.patch.multiple(estimate, **constants):
        return work()


def summary(name: str, found: Sequence[tuple[Estimate, float]]) -> str:
    error = mean_error(found)
    inside = np.mean([e.low <= accuracy <= e.high for e, accuracy in found])
    width = np.mean([e.high - e.low for e, _ in found])
    return (
        f"| {name} | {len(found)} | {100 * error:.1f} | {100 * inside:.0f} % | {100 * width:.0f} |"
    )


def mean_error(found: Sequence[tuple[Estimate, float]]) -> float:
    return float(np.mean([abs(e.accuracy - accuracy) for e, accuracy in found]))


if __name__ == "__main__":
    main()
