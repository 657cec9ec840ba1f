"""The table that labels come in."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.api.table import Table
from studio.runs.table import read_csv


@pytest.fixture
def table() -> Table:
    return Table({
        "path": ["a.jpg", "=b.jpg", "c.jpg"], "label": ["cat", "<b>", "-dog"],
        "clean": [True, False, True], "score": [0.5, None, 1.0],
    })  # fmt: skip


def test_columns_rows_and_parts(table: Table) -> None:
    assert table["label"] == ["cat", "<b>", "-dog"]
    assert table[2] == {"path": "c.jpg", "label": "-dog", "clean": True, "score": 1.0}
    assert table[-1] == table[2]
    assert table[1:]["path"] == ["=b.jpg", "c.jpg"]
    assert [row["path"] for row in table] == table["path"]
    assert table.where(lambda row: row["clean"])["path"] == ["a.jpg", "c.jpg"]
    assert table.take([2, 0])["path"] == ["c.jpg", "a.jpg"]
    with pytest.raises(ValueError, match="lengths"):
        Table({"a": [1], "b": []})


def test_a_file_that_no_spreadsheet_mistakes_for_formulas(table: Table, tmp_path: Path) -> None:
    head, rows = read_csv(table.save(tmp_path / "out.csv"))
    assert head == list(table.columns)
    assert [list(row.values()) for _, row in rows] == [
        ["a.jpg", "cat", "true", "0.500000"],
        ["./=b.jpg", "<b>", "false", ""],
        ["c.jpg", "'-dog", "true", "1.000000"],
    ]


def test_a_data_frame(table: Table) -> None:
    pandas = pytest.importorskip("pandas")
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(table.columns)
    assert frame["clean"].tolist() == [True, False, True]


def test_shown_as_text_and_in_a_notebook(table: Table) -> None:
    assert repr(table).splitlines()[0].split() == ["path", "label", "clean", "score"]
    html = table._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    long = Table({"path": [f"{i}.jpg" for i in range(14)]})
    assert "4 more" in long._repr_html_()
    assert repr(long).endswith("4 more")
    assert "more" not in html
