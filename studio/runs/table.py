"""CSV files that people open in a spreadsheet, and give back edited."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from studio import room
from studio.errors import RunError
from studio.files import replace_file
from studio.images.encodings import decode_text
from studio.numbers import plural
from studio.runs.json_table import is_json, json_rows
from studio.untrusted import Unreadable, open_file

REFUSED_FILE = "refused.csv"
"""In a run's folder: the files that were not used, and why; not there when there are none."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# A name may begin with an apostrophe of its own, which must not be taken for the one in front.
_SAFE_OR_NOT = re.compile(r"'*[=+\-@\t\r]")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    """Write a head and rows to `path`, whole or not at all; returns `path`.

    Raises:
        RunError: The file cannot be written.
    """

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            _write(file, columns, rows)

    try:
        replace_file(path, write)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def check_out(path: Path, *heads: Sequence[str], answers: str = "", over: bool = True) -> None:
    """Raise where a table that takes long to make could not be written, or would destroy something.

    Args:
        path: Where the table is to be.
        heads: The columns of what may be there; a file with others is somebody's own.
        answers: The column in which people answer; what they said is not written over.
        over: Whether another table of the same kind is written anew. Nobody can tell whether
            somebody has worked on it since.

    Raises:
        RunError: with what to do.
    """
    head: list[str] = []
    rows: list[tuple[int, dict[str, str]]] = []

    def ours() -> bool:
        nonlocal head, rows
        with suppress(RunError):
            head, rows = read_csv(path)
        return head in [list(columns) for columns in heads]

    room.check_out(path, ours=ours, over=over)
    if answers and (said := sum(1 for _, row in rows if row[answers].strip())):
        raise RunError(
            f"{path} holds {plural(said, 'answer')}, which would be lost; read them with --answers "
            "(`python -m studio checks RUN --answers FILE`), or give another file."
        )


def row_text(cells: Sequence[object]) -> str:
    """One row as `write_csv` writes it."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def _write(file: TextIO, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)


def read_csv(
    path: Path, *, tell: Callable[[str], None] | None = None
) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The head in lower case, and each row that is not empty with its line's number in the file
    (of JSON its entry's).

    Takes what spreadsheets and other tools write: UTF-8, UTF-16 or an older encoding, a byte-order
    mark, semicolons or tabs in place of commas, missing cells at the end; and JSON, see
    `json_table`. tell: told what was guessed.

    Raises:
        RunError: The file cannot be read, or is neither CSV nor JSON.
    """
    try:
        if path.exists():
            open_file(path).close()  # no pipe, which would wait for ever
        text, guessed = decode_text(path.read_bytes())
        if guessed and tell is not None:
            tell(f"{path.name} is {guessed}")
        if is_json(path.name, text):
            return json_rows(path.name, text)
        first = text.partition("\n")[0]
        delimiter = max(",;\t|", key=first.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        head = [name.strip().lower() for name in next(reader, [])]
        rows = [
            (reader.line_num, dict(zip(head, cells + [""] * len(head), strict=False)))
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except Unreadable as error:
        raise RunError(f"cannot read {path}: {error}") from None
    except (ValueError, csv.Error) as error:
        raise RunError(f"{path} is no CSV file in UTF-8 ({error}); save it as one") from error
    return head, rows


def safe_path(path: str) -> str:
    """A relative path that no spreadsheet takes for a formula; it still leads to the file."""
    return f"./{path}" if path.startswith(_FORMULA) else path


def safe_name(name: str) -> str:
    """A class name that no spreadsheet takes for a formula."""
    return f"'{name}" if _SAFE_OR_NOT.match(name) else name


def plain_path(cell: str) -> str:
    """What `safe_path` was given."""
    return cell.removeprefix("./")


def plain_name(cell: str) -> str:
    """What `safe_name` was given."""
    return cell[1:] if cell.startswith("'") and _SAFE_OR_NOT.match(cell[1:]) else cell
