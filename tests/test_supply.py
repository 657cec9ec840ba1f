"""What is installed, what the code does with what it reads, and the list of threats."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = [*sorted((ROOT / "studio").rglob("*.py")), ROOT / "app.py"]

RUNS_CODE = re.compile(
    r"(?<![.\w])(eval|exec)\(|trust_remote_code\s*=\s*True|shell\s*=\s*True|allow_pickle\s*=\s*True"
    r"|torch\.load\(|yaml\.(unsafe_)?load\(|pickle\.loads?\(|weights_only\s*=\s*False|os\.system\("
)


def test_nothing_in_the_code_runs_what_it_reads() -> None:
    assert RUNS_CODE.search("x = torch.load(f)")
    assert RUNS_CODE.search("eval(text)")
    assert not RUNS_CODE.search("model.eval()")
    found = [f"{p.name}: {m[0]}" for p in CODE for m in RUNS_CODE.finditer(p.read_text())]
    assert found == []


def test_nobody_is_told_to_fetch_this_project_from_a_registry_that_does_not_have_it() -> None:
    """Whoever took the name there would be installed in its place."""
    advice = re.compile(r"pip install [^\n]*coft-studio")
    assert advice.search("`pip install 'coft-studio[onnx]'`")
    assert [p.name for p in CODE if advice.search(p.read_text())] == []


def test_versions_with_known_holes_are_not_installed() -> None:
    from packaging.requirements import Requirement

    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = {r.name: r for r in map(Requirement, (x for x in lines if x and x[0] != "#"))}
    holes = {"gradio": "6.30", "torch": "2.9.1", "pillow": "11.2", "diskcache": "5.6.2"}
    for name, version in holes.items():
        assert not wanted[name].specifier.contains(version), name
    assert not wanted["gradio"].specifier.contains("7.0")
    assert all(len(r.specifier) for r in wanted.values())


def test_each_threat_has_tests_that_exist() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text()
    rows = re.findall(r"^\| (\d+)\. [^|]+\| ([^|]+) \|$", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 16))
    for number, cell in rows:
        tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", cell)
        assert tests, number
        for file, name in tests:
            assert f"def {name}(" in (ROOT / file).read_text(), f"{file}::{name}"
