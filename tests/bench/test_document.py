"""docs/lab-notes.md says what its results say."""

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


def test_every_table_of_the_document_is_that_of_its_results(
    tool: ModuleType, contents: ModuleType
) -> None:
    document = tool.DOCUMENT.read_text(encoding="utf-8")
    assert tool.filled(document, Results(tool.RESULTS).rows) == document
    for name in contents.TABLES:
        start = "```mermaid\n" if name == "chart" else "| "
        assert f"<!-- table: {name} -->\n{start}" in document


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
