"""Corrections as a table that people and tools write and read, and the one that a run keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from studio.errors import RunError
from studio.images.image_names import ImageNames, plain
from studio.images.names import same
from studio.numbers import some
from studio.runs.given import NAMING, VERDICTS, Correction, Given, Verdict, given_vector
from studio.runs.table import plain_name, plain_path, read_csv, safe_name, safe_path, write_csv

COLUMNS = ("path", "label", "correction")
JUDGED_COLUMN = "judged_label"
CORRECTION_HEADS = (COLUMNS, (*COLUMNS, JUDGED_COLUMN))
"""Of a table of corrections: without and with what a judge said beside a person."""
PATH_HEADS = (
    "path", "file_name", "filename", "file", "image", "image_path", "filepath", "img",
    "original_path",
)  # fmt: skip
"""What other tools call the column `path`."""
LABEL_HEADS = ("label", "class", "class_name", "category", "choice", "label_name")
"""What they call the column `label`."""
GIVEN_FILE = "given.csv"
"""In a run's folder: what the run was started with."""


def write_corrections(path: Path, corrections: Mapping[str, Correction]) -> Path:
    """Write them as CSV with the columns path, label, correction, which `read_corrections` reads.

    A column judged_label is added where a judge and a person spoke of the same image.

    Raises:
        RunError: The file cannot be written.
    """
    both = any(correction.judged is not None for correction in corrections.values())
    rows = (
        (
            safe_path(image), safe_name(correction.label), correction.verdict,
            *((safe_name(correction.judged_label or ""),) if both else ()),
        )
        for image, correction in sorted(corrections.items())
    )  # fmt: skip
    return write_csv(path, CORRECTION_HEADS[both], rows)


def read_corrections(
    path: Path,
    *,
    images: ImageNames | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Correction]:
    """Corrections from CSV or JSON: labels.csv of the studio, or what a person or a tool wrote.

    With a column `correction`, rows in which it is empty say nothing. Without one, every row that
    has a label gives it. What was judged is in the column judged_label, where there is one.

    Args:
        path: Of the table. Its columns may be called as in PATH_HEADS and LABEL_HEADS.
        images: Those of the folder, whose names the table may spell in other ways.
        tell: Told of rows that repeat others, with their lines, and of a guessed encoding.

    Raises:
        RunError: It cannot be read, lacks a column, a row makes no sense, or rows contradict each
            other: which ones is said.
    """
    head, rows = read_csv(path, tell=tell)
    named = [[n for n in names if n in head] for names in (PATH_HEADS, LABEL_HEADS)]
    missing = [name for name, found in zip(COLUMNS, named, strict=False) if not found]
    if missing:
        raise RunError(f"{path} has no column {some(missing)}: its head must be path,label")
    path_column = _of_paths(named[0], rows, images)
    label_column = _of_labels(named[1], rows)
    if "correction" not in head and "clean_probability" in head:
        raise RunError(
            f"{path} holds labels that a model gave, not corrections; "
            "add a column `correction` that says accepted, relabelled or rejected where you did so"
        )
    said: dict[str, list[tuple[int, Correction]]] = {}
    for number, row in rows:
        image, label = plain_path(row[path_column].strip()), plain_name(row[label_column].strip())
        verdict = row["correction"].strip().lower() if "correction" in head else "relabelled"
        if not verdict or ("correction" not in head and not label):
            continue
        judged = plain_name(row[JUDGED_COLUMN].strip()) if JUDGED_COLUMN in head else ""
        if verdict == "judged" and JUDGED_COLUMN in head:
            label = judged
        if verdict not in VERDICTS:
            raise RunError(f"{path}, line {number}: correction must be one of {some(VERDICTS)}")
        if not image or (verdict in NAMING and not label):
            raise RunError(f"{path}, line {number}: a path and a label are needed")
        correction = Correction(
            cast(Verdict, verdict), "" if verdict == "rejected" else label,
            judged=judged if judged and verdict != "judged" else None,
        )  # fmt: skip
        key = plain(image) if images is None else images.key(image)
        said.setdefault(key, []).append((number, correction))
    _check_repeated(path, said, tell)
    return {image: found[-1][1] for image, found in said.items()}


Rows = Sequence[tuple[int, Mapping[str, str]]]


def _of_paths(columns: Sequence[str], rows: Rows, images: ImageNames | None) -> str:
    """The column in which the images are found: an export has new names beside the old ones."""
    if images is None or len(columns) == 1:
        return columns[0]

    def found(column: str) -> int:
        names = (plain_path(row[column].strip()) for _, row in rows)
        return sum(images.find(name) is not None for name in names)

    return max(columns, key=found)


def _of_labels(columns: Sequence[str], rows: Rows) -> str:
    """The column with names, where another one holds their numbers."""
    words = (c for c in columns if any(r[c].strip() and not r[c].isdecimal() for _, r in rows))
    return next(words, columns[0])


def _check_repeated(
    path: Path,
    said: Mapping[str, Sequence[tuple[int, Correction]]],
    tell: Callable[[str], None] | None,
) -> None:
    """Rows of one image must say the same; those that do are told, the others are an error."""
    again = {image: found for image, found in said.items() if len(found) > 1}
    against = [
        f"{image} is " + " and ".join(f"{c.label or c.verdict} (line {n})" for n, c in found)
        for image, found in again.items()
        if len({same(correction.label) for _, correction in found}) > 1
    ]
    if against:
        images = "1 image has" if len(against) == 1 else f"{len(against)} images have"
        raise RunError(
            f"{path}: {images} more than one label: {some(against, 20)}; leave one row for each"
        )
    if again and tell is not None:
        lines = [
            f"{image} (lines {', '.join(str(number) for number, _ in found)})"
            for image, found in again.items()
        ]
        tell(f"{path.name} has more than one row for {some(lines, 20)}; they say the same")


def keep_given(
    folder: Path,
    corrections: Mapping[str, Correction],
    *,
    paths: Sequence[str],
    class_names: Sequence[str],
    roots: Iterable[Path] = (),
) -> Given:
    """`given_vector`, and a copy of the corrections in a run's folder, where it stays.

    Raises:
        RunError: As `given_vector`, or the copy cannot be written.
    """
    given = given_vector(corrections, paths=paths, class_names=class_names, roots=roots)
    if corrections:
        write_corrections(folder / GIVEN_FILE, given.corrections)
    return given
