"""The tools that measure and build: they are run by hand and seldom, and must not rot meanwhile."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = sorted((ROOT / "tools").rglob("*.py"))


def module(name: str, tool: Path) -> Path | None:
    """The file that a name stands for, ours only; a tool finds its neighbours by their names."""
    places = [ROOT / Path(*name.split(".")), tool.parent / name, ROOT / "tools" / name]
    files = [p for place in places for p in (place.with_suffix(".py"), place / "__init__.py")]
    return next((file for file in files if file.is_file()), None)


@cache
def names_in(file: Path) -> set[str]:
    """What a module has: whatever it defines, assigns or imports, and its submodules."""
    found = {path.stem for path in file.parent.iterdir()} if file.name == "__init__.py" else set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return found


def missing(tool: Path) -> list[str]:
    """Names that a tool imports from us and that are not there."""
    found = []
    for node in ast.walk(ast.parse(tool.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            file = module(node.module, tool)
            folder = ROOT / Path(*node.module.split("."))
            if file is None and node.module.split(".")[0] in ("studio", "tools"):
                found += [] if folder.is_dir() else [node.module]
            elif file is not None:
                here = names_in(file)
                found += [f"{node.module}.{a.name}" for a in node.names if a.name not in here]
    return found


@pytest.mark.parametrize("tool", TOOLS, ids=lambda path: path.name)
def test_what_a_tool_imports_is_there(tool: Path) -> None:
    assert missing(tool) == []


def test_a_name_that_is_gone_is_noticed(tmp_path: Path) -> None:
    tool = tmp_path / "tool.py"
    tool.write_text(
        "from fit_estimate import true_labels, regress\nfrom studio.scores.estimate import Line\n"
        "from studio.scores import estimate, estimates\nfrom studio.gone import anything\n"
    )
    assert missing(tool) == [
        "fit_estimate.true_labels", "studio.scores.estimates", "studio.gone"
    ]  # fmt: skip
