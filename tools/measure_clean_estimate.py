"""Measure how far `scores.estimate.estimate_clean` is off on finished runs.

    python tools/measure_clean_estimate.py RUNS [RUNS ...]

RUNS are folders of runs (`--runs` of `fit`, `runs/` of `bench --out`) on images that lie in
sub-folders named like their class. True labels are used here, and only here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from studio.bench.table import line, rule  # noqa: E402 (needs the path above)
from studio.methods import method_of  # noqa: E402
from studio.runs.reader import RunReader  # noqa: E402
from studio.runs.run import Run  # noqa: E402
from studio.scores.estimate import Estimate, estimate_clean  # noqa: E402

HEAD = ("set", "method", "seed", "clean", "estimate", "interval", "right", "error", "inside")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    rows = list(measured(parser.parse_args().runs))
    print(line(HEAD))
    print(rule(len(HEAD)))
    for run, share, estimate, right in rows:
        inside = "yes" if estimate.low <= right <= estimate.high else "no"
        numbers = [f"{100 * share:.1f}", f"{100 * estimate.accuracy:.1f}"]
        numbers.append(f"{100 * estimate.low:.0f} to {100 * estimate.high:.0f}")
        numbers += [f"{100 * right:.1f}", f"{100 * (estimate.accuracy - right):+.1f}", inside]
        name = Path(run.info.folder).parent.name
        print(line([name, run.info.method, str(run.info.seed), *numbers]))
    errors = np.array([estimate.accuracy - right for _, _, estimate, right in rows])
    inside = np.mean([e.low <= right <= e.high for _, _, e, right in rows])
    print(
        f"\n{len(rows)} runs: mean absolute error {100 * np.abs(errors).mean():.1f} points, "
        f"mean error {100 * errors.mean():+.1f}, {100 * inside:.0f} % inside"
    )


def measured(roots: list[Path]) -> Iterator[tuple[Run, float, Estimate, float]]:
    """Runs with what is estimated of their clean labels, and what is true of them."""
    for path in sorted(p.parent for root in roots for p in root.glob("*/run.json")):
        reader = RunReader(Run(path))
        reader.refresh()
        outcome, before = reader.final(), reader.estimates.get("zero-shot")
        if outcome is None or outcome.truth is None or outcome.combined is None or before is None:
            continue
        if method_of(reader.info.method).needs_given or not outcome.clean.any():
            continue
        estimate = estimate_clean(before=before, scores=outcome.combined, clean=outcome.clean)
        known = outcome.clean & (outcome.truth >= 0)
        right = float((outcome.labels == outcome.truth)[known].mean())
        if estimate is not None:
            yield reader.run, outcome.clean_share, estimate, right


if __name__ == "__main__":
    main()
