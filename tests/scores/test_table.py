"""A new score is shown by one entry in the table of scores."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from studio.bench.table import detail
from studio.runs.compared import ComparedRun
from studio.runs.curves import Curves
from studio.runs.measured import Score
from studio.runs.result import RunResult
from studio.runs.store import RunStore
from studio.scores import table
from studio.scores.table import SCORES, ShownScore, shown
from studio.views import runs
from studio.views.compare import results_table
from studio.views.figures import figures, numbers


def test_a_score_has_one_name_and_one_title() -> None:
    assert len({score.name for score in SCORES}) == len(SCORES)
    assert len({score.title for score in SCORES}) == len(SCORES)
    for score in SCORES:
        assert score.where
        assert hasattr(RunResult(), score.name), "it would never come into a result"


def test_values_are_written_with_their_unit_and_what_is_not_known_is_left_out() -> None:
    share, area = ShownScore("a", "A", "a"), ShownScore("b", "B", "b", unit="area")
    assert share.text(0.1234) == "12.3 %"
    assert area.text(0.98765) == "0.988"
    assert share.text(None) == area.text(None) == ""


def test_one_entry_in_the_table_is_enough_to_show_a_score(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The worked example: a score that the run records and its result holds, but nothing shows."""
    assert all(score.name != "agreement" for score in (*shown("facts"), *shown("bench")))
    everywhere: Any = frozenset({"curve", "compare", "facts", "bench"})
    entry = ShownScore("agreement", "Of one mind", "of one mind", where=everywhere)
    others = tuple(score for score in SCORES if score.name != "agreement")
    monkeypatch.setattr(table, "SCORES", (*others, entry))

    curves = Curves()
    curves.add(Score("finished", {"agreement": 0.625}))
    (figure,) = figures(curves)
    assert [trace["name"] for trace in figure["traces"]] == ["Of one mind"]
    assert "of one mind" in numbers(curves)
    assert "62.5 %" in numbers(curves)

    run = RunStore(tmp_path).create(name="x", method="coft", model="m", folder="/f")
    result = RunResult(images=9, accuracy=0.5, agreement=0.625)
    monkeypatch.setattr(type(run), "result", lambda self: result)
    assert "Of one mind 62.5 %" in text_of(runs.facts(run.info, result, command=""))

    compared = ComparedRun(0, run.info, result=result)
    assert "Of one mind 62.5 %" in text_of(results_table([compared]))

    row = {"set": "s", "images": 9, "test_images": 4, "knowledge": "promising", "seed": 0}
    drawn = detail([{**row, "accuracy": 0.5, "zero_shot_accuracy": 0.4, "agreement": 0.625}])
    head, _, first = drawn.splitlines()
    assert dict(zip(cells(head), cells(first), strict=True))["of one mind"] == "62.5"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())
