"""The paper's figure beside ours."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from studio.bench.results import Result
from studio.bench.table import line, rule

CAUTION = (
    "The paper gives no seeds, no spread, no splits and no class names, and its zero-shot figures "
    "differ from other people's on the same data: compare what training gains, not accuracies."
)


def comparison(method: str, rows: Sequence[Result], paper: Mapping[str, float]) -> str:
    """A table in Markdown: zero-shot, the method, and what it gains; in percent, on test images.

    Args:
        method: Its name in `paper`, a column of the paper's table.
        rows: Results of `bench`, one for each seed; at least one.
        paper: `studio.paper.figures.figures`.
    """
    ordered = sorted(rows, key=lambda row: int(row["seed"]))
    before = [100 * float(row["zero_shot_accuracy"]) for row in ordered]
    after = [100 * float(row["accuracy"]) for row in ordered]
    gains = [b - a for a, b in zip(before, after, strict=True)]
    first, last = paper.get("zero-shot"), paper.get(method)
    gain = None if first is None or last is None else last - first
    head = ["", "paper", "ours", "difference", f"seeds {_joined(r['seed'] for r in ordered)}"]
    lines = [line(head), rule(len(head)), _row("zero-shot", first, before)]
    if method != "zero-shot":
        lines += [_row(method, last, after), _row("gain", gain, gains, sign=True)]
    return "\n".join(lines) + "\n"


def announced(method: str, paper: Mapping[str, float]) -> str:
    """The paper's figures for a method in one line, before anything is run."""
    if method not in paper:
        return f"{method}: the paper has no figure"
    before = f", zero-shot {paper['zero-shot']:.2f}" if "zero-shot" in paper else ""
    return f"{method}: {paper[method]:.2f}{before if method != 'zero-shot' else ''}"


def _row(name: str, paper: float | None, ours: Sequence[float], *, sign: bool = False) -> str:
    plus = "+" if sign else ""
    mean = statistics.mean(ours)
    spread = f" ± {statistics.stdev(ours):.2f}" if len(ours) > 1 else ""
    return line(
        [
            name,
            "–" if paper is None else f"{paper:{plus}.2f}",
            f"{mean:{plus}.2f}{spread}",
            "–" if paper is None else f"{mean - paper:+.2f}",
            ", ".join(f"{value:{plus}.2f}" for value in ours),
        ]
    )


def _joined(seeds: object) -> str:
    return " ".join(map(str, seeds))  # type: ignore[call-overload]
