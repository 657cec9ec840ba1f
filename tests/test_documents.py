"""README and docs: every command is one that the studio takes, every link leads somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from studio.cli import _parser

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "assets" / "embedded" / "README.md"]
)

_CODE = re.compile(r"^ {4}(.+)$|`([^`\n]+)`", re.MULTILINE)
_FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_STUDIO = re.compile(r"(?:^|&& |=\d )(?:python -m studio|coft) (.+)")
_TOOL = re.compile(r"python (tools/\S+\.py)|python -m (tools\.\w+)")
_SAID = re.compile(r"python -m studio ([a-z]+)((?: (?:[A-Z{]\S*|--[a-z-]+))*)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_OPTIONAL = re.compile(r"\[[^\]]*\]")


def lines(document: Path) -> list[str]:
    """All code of a document, line by line."""
    text = document.read_text(encoding="utf-8")
    fenced = "\n".join(_FENCED.findall(text)).replace("\\\n", " ")
    found = [first or second for first, second in _CODE.findall(_FENCED.sub("", text))]
    return [*fenced.splitlines(), *found]


def commands(document: Path) -> list[str]:
    found = (_STUDIO.search(line.split("  #")[0].strip()) for line in lines(document))
    return [match[1] for match in found if match and "..." not in match[1]]


def taken(arguments: list[str]) -> bool:
    """Whether the command line takes these; `--help` ends with 0."""
    try:
        _parser().parse_args(arguments)
    except SystemExit as end:
        return end.code == 0
    return True


def anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", title).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_is_one_that_the_studio_takes(document: Path) -> None:
    for command in commands(document):
        words = shlex.split(_OPTIONAL.sub("", command))
        arguments = ["3" if word == "N" else word for word in words]
        if len(arguments) == 1 and "|" not in command:
            arguments.append("--help")
        assert taken(arguments), f"{document.name}: {command}"


def test_every_command_that_a_message_names_is_there() -> None:
    """Its options, too: "runs --repeat RUN" was told, and the option is called --command."""
    subparsers: Any = next(a for a in _parser()._actions if isinstance(a.choices, dict))
    sources = [*(ROOT / "studio").rglob("*.py"), *(ROOT / "assets").rglob("*.html")]
    said = [match for path in sources for match in _SAID.findall(path.read_text(encoding="utf-8"))]
    assert len(said) > 10
    for command, rest in said:
        known = subparsers.choices[command]._option_string_actions
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in known, f"{command} {option}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_tool_is_there(document: Path) -> None:
    for script, module in _TOOL.findall("\n".join(lines(document))):
        path = ROOT / (script or module.replace(".", "/"))
        assert path.exists() or path.with_suffix(".py").exists(), f"{document.name}: {path}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in _LINK.findall(document.read_text(encoding="utf-8")):
        if link.startswith(("http", "mailto:")):
            continue
        name, _, heading = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), f"{document.name}: {link}"
        if heading:
            text = _FENCED.sub("", target.read_text(encoding="utf-8"))
            titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            assert heading in map(anchor, titles), f"{document.name}: {link}"


def test_commands_are_found() -> None:
    found = [command for document in DOCUMENTS for command in commands(document)]
    assert len(found) > 40
    assert {command.split()[0] for command in found} >= {"fit", "export", "predict", "bench"}
