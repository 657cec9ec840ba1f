"""The tables of docs/benchmarks.md: eight data sets, the same sets cut down, and new ones."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping, Sequence

from studio.bench.results import Result
from studio.bench.table import line, mean_of, percent, rule

EIGHT = (
    "caltech101", "cifar10", "clothing10", "eurosat", "flowers102", "food101_10", "oxford_pets",
    "pacs_art_painting",
)  # fmt: skip
NEW = ("clipart", "emoji", "emoji_things", "fashion", "mnist", "stamps")
"""Of tools/build_new_sets.py: they had no part in any choice."""
METHODS = {
    "together": "CoFT's first labels, nothing trained",
    "coft": "**CoFT**",
    "coft+": "**CoFT+**",
    "self-training-seeds": "self-training, CoFT's seeds",
    "transclip": "TransCLIP, the paper's formula",
    "transclip-released": "TransCLIP, as released",
    "stata": "StatA",
    "zlap": "ZLaP",
    "ecalp": "ECALP",
    "supervised": "true labels, the upper bound",
}
JUDGED = "coft:judge=2C,judge_error=0.1"
OTHER_JUDGES = (
    ("none", "coft"),
    ("C, all right", "coft:judge=1C,judge_error=0"),
    ("C, one in five wrong", "coft:judge=1C,judge_error=0.2"),
    ("2C, all right", "coft:judge=2C,judge_error=0"),
    ("2C, one in ten wrong", JUDGED),
    ("2C, one in ten wrong, random images", f"{JUDGED},judge_random=true"),
    ("2C, one in five wrong", "coft:judge=2C,judge_error=0.2"),
    ("all images, all right: the upper bound", "supervised"),
)
_SUBSET = re.compile(r"(?P<name>.+?)(?:-present-(?P<present>[\d.]+))?(?:-tail-(?P<tail>\d+))?")


def by_method(
    rows: Sequence[Result], names: Sequence[str] = EIGHT, methods: Mapping[str, str] = METHODS
) -> str:
    """Accuracy on `test`: a row for each method that was measured on all these sets."""
    lines = [line(["method", *names, "mean"]), rule(len(names) + 2)]
    before = [[row["zero_shot_accuracy"] for row in _of(rows, name, "coft")] for name in names]
    lines.append(_row("zero-shot", before))
    for entrant, title in methods.items():
        values = [[row["accuracy"] for row in _of(rows, name, entrant)] for name in names]
        if all(values):
            lines.append(_row(title, values))
    return "\n".join(lines)


def one_by_one(rows: Sequence[Result], names: Sequence[str] = EIGHT) -> str:
    """What came of CoFT on each set: right labels, what was estimated, and what it took."""
    titles = (
        "set", "classes", "first verdict", "right of `train`, zero-shot", "after", "gain on `test`",
        "estimate before", "CPU minutes", "seeds",
    )  # fmt: skip
    lines = [line(titles), rule(len(titles))]
    for name in names:
        own = _of(rows, name, "coft")
        if own:
            lines.append(line([name, *_outcome(own), str(len(own))]))
    return "\n".join(lines)


def subsets(rows: Sequence[Result]) -> str:
    """CoFT where most listed classes have no image, or where one class is many times another."""
    titles = ("set", "classes there", "largest to smallest", "zero-shot", "CoFT", "gain", "verdict")
    lines = [line(titles), rule(len(titles))]
    for row in sorted(rows, key=lambda row: str(row["set"])):
        cut = _SUBSET.fullmatch(str(row["set"]))
        if row["entrant"] != "coft" or cut is None or not (cut["present"] or cut["tail"]):
            continue
        there = f"{100 * float(cut['present']):.0f} %" if cut["present"] else "all"
        before, after = row["zero_shot_accuracy"], row["accuracy"]
        cells = [percent([before]), percent([after]), _signed(after - before), row["knowledge"]]
        lines.append(line([cut["name"], there, f"{cut['tail']}:1" if cut["tail"] else "", *cells]))
    return "\n".join(lines)


def judged(rows: Sequence[Result]) -> str:
    """Whole runs of CoFT with a simulated judge's answers beside the same seed without."""
    titles = (
        "set", "answers", "zero-shot", "CoFT", "CoFT with answers", "more", "right of `train`",
        "with answers",
    )  # fmt: skip
    lines, pairs = [line(titles), rule(len(titles))], []
    for name in EIGHT:
        without = {row["seed"]: row for row in _of(rows, name, "coft")}
        own = [row for row in _of(rows, name, JUDGED) if row["seed"] in without]
        if not own:
            continue
        same = [without[row["seed"]] for row in own]
        pairs.append((same, own))
        lines.append(line([name, str(2 * int(own[0]["classes"])), *_beside(same, own)]))
    if len(pairs) > 1:
        values = [
            [[row[key] for row in of[side]] for of in pairs]
            for side, key in ((1, "zero_shot_accuracy"), (0, "accuracy"), (1, "accuracy"))
        ]
        gains = [statistics.mean(b) - statistics.mean(a) for a, b in zip(*values[1:], strict=True)]
        mean = [f"**mean of {len(pairs)}**", "", *map(mean_of, values)]
        lines.append(line([*mean, _signed(statistics.mean(gains)), "", ""]))
    return "\n".join(lines)


def other_judges(rows: Sequence[Result]) -> str:
    """Accuracy on `test` with more and fewer answers, right and wrong: random seed 0 only."""
    first = [row for row in rows if row["seed"] == 0]
    lines = [line(["answers", *EIGHT, "mean"]), rule(len(EIGHT) + 2)]
    for title, entrant in OTHER_JUDGES:
        values = [[row["accuracy"] for row in _of(first, name, entrant)] for name in EIGHT]
        if all(values):
            lines.append(_row(title, values))
    return "\n".join(lines)


def _beside(without: Sequence[Result], own: Sequence[Result]) -> list[str]:
    before, after = ([row["accuracy"] for row in of] for of in (without, own))
    return [
        percent([row["zero_shot_accuracy"] for row in own]),
        percent(before),
        percent(after),
        _signed(statistics.mean(after) - statistics.mean(before)),
        percent([row["labels"]["finished"] for row in without]),
        percent([row["labels"]["finished"] for row in own]),
    ]


TABLES: dict[str, Callable[[Sequence[Result]], str]] = {
    "eight": by_method,
    "new sets": lambda rows: by_method(
        rows, NEW, METHODS | {JUDGED: "CoFT with 2C answers, one in ten wrong"}
    ),
    "new sets one by one": lambda rows: one_by_one(rows, NEW),
    "one by one": one_by_one,
    "subsets": subsets,
    "judged": judged,
    "other judges": other_judges,
}


def _outcome(own: Sequence[Result]) -> list[str]:
    first = own[0]
    gain = statistics.mean(row["accuracy"] - row["zero_shot_accuracy"] for row in own)
    return [
        str(first["classes"]),
        first["knowledge"],
        percent([row["labels"]["zero_shot"] for row in own]),
        percent([row["labels"]["finished"] for row in own]),
        _signed(gain),
        percent([row["estimated_zero_shot_accuracy"] for row in own]),
        f"{statistics.mean(row['cpu_seconds'] for row in own) / 60:.1f}",
    ]


def _of(rows: Sequence[Result], name: str, entrant: str) -> list[Result]:
    return [row for row in rows if row["set"] == name and row["entrant"] == entrant]


def _row(title: str, values: list[list[float]]) -> str:
    return line([title, *map(percent, values), mean_of(values)])


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"
