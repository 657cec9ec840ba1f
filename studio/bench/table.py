"""The tables of a benchmark, in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from studio.bench.results import Result
from studio.bench.stages import Stages
from studio.scores.table import shown


def tables(rows: Sequence[Result]) -> str:
    """All entrants over all sets, on both parts, then each entrant in detail."""
    parts = ["## Accuracy on the test images\n", accuracies(rows)]
    parts += ["\n## Right labels among the fitted images\n", final_labels(rows)]
    parts += ["\nHad the classes exchanged their names in the best way:\n"]
    parts += [final_labels(rows, stage="grouped")]
    for entrant in _unique(row["entrant"] for row in rows):
        own = [row for row in rows if row["entrant"] == entrant]
        parts += [f"\n## {entrant}\n", detail(own)]
        if any(_labels(row).get("rounds") for row in own):
            parts += ["\nRight labels among the fitted images, stage by stage:\n", staged(own)]
    return "\n".join(parts)


def accuracies(rows: Sequence[Result]) -> str:
    """One row per entrant, one column per set: mean and spread over seeds, in percent.

    The last columns are the mean over the sets, its difference to zero-shot on the same runs, the
    minutes of processor time per fit and the largest memory of any. An entrant that lacks a set has
    no mean.
    """
    sets, entrants = _unique(r["set"] for r in rows), _unique(r["entrant"] for r in rows)
    head = ["method", *sets, "mean", "over zero-shot", "CPU minutes", "memory", "seeds"]
    lines = [line(head), rule(len(head))]
    for entrant in entrants:
        own = [r for r in rows if r["entrant"] == entrant]
        by_set = [[r for r in own if r["set"] == name] for name in sets]
        cells = [percent([r["accuracy"] for r in there]) for there in by_set]
        mean = gain = ""
        if all(by_set):
            after = statistics.mean(_mean(there, "accuracy") for there in by_set)
            before = statistics.mean(_mean(there, "zero_shot_accuracy") for there in by_set)
            mean, gain = f"{100 * after:.1f}", f"{100 * (after - before):+.1f}"
        seeds = {len(there) for there in by_set if there}
        lines.append(
            line(
                [
                    entrant, *cells, mean, gain, _minutes(own), _memory(own),
                    "-".join(map(str, sorted({min(seeds), max(seeds)}))),
                ]
            )
        )  # fmt: skip
    return "\n".join(lines) + "\n"


def detail(rows: Sequence[Result]) -> str:
    """One entrant: zero-shot and final accuracy, clean labels and its cost, set by set.

    Several sets have a last row, in which each counts the same.
    """
    scores = shown("bench")
    head = ["set", "images", *(score.short for score in scores), "gain"]
    head += ["before training", "CPU minutes", "memory", "seeds"]
    lines = [line(head), rule(len(head))]
    by_set = [[r for r in rows if r["set"] == name] for name in _unique(r["set"] for r in rows)]
    for own in by_set:
        gain = _mean(own, "accuracy") - _mean(own, "zero_shot_accuracy")
        cells = [own[0]["set"], f"{own[0]['images']} / {own[0]['test_images']}"]
        cells += [percent([row.get(score.name) for row in own]) for score in scores]
        cells += [f"{100 * gain:+.1f}", own[0]["knowledge"]]
        lines.append(line([*cells, _minutes(own), _memory(own), str(len(own))]))
    if len(by_set) > 1:
        values = [[[r.get(score.name) for r in own] for own in by_set] for score in scores]
        before, after = (
            statistics.mean(_mean(own, key) for own in by_set)
            for key in ("zero_shot_accuracy", "accuracy")
        )
        minutes = _minutes([row for own in by_set for row in own])
        cells = [
            f"**mean of {len(by_set)}**",
            "",
            *map(mean_of, values),
            f"**{100 * (after - before):+.1f}**",
            "",
        ]
        lines.append(line([*cells, minutes, _memory(rows), ""]))
    return "\n".join(lines) + "\n"


def final_labels(rows: Sequence[Result], *, stage: str = "finished") -> str:
    """One row per entrant, one column per set: the share of final labels that is right.

    stage: of `bench.stages`; "grouped" leaves errors of names out.
    """
    sets = _unique(r["set"] for r in rows)
    head = ["method", *sets, "mean"]
    lines = [line(head), rule(len(head))]
    for entrant in _unique(r["entrant"] for r in rows):
        by_set = [
            [_labels(r).get(stage) for r in rows if (r["entrant"], r["set"]) == (entrant, name)]
            for name in sets
        ]
        lines.append(line([entrant, *map(percent, by_set), mean_of(by_set)]))
    return "\n".join(lines) + "\n"


def staged(rows: Sequence[Result]) -> str:
    """One entrant: right labels from zero-shot to the end, a row for each set and round.

    clean: of the clean labels; weighted: of all labels, each with its weight in Phase II.
    """
    stages = ("seeds", "labels", "clean", "weighted")
    head = ["set", "round", "zero-shot", "seeds", "after Phase I", "clean", "weighted", "final"]
    lines = [line(head), rule(len(head))]
    for name in _unique(row["set"] for row in rows):
        own = [_labels(row) for row in rows if row["set"] == name]
        rounds = [labels.get("rounds", ()) for labels in own]
        most = max(map(len, rounds))
        for number in range(most):
            each = [found[number] for found in rounds if number < len(found)]
            cells = [percent([found[stage] for found in each]) for stage in stages]
            first = percent([labels.get("zero_shot") for labels in own]) if number == 0 else ""
            last = percent([labels.get("finished") for labels in own])
            cells = [first, *cells, last if number == most - 1 else ""]
            lines.append(line([name, str(number + 1), *cells]))
    return "\n".join(lines) + "\n"


def percent(values: Sequence[float | None]) -> str:
    """Mean in percent, with the standard deviation where there are several values."""
    present = [value for value in values if value is not None]
    if not present:
        return ""
    text = f"{100 * statistics.mean(present):.1f}"
    spread = 100 * statistics.stdev(present) if len(present) > 1 else 0.0
    return f"{text} ± {spread:.1f}" if spread > 0 else text


def _labels(row: Result) -> Stages:
    """What `bench.stages` found; nothing in results of a version before it."""
    found: Stages = row.get("labels") or {}
    return found


def mean_of(by_set: Sequence[Sequence[float | None]]) -> str:
    """The mean over sets in percent, each counting the same; empty where a set has no value."""
    present = [[value for value in values if value is not None] for values in by_set]
    return percent([statistics.mean(map(statistics.mean, present))]) if all(present) else ""


def _mean(rows: Sequence[Result], key: str) -> float:
    return statistics.mean(row[key] for row in rows)


def _minutes(rows: Sequence[Result]) -> str:
    present = [row["cpu_seconds"] for row in rows if row.get("cpu_seconds")]
    return f"{statistics.mean(present) / 60:.1f}" if present else ""


def _memory(rows: Sequence[Result]) -> str:
    present = [row["peak_memory_gib"] for row in rows if row.get("peak_memory_gib")]
    return f"{max(present):.1f} GiB" if present else ""


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def line(cells: Sequence[str]) -> str:
    """A row of a table."""
    return "| " + " | ".join(cells) + " |"


def rule(columns: int) -> str:
    """What stands beneath the head of a table."""
    return "|" + "---|" * columns
