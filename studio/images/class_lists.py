"""Class names as people write them down: typed, pasted, or in a file of some other tool."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studio.errors import FolderError
from studio.images.encodings import decode_text
from studio.images.names import clean, look_alike, same
from studio.numbers import some

MAX_NAME_LENGTH = 100
_MAX_BYTES = 8_000_000
_SHOWN = 5
_BULLET = re.compile(r"^\s*[-*•]\s+(?=\S)")
_NUMBERED = re.compile(r"^\s*(\d+)\s*([,;:.)\s])\s*(\S.*)$")
_COUNTED = re.compile(r"^\s*(\S.*?)\s*[,;]\s*(\d+)\s*$")
# What stands above a list of names and is no name itself, with any of those behind it.
_HEADS = frozenset(
    {"class", "classes", "class name", "class names", "classname", "classnames", "label", "labels"}
    | {"name", "names", "category", "categories", "category name", "label name", "class label"}
)
_OTHER_HEADS = frozenset(
    {"id", "index", "idx", "nr", "no", "number", "class id", "classid", "label id", "class index"}
    | {
        "category id",
        "folder",
        "folder name",
        "directory",
        "dir",
        "wnid",
        "synset",
        "code",
        "#",
        "",
    }
    | {"count", "images", "n", "readable name", "description", "title"}
)


@dataclass(frozen=True)
class ClassList:
    """Class names in the order they were given.

    aliases: folder name -> class name, where the list says so; notes: what was left out, merged or
    guessed, one sentence each.
    """

    names: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def parse_classes(text: str) -> ClassList:
    """Class names from typed or pasted text.

    One a line, in which commas belong to the name; or all on one line, separated by commas; or
    lines `folder<TAB>readable name`. A line above the list, an index before the names and numbers
    behind them are left out, and the notes say so. Only names that are written alike (see
    `names.same`) are one class. Raises FolderError when fewer than two names are left, or one is
    longer than 100 characters.
    """
    notes: list[str] = []
    lines = [line for line in text.removeprefix("\ufeff").splitlines() if _says(line)]
    aliases: dict[str, str] = {}
    if any("\t" in line.strip() for line in lines):
        pieces = _of_table(lines, aliases, notes)
    else:
        pieces = _of_lines(lines, aliases, notes)
    names: dict[str, str] = {}
    repeated: list[str] = []
    for piece in pieces:
        name = clean(piece)
        if len(name) > MAX_NAME_LENGTH:
            raise FolderError(
                f"The class name “{name[:40]}…” is longer than {MAX_NAME_LENGTH} characters; "
                "give one name a line, or names separated by commas."
            )
        if not name:
            continue
        if same(name) in names and not aliases:
            repeated.append(name)
        names.setdefault(same(name), name)
    if len(names) < 2:
        raise FolderError("Give at least two class names, one a line or separated by commas.")
    if repeated:
        notes.append(f"Given more than once, taken once: {some(repeated)}.")
    notes += [alike_note(group) for group in look_alike(list(names.values()))[:_SHOWN]]
    known = {same(name): name for name in names.values()}
    aliases = {folder: known[same(name)] for folder, name in aliases.items() if same(name) in known}
    return ClassList(tuple(names.values()), aliases, tuple(notes))


def read_classes(path: Path) -> ClassList:
    """`parse_classes` of a text file in UTF-8, UTF-16 or an older encoding. Raises FolderError."""
    text, guessed = read_text(path)
    try:
        found = parse_classes(text)
    except FolderError as error:
        raise FolderError(f"{path}: {error}") from None
    return ClassList(found.names, found.aliases, (*guessed, *found.notes))


def parse_class_names(text: str) -> list[str]:
    """The names of `parse_classes`."""
    return list(parse_classes(text).names)


def parse_aliases(text: str) -> dict[str, str]:
    """Folder name -> class name, from a list as `parse_classes` reads it; {} when it is none."""
    try:
        return dict(parse_classes(text).aliases)
    except FolderError:
        return {}


def read_class_names(path: Path) -> list[str]:
    """The names of `read_classes`."""
    return list(read_classes(path).names)


def read_aliases(path: Path) -> dict[str, str]:
    """The aliases of `read_classes`."""
    return dict(read_classes(path).aliases)


def read_text(path: Path) -> tuple[str, tuple[str, ...]]:
    """The text of a file of class names, and what was guessed about it. Raises FolderError."""
    try:
        with open(path, "rb") as file:
            text, guessed = decode_text(file.read(_MAX_BYTES))
    except ValueError:
        raise FolderError(f"{path} is not a text file; give one class name a line.") from None
    except OSError as error:
        raise FolderError(f"Cannot read the class names in {path}: {error.strerror}.") from None
    return text, (f"{path.name} is {guessed}.",) if guessed else ()


def class_text(class_names: Sequence[str], aliases: Mapping[str, str] | None = None) -> str:
    """Names and aliases (folder -> class) as a text from which `parse_classes` reads the same."""
    aliases = aliases or {}
    plain = "\n".join(class_names)
    if not aliases and _reads_as(plain, class_names):
        return plain
    folders: dict[str, list[str]] = {name: [] for name in class_names}
    for folder, name in aliases.items():
        folders.setdefault(name, []).append(folder)
    lines = []
    for name in class_names:
        lines += [f"{folder}\t{name}" for folder in folders[name]] or [name]
    if _reads_as(text := "\n".join(lines), class_names):
        return text
    # Behind a folder's name a name may look like anything; its own is a folder's name as well.
    return "\n".join(
        f"{folder}\t{name}" for name in class_names for folder in (name, *folders[name])
    )


def alike_note(group: Sequence[str]) -> str:
    """What is said of classes whose names are spelled alike."""
    return (
        f"{' and '.join(f'“{name}”' for name in group)} differ only in their spelling; they are "
        f"{len(group)} classes, so take some away if they should not be."
    )


def _reads_as(text: str, class_names: Sequence[str]) -> bool:
    try:
        return parse_classes(text).names == tuple(class_names)
    except FolderError:
        return False


# Lines with tabs ----------------------------------------------------------------------------------


def _of_table(lines: list[str], aliases: dict[str, str], notes: list[str]) -> list[str]:
    rows = [[clean(cell) for cell in line.strip().split("\t")] for line in lines]
    if len(rows) > 2 and len(rows[0]) > 1 and rows[0][0] != rows[0][1] and _is_head(rows[0]):
        notes.append(_head_note(lines[0]))
        rows = rows[1:]
    names = []
    for row in rows:
        if len(row) > 2:  # a number behind the name is none of it
            row = [row[0], *(cell for cell in row[1:] if not cell.isdecimal())]
        name = " ".join(cell for cell in row[1:] if cell) or row[0]
        names.append(name)
        if len(row) > 1 and row[0] and name:
            aliases[row[0]] = name
    return names


def _is_head(cells: Sequence[str]) -> bool:
    words = [same(cell.rstrip(":")).casefold() for cell in cells]
    return any(word in _HEADS for word in words) and all(
        word in _HEADS or word in _OTHER_HEADS for word in words
    )


def _head_note(line: str) -> str:
    return f"The first line, “{clean(line)}”, was taken for a heading; put it further down if not."


# Lines without tabs -------------------------------------------------------------------------------


def _of_lines(lines: list[str], aliases: dict[str, str], notes: list[str]) -> list[str]:
    whole = " ".join(lines).strip()
    if re.match(r"\[\s*[\"']", whole) and whole.endswith("]"):
        return _cells(whole[1:-1].strip())  # a list as Python and JSON write it
    if len(lines) == 1:
        return _cells(lines[0])
    if all(line.rstrip().endswith(",") for line in lines[:-1]) or all(map(_is_quoted, lines)):
        return [cell for line in lines for cell in _cells(line)]
    if len(lines) > 2 and _is_head(re.split("[,;]", lines[0])):
        notes.append(_head_note(lines[0]))
        lines = lines[1:]
    if all(map(_BULLET.match, lines)):
        lines = [_BULLET.sub("", line) for line in lines]
    lines = _without_numbers(_without_index(lines, aliases, notes), notes)
    lists = [line for line in lines if "," in line]
    if lists:
        notes.append(
            f"There is one name on each line, so commas belong to it: {some(lists)}. To separate "
            "names by commas, put all on one line."
        )
    return lines


def _cells(line: str) -> list[str]:
    """The names of one line: separated by commas or semicolons, which quotes may enclose."""
    separator = ";" if "," not in line and ";" in line else ","
    quote = "'" if re.search(r"(^|,)\s*'", line) and '"' not in line else '"'
    try:
        return next(
            csv.reader([line], delimiter=separator, quotechar=quote, skipinitialspace=True), []
        )
    except csv.Error:
        return line.split(separator)


def _is_quoted(line: str) -> bool:
    return bool(re.fullmatch(r"""\s*(("[^"]*"|'[^']*')\s*,?\s*)+""", line))


def _without_index(lines: list[str], aliases: dict[str, str], notes: list[str]) -> list[str]:
    """Lines `0: cat`, `1: dog` without their numbers, where those count up from 0 or 1."""
    found = [_NUMBERED.match(line) for line in lines]
    numbers = [int(match[1]) for match in found if match]
    names = [match[3] for match in found if match]
    first = numbers[0] if numbers else -1
    by_blank = any(match and match[2].isspace() for match in found)
    if (
        len(names) < len(lines)
        or first not in (0, 1)
        or numbers != list(range(first, first + len(lines)))
        or len(set(map(same, names))) < len(names)
        or (by_blank and first == 1 and len(lines) < 3)  # `1 person`, `2 people`
        or any(name[0].isdecimal() for name in names)  # `0,5 litres`
    ):
        return lines
    notes.append(f"The numbers before the names, {numbers[0]} to {numbers[-1]}, were left out.")
    aliases.update((str(number), name) for number, name in zip(numbers, names, strict=True))
    return names


def _without_numbers(lines: list[str], notes: list[str]) -> list[str]:
    """Lines `cat,120`, `dog,80` without their numbers."""
    found = [_COUNTED.match(line) for line in lines]
    names = [match[1] for match in found if match]
    if len(names) < len(lines) or len(set(map(same, names))) < len(names):
        return lines
    notes.append("The numbers behind the names were left out.")
    return names


def _says(line: str) -> bool:
    """Whether there is anything to see in a line."""
    return any(map(clean, line.split("\t")))
