"""Corrections on their way: as a table that people write and read, and as a fit takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from studio.errors import RunError
from studio.images.image_names import ImageNames, plain
from studio.images.names import Matcher, same
from studio.numbers import plural, some
from studio.runs.table import plain_name, plain_path, read_csv, safe_name, safe_path, write_csv

if TYPE_CHECKING:
    from torch import Tensor

Verdict = Literal["accepted", "relabelled", "rejected", "judged"]
VERDICTS: tuple[str, ...] = get_args(Verdict)
"""All but `judged` are a person's; that one is a vision-language model's."""

UNKNOWN, REJECTED = -1, -2
"""What `given_vector` says of images without a label: nothing known, and to be left out."""
NONE = -2
"""What it says of images that were judged to be none of the names that were asked about."""

NAMING = ("accepted", "relabelled")
"""Verdicts that need a label."""

COLUMNS = ("path", "label", "correction")
JUDGED_COLUMN = "judged_label"
PATH_HEADS = (
    "path", "file_name", "filename", "file", "image", "image_path", "filepath", "img",
    "original_path",
)  # fmt: skip
"""What other tools call the column `path`."""
LABEL_HEADS = ("label", "class", "class_name", "category", "choice", "label_name")
"""What they call the column `label`."""
GIVEN_FILE = "given.csv"
"""In a run's folder: what the run was started with."""


@dataclass(frozen=True)
class Correction:
    """What counts for one image.

    label: a class name; empty when the image is rejected, or judged to be none of the names that
    were asked about; judged: where a person spoke, what a judge said before or after; None: it
    said nothing.
    """

    verdict: Verdict
    label: str = ""
    judged: str | None = None

    @property
    def by_person(self) -> bool:
        """Whether a person said it; else a judge did."""
        return self.verdict != "judged"

    @property
    def judged_label(self) -> str | None:
        """What a judge said: a class name, empty = none of the names; None: it said nothing."""
        return self.judged if self.by_person else self.label

    def over(self, before: Correction | None) -> Correction:
        """What counts once this is said after `before`: a judge never overrides a person."""
        if before is None:
            return self
        if self.by_person:
            known = before.judged_label if self.judged is None else self.judged
            return replace(self, judged=known)
        return replace(before, judged=self.label) if before.by_person else self


@dataclass(frozen=True)
class Counts:
    """How many images are corrected, and how."""

    accepted: int = 0
    relabelled: int = 0
    rejected: int = 0
    judged: int = 0

    @property
    def by_person(self) -> int:
        """Images that a person spoke of."""
        return self.accepted + self.relabelled + self.rejected

    @property
    def total(self) -> int:
        """All of them, those included that only a judge spoke of."""
        return self.by_person + self.judged


def count(corrections: Mapping[str, Correction]) -> Counts:
    """Images by verdict."""
    verdicts = [correction.verdict for correction in corrections.values()]
    return Counts(*(verdicts.count(cast(Verdict, verdict)) for verdict in VERDICTS))


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
    return write_csv(path, (*COLUMNS, JUDGED_COLUMN) if both else COLUMNS, rows)


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


@dataclass(frozen=True)
class Given:
    """Corrections as a fit takes them.

    Attributes:
        vector: (N,) int64: a class's index where the label is given, UNKNOWN, or REJECTED.
        judged: (N,) int64: a class's index where the label is judged, UNKNOWN, or NONE; also where
            a person spoke of the same image.
        missing: Paths of corrections whose image is not among the N.
        corrections: All of them, by the images' own paths and with the classes' own names.
    """

    vector: NDArray[np.int64]
    judged: NDArray[np.int64]
    missing: tuple[str, ...]
    corrections: Mapping[str, Correction] = field(default_factory=dict)

    @property
    def labels(self) -> int:
        """Images whose label is given."""
        return int((self.vector >= 0).sum())

    @property
    def rejected(self) -> int:
        """Images that are left out."""
        return int((self.vector == REJECTED).sum())

    @property
    def judgements(self) -> int:
        """Images whose label is judged, and that no person spoke of."""
        return int(((self.judged >= 0) & (self.vector == UNKNOWN)).sum())

    @property
    def warning(self) -> str:
        """What to tell when images are missing."""
        count = len(self.missing)
        images = "1 corrected image is" if count == 1 else f"{count} corrected images are"
        return f"{images} not in the folder any more: {some(self.missing)}"

    def tensor(self) -> Tensor | None:
        """The vector as a method takes it; None when nothing is given."""
        import torch

        return torch.from_numpy(self.vector) if self.labels or self.rejected else None

    def judged_tensor(self) -> Tensor | None:
        """What was judged as a method takes it; None when nothing was."""
        import torch

        return torch.from_numpy(self.judged) if (self.judged != UNKNOWN).any() else None


def given_vector(
    corrections: Mapping[str, Correction],
    *,
    paths: Sequence[str],
    class_names: Sequence[str],
    what: str = "corrections",
    roots: Iterable[Path] = (),
) -> Given:
    """Corrections in the order of a fit's images.

    Args:
        corrections: By path, however it is written.
        roots: The folder of the images as it may be called, see `ImageNames`.
        what: What they are called when something is wrong with them.
        paths: Of the N images.
        class_names: The C names.

    Raises:
        RunError: A label is not among the class names, none of the images is there, or one image
            is given two labels.
    """
    matcher = Matcher(class_names)
    spoken = {label for c in corrections.values() for label in (c.label, c.judged) if label}
    index = matcher.find_each(sorted(spoken))
    strange = sorted(label for label, found in index.items() if found is None)
    if strange:
        raise RunError(
            f"The {what} name classes that are not in the list: {some(strange)}. "
            "Add them to the class names, or take those rows out."
        )
    names, place = ImageNames(paths, roots=roots), {path: n for n, path in enumerate(paths)}
    vector, judged = np.full((2, len(paths)), UNKNOWN, np.int64)
    missing: list[str] = []
    resolved: dict[str, Correction] = {}
    for path, correction in corrections.items():
        found = names.find(path)
        own = _by_own_names(correction, index, class_names)
        if found is None:
            missing.append(path)
            resolved[path] = own
            continue
        before = resolved.get(found)
        if before is not None and before.by_person == own.by_person and before.label != own.label:
            raise RunError(
                f"The {what} give {found} two labels: {before.label or before.verdict} and "
                f"{own.label or own.verdict}."
            )
        resolved[found] = own.over(before)
    number = {name: label for label, name in enumerate(class_names)}
    for path, own in resolved.items():
        if path in place:
            if own.by_person:
                vector[place[path]] = number.get(own.label, REJECTED)
            if own.judged_label is not None:
                judged[place[path]] = number.get(own.judged_label, NONE)
    if corrections and len(missing) == len(corrections):
        raise RunError(
            f"{plural(len(missing), 'image')} of the {what}, and none is in the folder "
            f"({some(missing)}): paths are relative to the folder of images."
        )
    return Given(vector, judged, tuple(missing), resolved)


def _by_own_names(
    correction: Correction, index: Mapping[str, int | None], class_names: Sequence[str]
) -> Correction:
    """The same with the names of the classes as the list spells them."""
    at = index.get(correction.label)
    judged = correction.judged
    if judged and (known := index.get(judged)) is not None:
        judged = class_names[known]
    return replace(correction, label="" if at is None else class_names[at], judged=judged)


def usable(
    corrections: Mapping[str, Correction], *, paths: Iterable[str], class_names: Iterable[str]
) -> dict[str, Correction]:
    """The corrections of images that are there, as far as their classes are among the names."""
    there, names = set(paths), {"", *class_names}
    return {
        path: correction
        if correction.judged is None or correction.judged in names
        else replace(correction, judged=None)
        for path, correction in corrections.items()
        if path in there and correction.label in names
    }


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
