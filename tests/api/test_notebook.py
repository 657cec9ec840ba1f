"""docs/demo.ipynb, cell by cell, on a small demo set and a small model."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import studio

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "demo.ipynb"


def cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    return ["".join(cell["source"]) for cell in code]


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run it as a notebook does; gives what its last line shows."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, NOTEBOOK.name, "exec"), names)
    if not isinstance(last, ast.Expr):
        return None
    shown = eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), names)
    html = getattr(shown, "_repr_html_", None)
    assert repr(shown)
    assert html is None or html()
    return shown


@pytest.mark.slow
def test_every_cell_runs_and_shows_what_it_says(
    tmp_path: Path, tiny_model: Path, quick_settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STUDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("studio.demo.PER_CLASS", 2)
    fit = studio.fit

    def quick(*folder: Any, **how: Any) -> studio.Run:
        if "like" not in how:
            how |= {"model": str(tiny_model), "settings": quick_settings}
        return fit(*folder, **how, progress=False)

    monkeypatch.setattr(studio, "fit", quick)
    names: dict[str, Any] = {}
    shown = [run_cell(source, names) for source in cells()]
    run, again = names["run"], names["again"]
    assert len(run.labels) == 22
    assert len(run.class_names) == 11
    first, second = names["worst"]
    rows = {row["path"]: row for row in again.labels}
    assert rows[first]["label"] == run.class_names[0]
    assert rows[second]["correction"] == "rejected"
    assert {"ZeroShot", "Finished"} <= set(capsys.readouterr().out.split())
    assert (tmp_path / "notebook-labels" / "labels.csv").is_file()
    assert len(list((tmp_path / "notebook-sorted").rglob("*.jpg"))) == 21
    assert len(shown[-1]) == 3
