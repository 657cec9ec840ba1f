"""The chart and the tables of docs/lab-notes.md, each made from the results of the benchmark."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Container, Sequence

from studio.bench.results import Result
from studio.bench.table import detail, line, mean_of, percent, rule

SETS = ("oxford_pets", "caltech101", "cifar10", "clothing10", "pacs_art_painting")
UNKNOWN = "eurosat"
SENTENCES = ":prompts=docs/prompts"
METHODS = {
    "zero-shot": "zero-shot",
    "zero-shot-ensemble": "zero-shot, ensemble of templates",
    "upl": "UPL",
    "fpl": "FPL",
    "ifpl": "IFPL",
    "grip": "GRIP",
    "lafter": "LaFTer",
    "self-training": "self-training, all zero-shot labels",
    "self-training-seeds": "self-training, CoFT's seeds",
    "fixmatch": "FixMatch",
    "transclip": "TransCLIP",
    "coft": "**CoFT**",
    "coft+": "**CoFT+**",
}
ABLATED = ("oxford_pets", "clothing10", "pacs_art_painting", "cifar10")
ABLATIONS = {
    "coft": "`coft`: the peer weighs the labels",
    "coft:filter=self_clean": "the model itself weighs them (`filter=self_clean`)",
    "coft:filter=both_clean": "both models weigh them (`filter=both_clean`)",
    "coft:filter=agree": "only labels on which the models agree (`filter=agree`)",
    "coft:filter=none": "all labels weigh the same (`filter=none`)",
    "coft:l2_weight=0": "no negative loss (`l2_weight=0`)",
    "coft:l2_grad_visual=false": (
        "negative loss does not reach the image side, as in DeFT (`l2_grad_visual=false`)"
    ),
    "coft:complement=uniform": "complements drawn from all classes (`complement=uniform`)",
    "coft:k=4": "4 seeds per class (`k=4`)",
    "coft:k=8": "8 seeds per class (`k=8`)",
    "coft:k=32": "32 seeds per class (`k=32`)",
    "coft:transduction=first": "labelled together before Phase I only (`transduction=first`)",
    "coft:transduction=off": "each image labelled alone (`transduction=off`)",
    "coft:head_init=text": "head started from the class texts (`head_init=text`)",
    "coft:head_init=random": "head started at random (`head_init=random`)",
    "coft:phase2_epochs=0": "no Phase II (`phase2_epochs=0`)",
    "coft+": "with contrast (`coft+`)",
    "coft+:contrast_weight=0": "`coft+` without contrast (`contrast_weight=0`)",
    "coft+:rounds=3": "with contrast and three rounds (`coft+:rounds=3`)",
    "coft:preset=paper": "the paper's preset (`preset=paper`)",
}
SHOTS = (1, 2, 4, 8)
SMALL = "build/embedded128"

Figure = Callable[[Result], float | None]


def chart(rows: Sequence[Result]) -> str:
    """Mean accuracy of what was measured on every data set, as bars (Mermaid), the best first."""
    bars = {}
    for prompts, suffix in (("", ""), (" with sentences", SENTENCES)):
        bars |= {
            title.strip("*") + prompts: _by_set(rows, method + suffix, _accuracy)
            for method, title in METHODS.items()
        }
    bars["zero-shot"] = _by_set(rows, "coft", _before)  # which every run measures
    bars["supervised"] = _by_set(rows, "supervised", _accuracy)
    means = {title: mean for title, v in bars.items() if (mean := mean_of(list(v.values())))}
    means = dict(sorted(means.items(), key=lambda bar: -float(bar[1])))
    return "\n".join(
        [
            "```mermaid",
            "---",
            "config:",
            f"  xyChart: {{width: 900, height: {24 * len(means) + 60}, showDataLabel: true}}",
            '  themeVariables: {xyChart: {plotColorPalette: "#0f9a8d"}}',
            "---",
            "xychart-beta horizontal",
            f"  x-axis {json.dumps(list(means))}",
            '  y-axis "accuracy on test, per cent, mean of five sets" 0 --> 100',
            f"  bar [{', '.join(means.values())}]",
            "```",
        ]
    )


def coft(rows: Sequence[Result]) -> str:
    """CoFT with the model's own template, one data set per row."""
    own = [row for name in SETS for row in rows if _is(row, name, "coft")]
    return detail(own)


def methods(rows: Sequence[Result], after: Figure, before: Figure, *, bound: bool) -> str:
    """A row for each method, with the template and with sentences; the best of each kind in bold.

    before: the figure of zero-shot with the template, which every run measures; bound: whether the
    upper bound is shown as well.
    """
    lines = _head("method", "prompts", *SETS, "mean")
    for prompts, suffix in (("template", ""), ("sentences", SENTENCES)):
        best = {name: _best(rows, name, suffix, after) for name in SETS}
        for method, title in METHODS.items():
            if method == "zero-shot" and not suffix:
                lines.append(_row([title, prompts], _by_set(rows, "coft", before)))
                continue
            bold = {name for name in SETS if method in best[name]}
            values = _by_set(rows, method + suffix, after)
            if any(values.values()):
                lines.append(_row([title, prompts], values, bold=bold))
    if bound:
        title = "supervised, the upper bound"
        lines.append(_row([title, "true labels"], _by_set(rows, "supervised", after)))
    return "\n".join(lines)


def grouped(rows: Sequence[Result]) -> str:
    """How many labels would be right if the classes swapped names in the best way."""
    lines = _head("method", "prompts", *SETS, "mean")
    for prompts, suffix in (("template", ""), ("sentences", SENTENCES)):
        for method in ("zero-shot", "transclip", "coft", "coft+"):
            values = _by_set(rows, method + suffix, _stage("grouped"))
            if any(values.values()):
                title = METHODS[method].strip("*")
                lines.append(_row([title, prompts], values))
    return "\n".join(lines)


def unknown(rows: Sequence[Result]) -> str:
    """The data set that the model knows nothing about, one random seed."""
    lines = _head("method", "accuracy on test", "right labels on train")
    first = [row for row in rows if row["seed"] == 0]
    for method, title in METHODS.items():
        if method == "zero-shot":
            figures = [("coft", _before), ("coft", _stage("zero_shot"))]
        else:
            figures = [(method, _accuracy), (method, _stage("finished"))]
        values = [_by_set(first, *each, sets=(UNKNOWN,))[UNKNOWN] for each in figures]
        if all(values):
            lines.append(line([title, *map(percent, values)]))
    return "\n".join(lines)


def stages(rows: Sequence[Result]) -> str:
    """How many of CoFT's labels are right at each stage, from zero-shot to the end."""
    phases = ("seeds", "labels", "clean", "weighted")
    lines = _head(
        "CoFT, prompts", "set", "zero-shot", "seeds", "after Phase I", "clean", "weighted", "final"
    )
    for prompts, suffix in (("template", ""), ("sentences", SENTENCES)):
        for name in SETS:
            own = [row["labels"] for row in rows if _is(row, name, "coft" + suffix)]
            cells = [percent([labels["zero_shot"] for labels in own])]
            cells += [percent([labels["rounds"][0][phase] for labels in own]) for phase in phases]
            cells += [percent([labels["finished"] for labels in own])]
            lines.append(line([prompts, name, *cells]))
    return "\n".join(lines)


def ablations(rows: Sequence[Result]) -> str:
    """Settings of CoFT, one random seed."""
    first = [row for row in rows if row["seed"] == 0]
    lines = _head("", *ABLATED)
    for entrant, title in ABLATIONS.items():
        values = _by_set(first, entrant, _accuracy, sets=ABLATED)
        lines.append(line([title, *map(percent, values.values())]))
    return "\n".join(lines)


def shots(rows: Sequence[Result]) -> str:
    """A few given labels per class, one random seed: CoFT, and training on those labels alone."""
    lines = _head("set", "method", "no labels", *(f"{number} per class" for number in SHOTS), "all")
    first = [row for row in rows if row["seed"] == 0]
    few = [f":shots={number}" for number in SHOTS]
    entrants = {
        "CoFT": ["coft", *(f"coft{label}" for label in few), ""],
        "`given_evidence=0`": ["coft", *(f"coft{label},given_evidence=0" for label in few), ""],
        "those labels alone": ["", *(f"supervised{label}" for label in few), "supervised"],
    }
    for name in SETS:
        for title, each in entrants.items():
            values = [_by_set(first, entrant, _accuracy)[name] for entrant in each]
            if any(values[1:-1]):
                lines.append(line([name, title, *map(percent, values)]))
    return "\n".join(lines)


def second_model(rows: Sequence[Result]) -> str:
    """A small model alone, and trained on the full model's labels, one random seed."""
    lines = _head(
        "set", "small, zero-shot", "small, CoFT", "small, full model's labels", "full, CoFT"
    )
    first = [row for row in rows if row["seed"] == 0]
    alone = f"coft:model={SMALL}"
    for name in SETS:
        before = _by_set(first, alone, _before)[name]
        entrants = (alone, f"coft:phase2_model={SMALL}", "coft")
        values = [before, *(_by_set(first, entrant, _accuracy)[name] for entrant in entrants)]
        if before:
            lines.append(line([name, *map(percent, values)]))
    return "\n".join(lines)


def _accuracy(row: Result) -> float | None:
    accuracy: float = row["accuracy"]
    return accuracy


def _before(row: Result) -> float | None:
    accuracy: float = row["zero_shot_accuracy"]
    return accuracy


def _stage(name: str) -> Figure:
    return lambda row: row["labels"].get(name)


TABLES: dict[str, Callable[[Sequence[Result]], str]] = {
    "chart": chart,
    "coft": coft,
    "methods, test": lambda rows: methods(rows, _accuracy, _before, bound=True),
    "methods, train": lambda rows: methods(
        rows, _stage("finished"), _stage("zero_shot"), bound=False
    ),
    "unknown": unknown,
    "grouped": grouped,
    "stages": stages,
    "ablations": ablations,
    "shots": shots,
    "second model": second_model,
}


def _is(row: Result, name: str, entrant: str) -> bool:
    return bool(row["set"] == name and row["entrant"] == entrant)


def _by_set(
    rows: Sequence[Result], entrant: str, figure: Figure, *, sets: Sequence[str] = SETS
) -> dict[str, list[float]]:
    return {
        name: [
            value for row in rows if _is(row, name, entrant) if (value := figure(row)) is not None
        ]
        for name in sets
    }


def _best(rows: Sequence[Result], name: str, suffix: str, figure: Figure) -> set[str]:
    """The methods with the best mean on a data set, to the digits that the table shows."""
    means = {
        method: round(100 * statistics.mean(values), 1)
        for method in METHODS
        if (values := _by_set(rows, method + suffix, figure)[name])
    }
    return {method for method, mean in means.items() if mean == max(means.values())}


def _row(
    titles: Sequence[str], values: dict[str, list[float]], *, bold: Container[str] = ()
) -> str:
    cells = [f"**{percent(v)}**" if name in bold else percent(v) for name, v in values.items()]
    return line([*titles, *cells, mean_of(list(values.values()))])


def _head(*titles: str) -> list[str]:
    return [line(titles), rule(len(titles))]
