"""docs/benchmarks.md and docs/lab-notes.md say what their results say."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from studio.bench.results import Results

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import benchmark_tables

    module: ModuleType = benchmark_tables
    return module


@pytest.fixture
def contents(tool: ModuleType) -> ModuleType:
    import benchmark_contents

    module: ModuleType = benchmark_contents
    return module


def result(data: str, entrant: str, accuracy: float, seed: int = 0) -> dict[str, Any]:
    return {
        "set": data, "entrant": entrant, "seed": seed, "accuracy": accuracy,
        "zero_shot_accuracy": 0.5, "labels": {"zero_shot": 0.4, "finished": accuracy - 0.1},
        "folder": "/home/somebody/photos",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["benchmarks", "lab-notes"])
def test_every_table_of_a_document_is_that_of_its_results(
    tool: ModuleType, contents: ModuleType, name: str
) -> None:
    path, kept = tool.beside(name)
    document = path.read_text(encoding="utf-8")
    assert tool.filled(document, Results(kept).rows) == document
    own = contents.TABLES if name == "lab-notes" else tool.benchmark_eight.TABLES
    for table in own:
        start = "```mermaid\n" if table == "chart" else "| "
        assert f"<!-- table: {table} -->\n{start}" in document


def test_runs_on_parts_of_sets_have_a_row_each_with_their_gain(tool: ModuleType) -> None:
    rows = [
        {**result("caltech101-present-0.25-tail-10", "coft", 0.6), "knowledge": "doubtful"},
        {**result("pets-tail-50", "coft", 0.4), "knowledge": "near chance"},
        {**result("caltech101", "coft", 0.6), "knowledge": "doubtful"},
    ]
    assert tool.benchmark_eight.subsets(rows).splitlines()[2:] == [
        "| caltech101 | 25 % | 10:1 | 50.0 | 60.0 | +10.0 | doubtful |",
        "| pets | all | 50:1 | 50.0 | 40.0 | -10.0 | near chance |",
    ]


def test_a_method_that_was_not_measured_on_all_sets_has_no_row(tool: ModuleType) -> None:
    sets = tool.benchmark_eight.EIGHT
    rows = [result(name, "coft", 0.6) for name in sets]
    rows += [result(name, "stata", 0.7) for name in sets[:-1]]
    table = tool.benchmark_eight.by_method(rows)
    assert [row.split(" | ")[0] for row in table.splitlines()[2:]] == ["| zero-shot", "| **CoFT**"]


def test_runs_with_answers_stand_beside_the_same_seed_without(tool: ModuleType) -> None:
    judged = tool.benchmark_eight.JUDGED
    rows = [result("cifar10", "coft", 0.6), result("cifar10", "coft", 0.9, seed=1)]
    rows += [result("cifar10", judged, 0.7), result("eurosat", judged, 0.4),
             result("eurosat", "coft", 0.5)]  # fmt: skip
    rows = [{**row, "classes": 10, "labels": {"finished": row["accuracy"]}} for row in rows]
    rows.append({**result("flowers102", judged, 0.7), "classes": 102, "labels": {"finished": 0.7}})
    assert tool.benchmark_eight.judged(rows).splitlines()[2:] == [
        "| cifar10 | 20 | 50.0 | 60.0 | 70.0 | +10.0 | 60.0 | 70.0 |",
        "| eurosat | 20 | 50.0 | 50.0 | 40.0 | -10.0 | 50.0 | 40.0 |",
        "| **mean of 2** |  | 50.0 | 55.0 | 55.0 | +0.0 |  |  |",
    ]


def test_results_are_kept_once_and_without_folders_of_the_machine(tool: ModuleType) -> None:
    old = [result("cifar10", "coft", 0.6), result("cifar10", "coft", 0.7, seed=1)]
    rows = tool.merged(old, [result("cifar10", "coft", 0.654321049)])
    assert [(row["seed"], row["accuracy"]) for row in rows] == [(0, 0.654321), (1, 0.7)]
    assert not any("folder" in row for row in rows)


def test_the_best_of_either_prompts_are_bold_and_a_mean_needs_all_sets(
    contents: ModuleType,
) -> None:
    rows = [result(name, "coft", 0.6) for name in contents.SETS]
    rows += [result(name, "upl", 0.6002) for name in contents.SETS[:4]]
    rows += [result(contents.SETS[0], "upl" + contents.SENTENCES, 0.3)]
    lines = contents.TABLES["methods, test"](rows).splitlines()[2:]
    assert lines[0] == "| zero-shot | template | 50.0 | 50.0 | 50.0 | 50.0 | 50.0 | 50.0 |"
    assert lines[1].startswith("| UPL | template | **60.0** |")
    assert lines[1].endswith(" |  |  |")
    assert lines[2].startswith("| **CoFT** | template | **60.0** |")
    assert lines[2].endswith(" | **60.0** | 60.0 |")
    assert lines[3].startswith("| UPL | sentences | **30.0** |  |")
    trained = contents.TABLES["methods, train"](rows).splitlines()[2:]
    assert trained[0].startswith("| zero-shot | template | 40.0 |")
    assert trained[2].startswith("| **CoFT** | template | **50.0** |")


def test_bars_stand_for_what_was_measured_everywhere(
    tool: ModuleType, contents: ModuleType
) -> None:
    rows = [result(name, "coft", 0.6) for name in contents.SETS]
    rows += [result(name, "upl" + contents.SENTENCES, 0.7) for name in contents.SETS]
    rows += [result(name, "fpl", 0.9) for name in contents.SETS[:4]]
    drawn = contents.TABLES["chart"](rows)
    assert '  x-axis ["UPL with sentences", "CoFT", "zero-shot"]' in drawn
    assert "  bar [70.0, 60.0, 50.0]" in drawn
    assert "\n\n" not in drawn, "a table ends at an empty line"


def test_a_table_ends_at_the_next_empty_line(tool: ModuleType) -> None:
    rows = [result("clothing10", "coft", 0.6), result("clothing10", "coft:shots=2", 0.7)]
    text = "before\n\n<!-- table: shots -->\n| old |\n\nafter\n"
    filled = tool.filled(text, rows)
    assert "| clothing10 | CoFT | 60.0 |  | 70.0 |  |  |  |\n\nafter\n" in filled
    assert "old" not in filled
    assert tool.filled(filled, rows) == filled
    with pytest.raises(KeyError, match="no such"):
        tool.filled("<!-- table: no such -->\n", rows)
